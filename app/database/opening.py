"""Opening a connection: the settings under which SQL means the same in any database, and the refusal where it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import asyncpg

from app.errors import RowgateError

CONNECT_SECONDS = 5.0
# Names are always qualified: a table of somebody else's schema never stands in for ours. Literals in DDL rest on the
# last of them.
SAME_MEANING = {"search_path": "pg_catalog", "TimeZone": "UTC", "standard_conforming_strings": "on"}


class DatabaseUnavailable(RowgateError):
    """The database does not answer, or refuses us; the sentence holds nothing of its URL."""

    status = 503
    code: ClassVar[str] = "db.unavailable"

    def __init__(self, detail: str) -> None:
        """Ask for another try in a second, whatever the reason is."""
        super().__init__(detail, headers={"Retry-After": "1"})


_REFUSALS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.InvalidPasswordError, "The database refuses the name or password in ROWGATE_DATABASE_URL."),
    (asyncpg.InvalidAuthorizationSpecificationError, "The database refuses the role in ROWGATE_DATABASE_URL."),
    (asyncpg.InvalidCatalogNameError, "The database that ROWGATE_DATABASE_URL names does not exist."),
    (asyncpg.TooManyConnectionsError, "The database takes no more connections."),
    (asyncpg.CannotConnectNowError, "The database is starting or stopping."),
    (TimeoutError, "The database does not answer in time."),
    (OSError, "The database cannot be reached."),
    (asyncpg.PostgresError, "The database refuses the connection."),
    (asyncpg.InternalClientError, "The database has ended the connection."),
    (asyncpg.InterfaceError, "The database cannot be spoken to as ROWGATE_DATABASE_URL says."),
    (ValueError, "ROWGATE_DATABASE_URL is not the URL of a Postgres database."),
)


@contextmanager
def opening() -> Iterator[None]:
    """Raise DatabaseUnavailable for what keeps the block from opening a connection."""
    try:
        yield
    except tuple(kind for kind, _ in _REFUSALS) as error:
        sentence = next(sentence for kind, sentence in _REFUSALS if isinstance(error, kind))
        raise DatabaseUnavailable(sentence) from None

"""The database that a command works on: the one that is set, or the embedded one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.audit.writing import chain_under
from app.cli.progress import progress
from app.database.embedded import EmbeddedPostgres, cluster_of, start_embedded
from app.settings import Settings


@contextmanager
def database(settings: Settings, doing: str | Callable[[], str] = "Working on the database") -> Iterator[str]:
    """Give the URL of the database; the embedded one runs for as long as the block runs, which tells what it does.

    Nothing else is printed within the block.
    """
    with embedded(settings) as server, progress(doing):
        yield url_of(settings, server)


@contextmanager
def embedded(settings: Settings) -> Iterator[EmbeddedPostgres | None]:
    """Run the embedded server for as long as the block runs, unless another database is set."""
    chain_under(settings.secret_key.get_secret_value())
    if settings.database_url is not None:
        yield None
        return
    doing = "Making" if is_first_start(settings) else "Starting"
    with progress(f"{doing} the embedded Postgres in {settings.data_dir}"):
        server = start_embedded(settings.data_dir)
    try:
        yield server
    finally:
        server.stop()


def is_first_start(settings: Settings) -> bool:
    """Say whether the embedded server is still to be made."""
    return settings.embedded and not cluster_of(settings.data_dir).exists()


def url_of(settings: Settings, server: EmbeddedPostgres | None) -> str:
    """Give the URL of the embedded server, or of the database that is set."""
    if server is not None:
        return server.url()
    return "" if settings.database_url is None else settings.database_url.get_secret_value()

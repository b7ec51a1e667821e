"""Brings the system tables to what this version of Rowgate needs."""

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database.lock_waits import WAIT_AS_CHANGES_DO
from app.errors import RowgateError
from app.store.engine import make_engine
from app.store.grants import grant
from app.store.lock_tries import LOCKED, Tries, sqlstate
from app.store.version import MIGRATIONS, newest

if TYPE_CHECKING:
    from alembic.config import Config

_NOT_ALLOWED = frozenset({"42501", "25006"})  # by its privileges, or since nothing may be written
_TAKEN = frozenset({"42P06", "42P07", "42710", "42723"})  # a schema, a table, a type, a function of that name
_LOCK = 0x726F7767617465  # "rowgate": migrators of one database wait for each other


class DatabaseNewer(RowgateError):
    """The database was migrated by a newer Rowgate."""

    code: ClassVar[str] = "migrate.newer"


class MigrationLocked(RowgateError):
    """A lock on a system table couldn't be had in time; nothing was changed."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "migrate.locked"


class MigrationRefused(RowgateError):
    """The database's role may not make or change the system tables; nothing was changed."""

    code: ClassVar[str] = "migrate.refused"


class MigrationTaken(RowgateError):
    """The database has a schema, or something in it, of a name that the system tables need; nothing was changed."""

    code: ClassVar[str] = "migrate.taken"


def _refused(error: Any) -> RowgateError:
    said = str(error.orig).partition("\n")[0].rpartition(">: ")[2]
    if sqlstate(error) in _TAKEN:
        return MigrationTaken(
            f"This database holds something of its own where Rowgate would make its tables: {said}.",
            hint="Use a database of its own, or rename that: Rowgate makes the schemas rowgate and data itself.",
        )
    return MigrationRefused(
        f"This role may not bring the database to what this Rowgate needs: {said}.",
        hint="Run `rowgate migrate` with the URL of the role that owns the system tables.",
    )


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - a start that has nothing to migrate doesn't load it

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


async def migrate(url: str, serve_role: str | None = None, serve_password: str | None = None) -> str:
    """Run what is missing, in one transaction, and give the version reached; a second call changes nothing.

    A role that is to serve gets what it needs. Raises DatabaseNewer, MigrationLocked, MigrationRefused or
    MigrationTaken.
    """
    engine = make_engine(url)
    try:
        tries = Tries()
        while True:
            try:
                async with engine.begin() as connection:
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                    # Requests of a server that still runs don't stand in line behind us for longer than a slice.
                    await connection.exec_driver_sql(WAIT_AS_CHANGES_DO)
                    version = await connection.run_sync(_upgrade)
                    if serve_role is not None:
                        await connection.run_sync(grant, serve_role, serve_password)
                    return version
            except DBAPIError as error:
                if sqlstate(error) in _NOT_ALLOWED | _TAKEN:
                    raise _refused(error) from error
                if sqlstate(error) not in LOCKED:
                    raise
                if not await tries.again():
                    sentence = "A long request holds a table that is to change: nothing was changed."
                    raise MigrationLocked(sentence, hint="Try again in a moment.") from error
    finally:
        await engine.dispose()


def _upgrade(connection: object) -> str:
    if _reached(connection) == newest():
        return newest()
    # Alembic takes a third of a second, and most databases that are opened are at the newest revision.
    from alembic import command  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseNewer(
            f"The database is at a version that this Rowgate ({newest()}) doesn't know.",
            hint="Use the newer Rowgate that migrated it.",
        ) from error
    return str(_reached(connection))


def _reached(connection: Any) -> str | None:
    """Give the version that the database is at, None for one without system tables."""
    if connection.scalar(text("SELECT to_regclass('rowgate.alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM rowgate.alembic_version"))
    return found

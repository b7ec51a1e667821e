"""Brings the system tables to what this version of Rowgate needs."""

from pathlib import Path
from typing import Any, ClassVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text

from app.errors import RowgateError
from app.store.engine import make_engine

_LOCK = 0x726F7767617465  # "rowgate": migrators of one database wait for each other


class DatabaseNewer(RowgateError):
    """The database was migrated by a newer Rowgate."""

    code: ClassVar[str] = "migrate.newer"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "migrations").replace("%", "%%"))
    return config


async def migrate(url: str) -> str:
    """Run what is missing, in one transaction, and give the version reached; a second call changes nothing."""
    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            return await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Any) -> str:
    config = _config()
    config.attributes["connection"] = connection
    newest = ScriptDirectory.from_config(config).get_current_head()
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseNewer(
            f"The database is at a version that this Rowgate ({newest}) doesn't know.",
            hint="Use the newer Rowgate that migrated it.",
        ) from error
    context = MigrationContext.configure(connection, opts={"version_table_schema": "rowgate"})
    return str(context.get_current_revision())

"""The version of the system tables: the one that a database is at, and the one that this Rowgate needs."""

from pathlib import Path

from app.database.connection import Connection

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def newest() -> str:
    """Give the version that this Rowgate needs: that of the last file of migrations."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("m*_*.py"))[1:5]


async def is_newest(connection: Connection) -> bool:
    """Say whether a database has nothing to be brought to."""
    if await connection.fetchval("SELECT to_regclass('rowgate.alembic_version')") is None:
        return False
    return bool(await connection.fetchval("SELECT version_num FROM rowgate.alembic_version") == newest())

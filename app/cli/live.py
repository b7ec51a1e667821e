"""What the database holds of a backend, as the commands read it."""

import asyncio
from pathlib import Path

from app.changes.files import read_project
from app.cli.database import database
from app.database.pool import connected
from app.definitions.project import Project
from app.definitions.stored import Stored
from app.settings import Settings, load_settings
from app.store.active import load_active


def live(settings: Settings) -> Stored:
    """Give what is stored in the database of the settings."""
    with database(settings) as url:
        return asyncio.run(stored_in(url))


async def stored_in(url: str) -> Stored:
    """Give what is stored, in a database that need not have been used yet."""
    from app.store.migrate import migrate

    await migrate(url)
    async with connected(url) as connection:
        _, stored = await load_active(connection)
    return stored


def project_of(file: Path | None) -> Project:
    """Give the project of a document, or without one the live one; raises DefinitionInvalid."""
    return live(load_settings()).whole() if file is None else read_project(file)

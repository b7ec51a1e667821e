"""`rowgate migrate`: brings the database to what this version needs."""

import asyncio

import typer


def migrate() -> None:
    """Bring the database to what this version needs."""
    from app.cli.database import database
    from app.settings import load_settings
    from app.store.migrate import migrate as run_missing

    settings = load_settings()
    password = None if settings.serve_password is None else settings.serve_password.get_secret_value()
    with database(settings) as url:
        version = asyncio.run(run_missing(url, settings.serve_role, password))
    typer.echo(f"The database is at version {version}.")

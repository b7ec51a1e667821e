"""`rowgate migrate`: brings the database to what this version needs."""

import asyncio

import typer


def migrate() -> None:
    """Bring the database to what this version needs."""
    from app.cli.database import database
    from app.settings import SettingsInvalid, load_settings
    from app.store.migrate import migrate as run_missing

    settings = load_settings()
    if settings.serve_password is not None and settings.serve_role is None:
        raise SettingsInvalid("ROWGATE_SERVE_PASSWORD should come with ROWGATE_SERVE_ROLE.")
    password = None if settings.serve_password is None else settings.serve_password.get_secret_value()
    with database(settings, "Bringing the database to this version") as url:
        version = asyncio.run(run_missing(url, settings.serve_role, password))
    typer.echo(f"The database is at version {version}.")

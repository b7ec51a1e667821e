"""`rowgate create-admin`: makes an admin."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import wrong_call


def create_admin(
    email: Annotated[str, typer.Option(prompt=True, help="The admin's address.")],
    role: Annotated[str, typer.Option(help="owner, editor or viewer.")] = "owner",
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="ROWGATE_NEW_PASSWORD")
    ] = "",
) -> None:
    """Make an admin; the password is asked for, or read from ROWGATE_NEW_PASSWORD."""
    from app.auth.admin_access import ROLES
    from app.cli.database import database
    from app.settings import load_settings

    if role not in ROLES:
        wrong_call(f"The role is one of {', '.join(ROLES)}.")
    with database(load_settings()) as url:
        asyncio.run(make_admin(url, email, password, role))
    typer.echo(f"{email} is an admin: {role}.")


async def make_admin(url: str, email: str, password: str, role: str) -> None:
    """Make one in the database at `url`."""
    from app.auth import admins
    from app.auth.admin_access import ROLES
    from app.auth.passwords import Passwords
    from app.database.pool import connected
    from app.store.migrate import migrate

    await migrate(url)
    chosen = next(one for one in ROLES if one == role)
    passwords = Passwords()
    try:
        async with connected(url) as connection, connection.transaction():
            await admins.create_admin(connection, passwords, email, password, chosen, actor="command")
    finally:
        passwords.close()

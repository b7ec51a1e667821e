"""`rowgate create-key`: makes an API key."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import wrong_call

if TYPE_CHECKING:
    from app.settings import Settings


def create_key(
    name: Annotated[str, typer.Option(help="The key's name.")],
    admin_role: Annotated[str | None, typer.Option(help="owner, editor or viewer, for the admin API.")] = None,
    role: Annotated[list[str], typer.Option(help="A role of the backend.")] = [],  # noqa: B006 - typer copies it
) -> None:
    """Make an API key and print it this once."""
    from app.auth.admin_access import ROLES
    from app.cli.database import database
    from app.settings import load_settings

    if admin_role not in (None, *ROLES):
        wrong_call(f"The admin role is one of {', '.join(ROLES)}.")
    settings = load_settings()
    with database(settings) as url:
        key = asyncio.run(make_key(settings, url, name, role, admin_role))
    typer.echo(key)


async def make_key(settings: "Settings", url: str, name: str, roles: list[str], admin_role: str | None) -> str:
    """Make one in the database at `url`, and give it."""
    from app.auth.managed_keys import KeyGrant, create_key
    from app.auth.role_names import check_roles
    from app.auth.start import open_auth
    from app.database.pool import Pool
    from app.store.active import load_active
    from app.store.migrate import migrate

    await migrate(url)
    pool = Pool(url, 1)
    try:
        auth = await open_auth(settings, pool)
        auth.close()
        async with pool.lease() as connection:
            _, stored = await load_active(connection)
        check_roles(stored.project, roles)
        async with pool.lease() as connection, connection.transaction():
            grant = KeyGrant(name, tuple(roles), admin_role)
            key, _ = await create_key(connection, auth.keys, grant, actor="command")
    finally:
        await pool.close()
    return key

"""`rowgate rotate-keys`: another key signs access tokens, while the server goes on."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from app.auth.signing_keys import Rotation


def rotate_keys(
    algorithm: Annotated[
        Literal["ES256", "HS256"], typer.Option(help="ES256 has a public key, by which anybody verifies tokens.")
    ] = "ES256",
    *,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="A key leaked: refuse all that the ones before it signed, from now on.")
    ] = False,
) -> None:
    """Make a new key for access tokens; the one before it is accepted until its tokens are over."""
    from app.cli.database import database
    from app.settings import load_settings

    settings = load_settings()
    with database(settings) as url:
        made = asyncio.run(rotated(url, settings.secret_key.get_secret_value(), algorithm, at_once=at_once))
    typer.echo(told(made, at_once=at_once))


async def rotated(url: str, secret: str, algorithm: Literal["ES256", "HS256"], *, at_once: bool) -> "Rotation":
    """Make one in the database at `url`."""
    from app.auth.signing_keys import rotate_keys as rotate
    from app.database.pool import connected
    from app.store.migrate import migrate

    await migrate(url)
    async with connected(url) as connection:
        return await rotate(connection, secret, algorithm, at_once=at_once)


def told(made: "Rotation", *, at_once: bool) -> str:
    """Say what happens when."""
    if at_once:
        return f"The key {made.kid} signs from now on. What others signed is refused: clients refresh their tokens."
    when = made.signs_from.isoformat(timespec="seconds")
    return f"The key {made.kid} is published, and signs from {when}. The one before it is accepted for an hour more."

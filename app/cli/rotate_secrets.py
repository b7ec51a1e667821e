"""`rowgate rotate-secrets`: carries what is sealed over to a new ROWGATE_SECRET_KEY."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.settings import Settings


def rotate_secrets(
    old_key: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, envvar="ROWGATE_OLD_SECRET_KEY", help="The key before this one."),
    ],
) -> None:
    """Carry the secrets over from an old ROWGATE_SECRET_KEY to the one that is set; stop the server first."""
    from app.cli.database import database
    from app.settings import SettingsInvalid, keep_secret_key, load_settings

    settings = load_settings()
    if old_key == settings.secret_key.get_secret_value():
        raise SettingsInvalid(
            "The old key is the one that is set.",
            hint="Set the new one: in the environment where the embedded database keeps its own in its data directory.",
        )
    with database(settings, "Carrying over what is sealed") as url:
        count = asyncio.run(carry_over(settings, url, old_key))
    if settings.embedded:
        keep_secret_key(settings)
    typer.echo(f"{count} carried over to the key that is set.")


async def carry_over(settings: "Settings", url: str, old_key: str) -> int:
    """Carry all that is sealed by the old key over to the one that is set; gives how many there were."""
    from app.audit.writing import chain_under
    from app.database.pool import connected
    from app.secrets.rotation import rotate
    from app.store.migrate import migrate

    await migrate(url)
    secret = settings.secret_key.get_secret_value()
    chain_under(secret)
    async with connected(url) as connection:
        return await rotate(connection, old_key, secret)

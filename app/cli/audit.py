"""What `rowgate audit` does: whether the audit log is still what was written there."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.audit.verify import Verified
    from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The audit log.")


@app.callback()
def _audit() -> None:
    """Look after the audit log."""


@app.command()
def verify(
    expect: Annotated[str | None, typer.Option(help="A head that the log has had: no row of it may be gone.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Walk the audit log, and name the first row that isn't what was written there."""
    from app.cli.database import database
    from app.settings import load_settings

    settings = load_settings()
    with database(settings, "Walking the audit log") as url:
        found = asyncio.run(_walked(settings, url, expect))
    typer.echo(json.dumps(found.shown(), indent=2) if as_json else told(found))
    raise typer.Exit(1 if found.misfits else 0)


async def _walked(settings: "Settings", url: str, expect: str | None) -> "Verified":
    from app.audit.verify import verify
    from app.database.pool import connected
    from app.secrets.rotation import audit_keys
    from app.store.migrate import migrate

    await migrate(url)
    async with connected(url) as connection:
        keys = await audit_keys(connection, settings.secret_key.get_secret_value())
        return await verify(connection, keys, expect)


def told(found: "Verified") -> str:
    """Say what came of it."""
    if found.misfits:
        named = [f"row {one.id}: {one.message}" if one.id else one.message for one in found.misfits]
        return "\n".join(["The audit log isn't what was written.", *(f"- {one}" for one in named)])
    before = f" {found.earlier} more stood there before the chains began." if found.earlier else ""
    return f"The audit log is what was written: {found.rows} rows.{before}\nIts head is {found.head}"

"""What `rowgate audit` does: whether the audit log is still what was written there."""

import asyncio
import json
from typing import Annotated, Any

import typer

from app.cli import serving
from app.settings import load_settings

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
    settings = load_settings()
    with serving.database(settings) as url:
        found = asyncio.run(serving.verify_audit(settings, url, expect))
    typer.echo(json.dumps(found.shown(), indent=2) if as_json else told(found))
    raise typer.Exit(1 if found.misfits else 0)


def told(found: Any) -> str:
    """Say what came of it."""
    if found.misfits:
        named = [f"row {one.id}: {one.message}" if one.id else one.message for one in found.misfits]
        return "\n".join(["The audit log isn't what was written.", *(f"- {one}" for one in named)])
    before = f" {found.earlier} more stood there before the chains began." if found.earlier else ""
    return f"The audit log is what was written: {found.rows} rows.{before}\nIts head is {found.head}"

"""`rowgate shadow`: runs a document beside what a server serves."""

import json
from typing import Annotated

import typer

from app.cli.options import AsJson, File, ServerKey, ServerUrl


def shadow(
    file: File,
    url: ServerUrl,
    key: ServerKey,
    sample: Annotated[float, typer.Option(help="The part of the requests to look at.", min=0, max=1)] = 1.0,
    seconds: Annotated[float | None, typer.Option(help="How long; else until Ctrl-C.", min=0)] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Run a document beside what a server serves, on its real requests, and say where the answers would differ."""
    from app.changes.files import read_bytes
    from app.cli.shadowing import Shadowing, counts_told, difference_line

    shadowing = Shadowing(url, key)
    for difference in shadowing.differences(read_bytes(file), sample=sample, seconds=seconds):
        typer.echo(json.dumps(difference) if as_json else difference_line(difference))
    typer.echo(json.dumps(shadowing.report) if as_json else counts_told(shadowing.report))

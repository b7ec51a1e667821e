"""`rowgate serve`: serves the backend."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import AllowWider, Destroy, wrong_call


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; more than one need ROWGATE_REDIS_URL.", min=1, max=64)] = 1,
    start_with: Annotated[Path | None, typer.Option(help="A document that defines an empty backend, once.")] = None,
    config: Annotated[Path | None, typer.Option(help="The document that the backend is, at each start.")] = None,
    destroy: Destroy = [],  # noqa: B006 - typer copies it
    *,
    allow_wider: AllowWider = False,
    allow_rollback: Annotated[bool, typer.Option(help="With --config: take a file that a later one replaced.")] = False,
) -> None:
    """Serve the backend."""
    if start_with is not None and config is not None:
        wrong_call("--start-with defines an empty backend once, and --config is what it always is: take one.")
    if config is None and (destroy or allow_wider or allow_rollback):
        wrong_call("--destroy, --allow-wider and --allow-rollback go with --config.")
    from app.changes.standing_start import Start
    from app.cli import serving
    from app.log import start_log
    from app.settings import load_settings

    settings = load_settings()
    start_log(settings.log_format)
    start = Start(config, start_with, tuple(destroy), allow_wider, allow_rollback)
    raise typer.Exit(serving.serve(settings, host=host, port=port, workers=workers, start=start))

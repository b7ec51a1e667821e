"""What several commands take, and the codes that they end with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from app.cli.server_client import RemoteServer

DONE, REFUSED, WRONG_CALL = 0, 1, 2

File = Annotated[Path, typer.Argument(help="The YAML or JSON document of the backend.")]
MaybeFile = Annotated[Path | None, typer.Argument(help="A document; without it, the live backend.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Url = Annotated[str | None, typer.Option(envvar="ROWGATE_URL", help="A running server, in place of the database.")]
Key = Annotated[str | None, typer.Option(envvar="ROWGATE_KEY", help="An API key of it with an admin role.")]
ServerUrl = Annotated[str, typer.Option("--url", envvar="ROWGATE_URL", help="The running server.")]
ServerKey = Annotated[str, typer.Option("--key", envvar="ROWGATE_KEY", help="An API key with an admin role.")]
Destroy = Annotated[list[str], typer.Option("--destroy", help="A table, or table.column, that may lose its data.")]
AllowWider = Annotated[bool, typer.Option("--allow-wider", help="Let the document let somebody into more.")]


def wrong_call(sentence: str) -> NoReturn:
    """End the command, whose options don't go together."""
    typer.echo(sentence, err=True)
    raise typer.Exit(WRONG_CALL)


def server_of(url: str | None, key: str | None) -> "RemoteServer | None":
    """Give the server that was named, or None for the database of the settings."""
    if (url is None) != (key is None):
        wrong_call("--url and --key go together: the running server, and an API key with an admin role.")
    if url is None or key is None:
        return None
    from app.cli.server_client import RemoteServer

    return RemoteServer(url, key)

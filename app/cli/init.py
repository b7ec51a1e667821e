"""`rowgate init`: writes a document to begin with, one of the examples, and what editors complete it by."""

from pathlib import Path
from shlex import quote
from typing import Annotated, ClassVar

import typer

from app.cli.options import wrong_call
from app.errors import RowgateError

SCHEMA = "rowgate.schema.json"
"""The file that the examples name as their schema, beside them."""


class CantWrite(RowgateError):
    """The file is there already, or can't be written; nothing was lost."""

    code: ClassVar[str] = "init.not_written"


def init(
    file: Annotated[Path, typer.Argument(help="The document to write.")] = Path("backend.yaml"),
    example: Annotated[str, typer.Option(help="What it begins as: one of the examples.")] = "notes",
) -> None:
    """Write a document to begin with, and the schema that editors complete and check it by."""
    from app.changes.files import examples
    from app.cli.schema import schema_text

    known = examples()
    if example not in known:
        wrong_call(f"There is no example {example!r}. There are {', '.join(known)}.")
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(known[example].read_text("utf-8"))
        (file.parent / SCHEMA).write_text(schema_text(), "utf-8")
    except FileExistsError:
        raise CantWrite(f"{file} is there already: nothing was written.", hint="Name another file.") from None
    except OSError as error:
        raise CantWrite(f"{error.filename} can't be written: {error.strerror}.") from None
    said = quote(str(file))
    typer.echo(f"{file} is written, as the example {example}.")
    typer.echo(f"  rowgate check {said}\n  rowgate serve --start-with {said}")

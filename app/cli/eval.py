"""`rowgate eval`: evaluates what is written on standard input."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import wrong_call


def evaluate(
    config: Annotated[Path | None, typer.Option(help="A document whose names the expressions may use.")] = None,
    as_user: Annotated[Path | None, typer.Option("--as", help="A JSON file with the caller's row of users.")] = None,
) -> None:
    """Evaluate JSON lines of expressions from standard input; on a terminal, what is typed."""
    if as_user is not None and config is None:
        wrong_call("--as needs --config, which says what columns a user has.")
    from app.cli.evaluate import Names, caller_names, converse, eval_lines

    names = Names() if config is None else caller_names(config, as_user)
    if sys.stdin.isatty():
        converse(input, sys.stdout.write, names)
    else:
        eval_lines(sys.stdin, sys.stdout.write, names)

"""The command `rowgate`: all that can be typed. What a command needs is imported when it runs."""

import atexit
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from app.cli import audit
from app.cli.collecting import collect_seldom, keep_to_the_end
from app.cli.create_admin import create_admin
from app.cli.create_key import create_key
from app.cli.described import openapi, types
from app.cli.documents import apply, check, export, plan, say_findings
from app.cli.eval import evaluate
from app.cli.explain import explain
from app.cli.frontend_keys import keys
from app.cli.import_users import import_users
from app.cli.init import init
from app.cli.migrate import migrate
from app.cli.options import DONE, REFUSED
from app.cli.reset_password import reset_password
from app.cli.rotate_keys import rotate_keys
from app.cli.rotate_secrets import rotate_secrets
from app.cli.schema import schema
from app.cli.serve import serve
from app.cli.shadowing import shadow
from app.cli.test import run_tests
from app.cli.why import why
from app.errors import Finding, RowgateError

COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "serve": serve,
    "migrate": migrate,
    "plan": plan,
    "apply": apply,
    "export": export,
    "test": run_tests,
    "check": check,
    "explain": explain,
    "why": why,
    "shadow": shadow,
    "eval": evaluate,
    "create-admin": create_admin,
    "create-key": create_key,
    "keys": keys,
    "import-users": import_users,
    "reset-password": reset_password,
    "rotate-keys": rotate_keys,
    "rotate-secrets": rotate_secrets,
    "openapi": openapi,
    "types": types,
    "schema": schema,
}

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    """Say which version this is, and end."""
    if asked:
        from importlib.metadata import version

        typer.echo(f"rowgate {version('rowgate')}")
        raise typer.Exit


@app.callback()
def rowgate(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Serve a backend that is described as data, and look after it."""


app.add_typer(audit.app, name="audit")
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> NoReturn:
    """Run the command; a refusal is a sentence on standard error and the exit code 1."""
    collect_seldom()
    atexit.register(keep_to_the_end)
    try:
        app()
    except RowgateError as error:
        typer.echo(error.detail, err=True)
        findings = getattr(error, "findings", ())
        if error.errors and not findings and _adds_to_its_sentence(error):
            places = [(".".join(map(str, one.loc)), one) for one in error.errors]
            findings = [Finding(place, one.message, one.hint, one.code, one.excerpt) for place, one in places]
        say_findings(findings)
        if error.hint:
            typer.echo(error.hint, err=True)
        sys.exit(REFUSED)
    sys.exit(DONE)


def _adds_to_its_sentence(error: RowgateError) -> bool:
    """Say whether what is wrong stands in `errors` only."""
    from app.changes.apply import Wider
    from app.cli.server_client import ServerRefused
    from app.isolation.callers import BadProof

    return isinstance(error, BadProof | Wider | ServerRefused)

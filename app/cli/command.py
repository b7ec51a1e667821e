"""The command `rowgate`."""

import asyncio
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from app.auth.admins import ROLES
from app.changes import commands
from app.changes.apply import DefinitionInvalid, PolicyTestsFailed, Wider
from app.changes.files import read_bytes
from app.changes.start import Start
from app.cli import audit as audit_command
from app.cli import serving
from app.cli.evaluate import Names, caller_names, converse, eval_lines
from app.cli.server_client import RemoteServer, ServerRefused
from app.cli.shadowing import Shadowing, counts_told, difference_line
from app.cli.why import ask, told
from app.definitions.project import Project
from app.errors import RowgateError
from app.isolation import report as isolation_report
from app.isolation.callers import BadProof
from app.log import start_log
from app.policy_tests import report
from app.review.doubts import access_matrix
from app.review.surface import table
from app.settings import load_settings
from app.store import migrate as migrations

DONE, REFUSED, WRONG_CALL = 0, 1, 2


class Language(StrEnum):
    """What `rowgate types` writes."""

    typescript = "typescript"


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(audit_command.app, name="audit")
File = Annotated[Path, typer.Argument(help="The YAML or JSON document of the backend.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Url = Annotated[str | None, typer.Option(envvar="ROWGATE_URL", help="A running server, in place of the database.")]
Key = Annotated[str | None, typer.Option(envvar="ROWGATE_KEY", help="An API key of it with an admin role.")]
Destroy = Annotated[list[str], typer.Option("--destroy", help="A table, or table.column, that may lose its data.")]
ServerUrl = Annotated[str, typer.Option("--url", envvar="ROWGATE_URL", help="The running server.")]
ServerKey = Annotated[str, typer.Option("--key", envvar="ROWGATE_KEY", help="An API key with an admin role.")]
Isolation = Annotated[bool, typer.Option("--isolation", help="Prove that one person can't reach another's rows.")]
ProofRoles = Annotated[list[str], typer.Option("--role", help="With --isolation: a role that both people hold.")]
ProofColumns = Annotated[list[str], typer.Option("--user", help="With --isolation: a column=value of both people.")]
ProofShared = Annotated[list[str], typer.Option("--shared", help="With --isolation: a table, or table.column, of all.")]
AllowWider = Annotated[bool, typer.Option("--allow-wider", help="Let the document let somebody into more.")]


@app.command()
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
        typer.echo("--start-with defines an empty backend once, and --config is what it always is: take one.", err=True)
        raise typer.Exit(WRONG_CALL)
    if config is None and (destroy or allow_wider or allow_rollback):
        typer.echo("--destroy, --allow-wider and --allow-rollback go with --config.", err=True)
        raise typer.Exit(WRONG_CALL)
    settings = load_settings()
    start_log(settings.log_format)
    start = Start(config, start_with, tuple(destroy), allow_wider, allow_rollback)
    raise typer.Exit(serving.serve(settings, host=host, port=port, workers=workers, start=start))


@app.command()
def migrate() -> None:
    """Bring the database to what this version needs."""
    settings = load_settings()
    password = None if settings.serve_password is None else settings.serve_password.get_secret_value()
    with serving.database(settings) as url:
        version = asyncio.run(migrations.migrate(url, settings.serve_role, password))
    typer.echo(f"The database is at version {version}.")


@app.command()
def plan(file: File, url: Url = None, key: Key = None, *, as_json: AsJson = False) -> None:
    """Show what applying a document would change: its SQL, what it would destroy, who gets in, and which tests fail."""
    server = _server(url, key)
    made = _planned(file, [], dry_run=True) if server is None else server.plan(read_bytes(file))
    _say_plan(made, as_json=as_json)


@app.command()
def apply(
    file: File,
    destroy: Destroy = [],  # noqa: B006 - typer copies it
    url: Url = None,
    key: Key = None,
    *,
    allow_wider: AllowWider = False,
    as_json: AsJson = False,
) -> None:
    """Make the backend what a document says."""
    server = _server(url, key)
    if server is None:
        made = _planned(file, destroy, dry_run=False, allow_wider=allow_wider)
    else:
        made = server.apply(read_bytes(file), destroy, allow_wider=allow_wider)
    _say_plan(made, as_json=as_json)


def _server(url: str | None, key: str | None) -> RemoteServer | None:
    """Give the server that was named, or None for the database of the settings."""
    if (url is None) != (key is None):
        typer.echo("--url and --key go together: the running server, and an API key with an admin role.", err=True)
        raise typer.Exit(WRONG_CALL)
    return None if url is None or key is None else RemoteServer(url, key)


def _planned(file: Path, destroy: list[str], *, dry_run: bool, allow_wider: bool = False) -> dict[str, Any]:
    with serving.database(load_settings()) as url:
        made = asyncio.run(serving.apply(url, file, destroy, dry_run=dry_run, allow_wider=allow_wider))
    return made.shown()


def _say_plan(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(commands.told(made))
    if made["revision"] is not None:
        typer.echo(f"The definitions are at revision {made['revision']}.")


@app.command()
def export(url: Url = None, key: Key = None, *, as_json: AsJson = False) -> None:
    """Print the whole backend as a document."""
    server = _server(url, key)
    if server is not None:
        typer.echo(server.export(as_json=as_json))
        return
    with serving.database(load_settings()) as database:
        typer.echo(asyncio.run(commands.export(database, as_json=as_json)))


@app.command("test")
def run_tests(  # noqa: PLR0913, PLR0917 - each is an option
    file: Annotated[Path | None, typer.Argument(help="A document; without it, the live backend.")] = None,
    junit: Annotated[Path | None, typer.Option(help="A file that JUnit's XML is written to.")] = None,
    url: Url = None,
    key: Key = None,
    role: ProofRoles = [],  # noqa: B006 - typer copies it
    user: ProofColumns = [],  # noqa: B006 - typer copies it
    shared: ProofShared = [],  # noqa: B006 - typer copies it
    *,
    isolation: Isolation = False,
    as_json: AsJson = False,
) -> None:
    """Run the policy tests of a document, and name what none of them has tried; or prove that people are kept apart."""
    said = {"role": role, "user": user, "shared": shared}
    if isolation:
        _prove_isolation(file, junit, _server(url, key), said, as_json=as_json)
    if any(said.values()):
        typer.echo("--role, --user and --shared go with --isolation.", err=True)
        raise typer.Exit(WRONG_CALL)
    server = _server(url, key)
    if server is None:
        with serving.database(load_settings()) as database:
            found = asyncio.run(serving.run_tests(database, file))
    else:
        found = server.test(None if file is None else read_bytes(file))
    _write_junit(junit, found, report.junit)
    typer.echo(report.pretty(found) if as_json else report.told(found))
    raise typer.Exit(REFUSED if found["failed"] else DONE)


def _prove_isolation(
    file: Path | None, junit: Path | None, server: RemoteServer | None, said: dict[str, list[str]], *, as_json: bool
) -> NoReturn:
    if server is None:
        with serving.database(load_settings()) as database:
            found = asyncio.run(serving.prove_isolation(database, file, said))
    else:
        found = server.isolation(None if file is None else read_bytes(file), said)
    _write_junit(junit, found, isolation_report.junit)
    typer.echo(report.pretty(found) if as_json else isolation_report.told(found))
    raise typer.Exit(REFUSED if found["leaks"] else DONE)


def _write_junit(path: Path | None, found: dict[str, Any], junit: Callable[[dict[str, Any]], str]) -> None:
    if path is None:
        return
    try:
        path.write_text(junit(found))
    except OSError as error:
        typer.echo(f"{path} can't be written: {error.strerror}.", err=True)
        raise typer.Exit(WRONG_CALL) from None


@app.command()
def check(file: File, *, as_json: AsJson = False) -> None:
    """Check a document without a database, and say who gets in where."""
    findings = commands.check_file(file)
    matrix = {} if findings else access_matrix(commands.read_project(file))
    surface, doubts = matrix.get("surface", []), matrix.get("findings", [])
    if as_json:
        listed = [finding.shown() for finding in findings]
        shown = {"valid": not findings, "findings": listed, "surface": surface, "doubts": doubts}
        typer.echo(json.dumps(shown, indent=2))
    elif findings:
        _say_findings(findings)
    else:
        typer.echo(f"{file} is sound. Who gets in:\n{table(surface)}")
        for doubt in doubts:
            typer.echo(f"{doubt['place']}: {doubt['message']} ({doubt['code']}; {doubt['hint']})")
    raise typer.Exit(REFUSED if findings else DONE)


@app.command()
def why(
    request_id: Annotated[str, typer.Argument(help="The X-Request-Id of an answer.")],
    url: ServerUrl,
    key: ServerKey,
    *,
    as_json: AsJson = False,
) -> None:
    """Say why a request was refused: by which step and rule, and what the rule saw."""
    found = ask(url, key, request_id)
    typer.echo(json.dumps(found, indent=2) if as_json else told(found))


@app.command()
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
    shadowing = Shadowing(url, key)
    for difference in shadowing.differences(read_bytes(file), sample=sample, seconds=seconds):
        typer.echo(json.dumps(difference) if as_json else difference_line(difference))
    typer.echo(json.dumps(shadowing.report) if as_json else counts_told(shadowing.report))


@app.command("eval")
def evaluate(
    config: Annotated[Path | None, typer.Option(help="A document whose names the expressions may use.")] = None,
    as_user: Annotated[Path | None, typer.Option("--as", help="A JSON file with the caller's row of users.")] = None,
) -> None:
    """Evaluate JSON lines of expressions from standard input; on a terminal, what is typed."""
    if as_user is not None and config is None:
        typer.echo("--as needs --config, which says what columns a user has.", err=True)
        raise typer.Exit(WRONG_CALL)
    names = Names() if config is None else caller_names(config, as_user)
    if sys.stdin.isatty():
        converse(input, sys.stdout.write, names)
    else:
        eval_lines(sys.stdin, sys.stdout.write, names)


@app.command()
def create_admin(
    email: Annotated[str, typer.Option(prompt=True, help="The admin's address.")],
    role: Annotated[str, typer.Option(help="owner, editor or viewer.")] = "owner",
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="ROWGATE_NEW_PASSWORD")
    ] = "",
) -> None:
    """Make an admin; the password is asked for, or read from ROWGATE_NEW_PASSWORD."""
    if role not in ROLES:
        typer.echo(f"The role is one of {', '.join(ROLES)}.", err=True)
        raise typer.Exit(WRONG_CALL)
    with serving.database(load_settings()) as url:
        asyncio.run(serving.create_admin(url, email, password, role))
    typer.echo(f"{email} is an admin: {role}.")


@app.command()
def create_key(
    name: Annotated[str, typer.Option(help="The key's name.")],
    admin_role: Annotated[str | None, typer.Option(help="owner, editor or viewer, for the admin API.")] = None,
    role: Annotated[list[str], typer.Option(help="A role of the backend.")] = [],  # noqa: B006 - typer copies it
) -> None:
    """Make an API key and print it this once."""
    settings = load_settings()
    with serving.database(settings) as url:
        typer.echo(asyncio.run(serving.create_key(settings, url, name, role, admin_role)))


@app.command()
def rotate_secrets(
    old_key: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, envvar="ROWGATE_OLD_SECRET_KEY", help="The key before this one."),
    ],
) -> None:
    """Carry the secrets over from an old ROWGATE_SECRET_KEY to the one that is set; stop the server first."""
    settings = load_settings()
    with serving.database(settings) as url:
        count = asyncio.run(serving.rotate_secrets(settings, url, old_key))
    typer.echo(f"{count} carried over to the key that is set.")


@app.command()
def openapi(
    file: Annotated[Path | None, typer.Argument(help="A document; without it, the live backend.")] = None,
) -> None:
    """Print the OpenAPI document."""
    typer.echo(serving.openapi_of(_described(file)))


@app.command()
def types(
    file: Annotated[Path | None, typer.Argument(help="A document; without it, the live backend.")] = None,
    lang: Annotated[Language, typer.Option(help="The language that they are written in.")] = Language.typescript,
) -> None:
    """Print the types that a typed client takes."""
    if lang is Language.typescript:
        typer.echo(serving.types_of(_described(file)), nl=False)


def _described(file: Path | None) -> Project:
    if file is not None:
        return commands.read_project(file)
    with serving.database(load_settings()) as url:
        return asyncio.run(serving.live_project(url))


def _say_findings(findings: Any) -> None:
    for finding in findings:
        typer.echo(f"{finding.place}: {finding.message}", err=True)
        for line in (finding.excerpt or "").splitlines():
            typer.echo(f"    {line}", err=True)
        if finding.hint:
            typer.echo(f"    {finding.hint}", err=True)


def main() -> NoReturn:
    """Run the command; a refusal is a sentence on standard error and the exit code 1."""
    try:
        app()
    except RowgateError as error:
        typer.echo(error.detail, err=True)
        if isinstance(error, DefinitionInvalid | PolicyTestsFailed):
            _say_findings(error.findings)
        if isinstance(error, BadProof | Wider | ServerRefused):
            for one in error.errors:
                typer.echo(f"{'.'.join(map(str, one.loc))}: {one.message}", err=True)
        if error.hint:
            typer.echo(error.hint, err=True)
        sys.exit(REFUSED)
    sys.exit(DONE)

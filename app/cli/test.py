"""`rowgate test`: runs the policy tests, or proves that people are kept apart."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from app.cli.options import DONE, REFUSED, WRONG_CALL, AsJson, Key, MaybeFile, Url, server_of, wrong_call

if TYPE_CHECKING:
    from app.definitions.project import Project
    from app.isolation.prove import Tally

Isolation = Annotated[bool, typer.Option("--isolation", help="Prove that one person can't reach another's rows.")]
ProofRoles = Annotated[list[str], typer.Option("--role", help="With --isolation: a role that both people hold.")]
ProofColumns = Annotated[list[str], typer.Option("--user", help="With --isolation: a column=value of both people.")]
ProofShared = Annotated[list[str], typer.Option("--shared", help="With --isolation: a table, or table.column, of all.")]


def run_tests(  # noqa: PLR0913, PLR0917 - each is an option
    file: MaybeFile = None,
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
    if any(said.values()) and not isolation:
        wrong_call("--role, --user and --shared go with --isolation.")
    found = _asked(file, url, key, said if isolation else None)
    from app.isolation import report as isolation_report
    from app.policy_tests import report

    if isolation:
        _say(found, junit, isolation_report.junit, isolation_report.told, failed=found["leaks"], as_json=as_json)
    _say(found, junit, report.junit, report.told, failed=found["failed"], as_json=as_json)


def _asked(file: Path | None, url: str | None, key: str | None, said: dict[str, list[str]] | None) -> dict[str, Any]:
    """Run the tests, or for what is `said` the proof, on a server or on the database; gives the report."""
    server = server_of(url, key)
    if server is None:
        return _found(file, said)
    from app.changes.files import read_bytes

    document = None if file is None else read_bytes(file)
    return server.test(document) if said is None else server.isolation(document, said)


def _found(file: Path | None, said: Mapping[str, list[str]] | None) -> dict[str, Any]:
    from app.changes.files import read_project
    from app.cli.database import database
    from app.isolation.prove import Tally
    from app.settings import load_settings

    tally = Tally()
    doing = "Running the tests" if said is None else lambda: f"Reaching for others' rows: {tally}"
    document = None if file is None else read_project(file)
    with database(load_settings(), doing) as url:
        return asyncio.run(_reported(url, document, said, tally))


async def _reported(
    url: str, document: "Project | None", said: Mapping[str, list[str]] | None, tally: "Tally"
) -> dict[str, Any]:
    from app.cli.live import stored_in
    from app.isolation import report as isolation_report
    from app.isolation.callers import asked_for
    from app.isolation.prove import prove
    from app.policy_tests.report import shown
    from app.policy_tests.runner import Runner
    from app.store.migrate import migrate

    await migrate(url)
    project = document or (await stored_in(url)).whole()
    if said is None:
        return shown(await Runner(url).run(project))
    asked = asked_for(project, roles=said["role"], columns=said["user"], shared=said["shared"])
    return isolation_report.shown(await prove(url, project, asked, tally))


def _say(
    found: dict[str, Any],
    path: Path | None,
    junit: Callable[[dict[str, Any]], str],
    told: Callable[[dict[str, Any]], str],
    *,
    failed: Any,
    as_json: bool,
) -> NoReturn:
    from app.policy_tests.report import pretty

    if path is not None:
        try:
            path.write_text(junit(found))
        except OSError as error:
            typer.echo(f"{path} can't be written: {error.strerror}.", err=True)
            raise typer.Exit(WRONG_CALL) from None
    typer.echo(pretty(found) if as_json else told(found))
    raise typer.Exit(REFUSED if failed else DONE)

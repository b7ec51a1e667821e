"""`rowgate plan`, `apply`, `export` and `check`: what a backend is, as a document."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from app.cli.options import DONE, REFUSED, AllowWider, AsJson, Destroy, File, Key, Url, server_of

if TYPE_CHECKING:
    from app.changes.apply import Plan
    from app.compiler.check import Checked
    from app.definitions.project import Project
    from app.errors import Finding


def plan(file: File, url: Url = None, key: Key = None, *, as_json: AsJson = False) -> None:
    """Show what applying a document would change: its SQL, what it would destroy, who gets in, and which tests fail."""
    from app.changes.files import read_bytes

    server = server_of(url, key)
    made = _planned(file, [], dry_run=True) if server is None else server.plan(read_bytes(file))
    _say_plan(made, as_json=as_json)


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
    from app.changes.files import read_bytes

    server = server_of(url, key)
    if server is None:
        made = _planned(file, destroy, dry_run=False, allow_wider=allow_wider)
    else:
        made = server.apply(read_bytes(file), destroy, allow_wider=allow_wider)
    _say_plan(made, as_json=as_json)


def _planned(file: Path, destroy: list[str], *, dry_run: bool, allow_wider: bool = False) -> dict[str, Any]:
    from app.auth.mailing import can_send_by, refuse_unsendable
    from app.changes.files import read_project
    from app.cli.database import database
    from app.settings import load_settings

    project, settings = read_project(file), load_settings()
    refuse_unsendable(project, can_send=can_send_by(settings))
    with database(settings, f"{'Planning' if dry_run else 'Applying'} {file.name}") as url:
        made = asyncio.run(apply_to(url, project, destroy, dry_run=dry_run, allow_wider=allow_wider))
    return made.shown()


async def apply_to(
    url: str, project: "Project", destroy: Collection[str] = (), *, dry_run: bool = False, allow_wider: bool = False
) -> "Plan":
    """Make a database's backend a project if its tests pass, or plan it."""
    from app.changes.apply import apply_project
    from app.changes.start import ACTOR
    from app.database.pool import connected
    from app.policy_tests.runner import Runner
    from app.secrets.provider_secrets import refuse_secretless
    from app.store.engine import make_engine
    from app.store.migrate import migrate

    await migrate(url)
    async with connected(url) as connection:
        await refuse_secretless(connection, project)
    engine, judge = make_engine(url), Runner(url).judge
    try:
        return await apply_project(
            engine, project, author=ACTOR, destroy=destroy, dry_run=dry_run, judge=judge, allow_wider=allow_wider
        )
    finally:
        await engine.dispose()


def _say_plan(made: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(told(made))
    if made["revision"] is not None:
        typer.echo(f"The definitions are at revision {made['revision']}.")


def defined(path: Path, tests: int) -> str:
    """Say in a few words what a document has made of an empty backend."""
    from app.changes.files import read_project
    from app.definitions.project import KINDS

    project = read_project(path)
    counts = [(len(getattr(project, section)), kind) for section, kind in KINDS.items() if section != "tests"]
    parts = [f"{count} {kind}{'' if count == 1 or kind == 'middleware' else 's'}" for count, kind in counts if count]
    lines = [f"{path} defines the backend: {', '.join(parts) or 'nothing yet'}."]
    if tests:
        lines.append("Its test passes." if tests == 1 else f"Its {tests} tests pass.")
    return "\n".join([*lines, f"Who gets in where: rowgate check {quote(str(path))}"])


def told(plan: Mapping[str, Any]) -> str:
    """Say what a plan, as an answer shows it, changes, who gets in, which tests would refuse it, and its SQL."""
    from app.review.effects import Effect

    lines = [f"- {change}" for change in plan["changes"]] or ["Nothing changes."]
    if plan["destroys"]:
        said = " ".join(f"--destroy {name}" for name in plan["destroys"])
        lines.append(f"This destroys the data of {', '.join(plan['destroys'])}: apply needs {said}.")
    lines += [f"Until it is done, requests that want the table get 503: {one}." for one in plan["holds"]]
    lines += [f"A test fails, {one['place']}: {one['message']}" for one in plan["tests"]["failures"]]
    lines += said_in_full(plan["written_out"])
    if plan["effects"]:
        lines += ["", "Who gets in:", *(f"{'!' if one['wider'] else '-'} {Effect(**one)}" for one in plan["effects"])]
    if any(one["wider"] for one in plan["effects"]):
        lines.append("Lines with ! let somebody into more, or may: apply needs --allow-wider.")
    if plan["sql"]:
        lines += ["", *(f"{sql.removesuffix(';')};" for sql in plan["sql"])]
    return "\n".join(lines)


def export(url: Url = None, key: Key = None, *, as_json: AsJson = False) -> None:
    """Print the whole backend as a document."""
    server = server_of(url, key)
    if server is not None:
        typer.echo(server.export(as_json=as_json), nl=False)
        return
    from app.changes.files import dump_json, dump_yaml
    from app.cli.live import live
    from app.settings import load_settings

    stored = live(load_settings())
    typer.echo(dump_json(stored) if as_json else dump_yaml(stored), nl=False)


def check(file: File, *, as_json: AsJson = False) -> None:
    """Check a document without a database, and say who gets in where."""
    from app.relations.memory import LOOKING
    from app.review.doubts import access_matrix
    from app.review.surface import table

    checked, findings = check_file(file)
    matrix = {} if checked is None or findings else access_matrix(checked.project, LOOKING)
    surface, hooks, doubts = (matrix.get(name, []) for name in ("surface", "hooks", "findings"))
    written_out = [] if checked is None else [one.shown() for one in checked.written_out]
    secrets = () if checked is None else checked.secrets
    if as_json:
        listed = [finding.shown() for finding in findings]
        shown = {
            "valid": not findings,
            "findings": listed,
            "surface": surface,
            "hooks": hooks,
            "doubts": doubts,
            "secrets": secrets,
        }
        typer.echo(json.dumps({**shown, "written_out": written_out}, indent=2))
    elif findings:
        say_findings(findings)
    else:
        typer.echo(f"{file} is sound. Who gets in:\n{table(surface, hooks)}")
        for doubt in doubts:
            typer.echo(f"{doubt['place']}: {doubt['message']} ({doubt['code']}; {doubt['hint']})")
        typer.echo("".join(f"{line}\n" for line in said_in_full(written_out)), nl=False)
        if secrets:
            typer.echo(f"It needs the secrets {', '.join(secrets)}: rowgate check can't see whether they are there.")
    raise typer.Exit(REFUSED if findings else DONE)


def check_file(path: Path) -> "tuple[Checked | None, Sequence[Finding]]":
    """Give what a document's project is, None where it can't be read, and every finding, without a database."""
    from app.changes.files import load_file
    from app.compiler.check import check_document
    from app.relations.memory import LOOKING

    return check_document(load_file(path), LOOKING)


def said_in_full(written_out: Sequence[Mapping[str, str]]) -> list[str]:
    """Say of each condition that was said in short what is kept of it."""
    return [f"{one['place']}: {one['said']!r} is kept as {one['full']!r}" for one in written_out]


def say_findings(findings: "Sequence[Finding]") -> None:
    """Say them on standard error, each with its place, its line and what to do."""
    for finding in findings:
        typer.echo(f"{finding.place}: {finding.message}", err=True)
        for line in (finding.excerpt or "").splitlines():
            typer.echo(f"    {line}", err=True)
        if finding.hint:
            typer.echo(f"    {finding.hint}", err=True)

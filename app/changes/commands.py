"""What the commands `plan`, `apply`, `export` and `check` do; each gives its answer, and the exit code by refusing."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from app.changes.apply import DefinitionInvalid, Judge, Plan, apply_project
from app.changes.files import dump_json, dump_yaml, load_file, load_named, read_bytes
from app.compiler.check import check_project
from app.database.connection import Connection
from app.database.pool import connect
from app.definitions.project import Project, parse_project
from app.definitions.stored import Stored
from app.errors import Finding
from app.review.effects import Effect
from app.store.active import load_active
from app.store.engine import make_engine

ACTOR = "command"


def read_project(path: Path) -> Project:
    """Read a document; raises DocumentUnreadable, or DefinitionInvalid with every finding."""
    return parse_named(path, read_bytes(path))


def parse_named(path: Path, raw: bytes) -> Project:
    """Read what a file holds as a document; raises DocumentUnreadable, or DefinitionInvalid with every finding."""
    project, findings = parse_project(load_named(path, raw))
    if project is None:
        raise DefinitionInvalid(findings)
    return project


def whole(stored: Stored) -> Project:
    """Give the project of what is stored; raises DefinitionInvalid where a part of it can't be read."""
    if stored.unread:
        raise DefinitionInvalid([finding for one in stored.unread for finding in one.findings])
    return stored.project


def check_file(path: Path) -> list[Finding]:
    """Give every finding about a document, without a database."""
    project, findings = parse_project(load_file(path))
    return findings if project is None else check_project(project)


async def apply_file(
    url: str,
    path: Path,
    *,
    judge: Judge,
    destroy: Collection[str] = (),
    dry_run: bool = False,
    allow_wider: bool = False,
) -> Plan:
    """Apply a document to a migrated database if its tests pass, or plan it."""
    project = read_project(path)
    engine = make_engine(url)
    try:
        return await apply_project(
            engine, project, author=ACTOR, destroy=destroy, dry_run=dry_run, judge=judge, allow_wider=allow_wider
        )
    finally:
        await engine.dispose()


async def export(url: str, *, as_json: bool) -> str:
    """Give the live backend as a document."""
    connection: Connection = await connect(url)
    try:
        _, stored = await load_active(connection)
    finally:
        await connection.close()
    return dump_json(stored) if as_json else dump_yaml(stored)


def told(plan: Mapping[str, Any]) -> str:
    """Say what a plan, as an answer shows it, changes, who gets in, which tests would refuse it, and its SQL."""
    lines = [f"- {change}" for change in plan["changes"]] or ["Nothing changes."]
    if plan["destroys"]:
        lines.append(f"This destroys the data of {', '.join(plan['destroys'])}.")
    lines += [f"Until it is done, requests that want the table get 503: {one}." for one in plan["holds"]]
    lines += [f"A test fails, {one['place']}: {one['message']}" for one in plan["tests"]["failures"]]
    if plan["effects"]:
        lines += ["", "Who gets in:", *(f"{'!' if one['wider'] else '-'} {Effect(**one)}" for one in plan["effects"])]
    if any(one["wider"] for one in plan["effects"]):
        lines.append("Lines with ! let somebody into more, or may: apply needs --allow-wider.")
    if plan["sql"]:
        lines += ["", *(f"{sql.removesuffix(';')};" for sql in plan["sql"])]
    return "\n".join(lines)

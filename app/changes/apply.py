"""One transaction for a change: definitions, DDL, revision and audit together, or nothing of it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.auth.audit import audit
from app.changes import ddl
from app.changes.change import Change
from app.changes.diff import diff, settled, written
from app.changes.indexes import build_indexes
from app.changes.obstacles import destroyed, of_database, refuse_what_does_not_fit
from app.changes.table_locks import TablesBusy, hold_tables, long_held
from app.compiler.check import check_project
from app.compiler.effects import Effect, effects
from app.definitions.project import KINDS, Project, dump_definition
from app.errors import FieldError, Finding, RowgateError
from app.store.active import project_of
from app.store.lock_tries import LOCKED, Tries, sqlstate
from app.store.rows import DefinitionRow, LiveRow, RevisionRow

_WAIT_FOR_OTHER_CHANGES = "2s"
CHANNEL = "rowgate"


_DEFINITIONS: sa.Table = DefinitionRow.__table__  # type: ignore[attr-defined]
_LIVE: sa.Table = LiveRow.__table__  # type: ignore[attr-defined]


class DefinitionInvalid(RowgateError):
    """The definitions have findings; `errors` and `findings` hold every one with its place."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "definition.invalid"

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Take them all."""
        self.findings = tuple(findings)
        errors = [FieldError((one.place,), one.code, _sentence(one)) for one in findings]
        count = f"{len(errors)} problems" if len(errors) > 1 else "a problem"
        super().__init__(f"The definitions have {count}, and nothing was changed.", errors=errors)


def _sentence(finding: Finding) -> str:
    return finding.message + (f" ({finding.hint})" if finding.hint else "")


class RevisionChanged(RowgateError):
    """Somebody else changed the definitions meanwhile."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "change.revision"


class WouldDestroy(RowgateError):
    """The change drops tables or columns that hold data, and wasn't told that it may."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.would_destroy"


class PolicyTestsFailed(RowgateError):
    """Tests of the document fail on what it says; nothing was changed. `findings` names each with what came."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "test.failed"

    def __init__(self, verdict: "Verdict") -> None:
        """Take them all."""
        self.findings = verdict.failures
        errors = [FieldError((one.place,), one.code, _sentence(one)) for one in verdict.failures]
        count = f"{len(errors)} of {verdict.count} tests fail" if len(errors) > 1 else "A test fails"
        super().__init__(f"{count}, and nothing was changed.", errors=errors)


class Wider(RowgateError):
    """The change lets somebody into more, or may, and wasn't told that it may; `errors` has every effect."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.wider"

    def __init__(self, found: Sequence[Effect]) -> None:
        """Take them all."""
        errors = [FieldError((one.where,), self.code, one.sentence) for one in found]
        hint = "If that is meant, say --allow-wider, or over HTTP leave allow_wider=false out."
        super().__init__("This would let somebody into more. Nothing was changed.", errors=errors, hint=hint)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a project's tests: how many there are, and a finding for each that failed."""

    count: int = 0
    failures: tuple[Finding, ...] = ()


Judge = Callable[[Project], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does: its parts, their SQL, the data that goes, and the revision that it made, if it was made.

    `verdict` is what came of the project's tests, `effects` say who gains and who loses access by it, `holds` names the
    changes during which requests that want the table are refused, since they look at every row.
    """

    changes: tuple[Change, ...]
    sql: tuple[str, ...]
    destroys: tuple[str, ...]
    revision: int | None
    verdict: Verdict = Verdict()
    effects: tuple[Effect, ...] = ()
    holds: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        failures = [failure.shown() for failure in self.verdict.failures]
        return {
            "changes": [str(change) for change in self.changes],
            "sql": list(self.sql),
            "destroys": list(self.destroys),
            "holds": list(self.holds),
            "revision": self.revision,
            "effects": [effect.shown() for effect in self.effects],
            "tests": {"count": self.verdict.count, "failures": failures},
        }


async def apply_project(  # noqa: PLR0913 - each is a choice of the caller's, by its name
    engine: AsyncEngine,
    project: Project,
    *,
    author: str,
    destroy: Collection[str] = frozenset(),
    dry_run: bool = False,
    expected_revision: int | None = None,
    comment: str | None = None,
    judge: Judge | None = None,
    allow_wider: bool = True,
) -> Plan:
    """Make the stored project into this one.

    `destroy` names tables and `table.column`s that may lose their data; `judge` runs the project's tests; without
    `allow_wider` nobody may get into more. Raises DefinitionInvalid, PolicyTestsFailed, RevisionChanged, Wider,
    WouldDestroy, DataInTheWay or TablesBusy; then nothing has changed. A dry run changes nothing and gives the plan,
    failed tests with it. Indexes that say `concurrently` are built when all else is done; IndexNotBuilt says that one
    could not be.
    """
    # In a thread: to parse and type many long rules takes its time, and requests must not wait for it.
    findings = await asyncio.to_thread(check_project, project)
    if findings:
        raise DefinitionInvalid(findings)
    verdict = Verdict() if judge is None else await judge(project)
    if verdict.failures and not dry_run:
        raise PolicyTestsFailed(verdict)
    order = _Order(project, author, frozenset(destroy), expected_revision, comment, dry_run, allow_wider)
    tries = Tries()
    while True:
        try:
            async with engine.connect() as connection, connection.begin() as transaction:
                plan = await _carry_out(connection, order)
                await (transaction.rollback() if dry_run else transaction.commit())
            if not dry_run:
                await build_indexes(engine, project)
            return replace(plan, verdict=verdict)
        except DBAPIError as error:
            if sqlstate(error) not in LOCKED:
                raise of_database(error) from error
            if not await tries.again():
                sentence = "Another change, or a long request, holds what this needs: nothing was changed."
                raise TablesBusy(sentence, hint="Try again in a moment.") from error


@dataclass(frozen=True, slots=True)
class _Order:
    project: Project
    author: str
    destroy: frozenset[str]
    expected_revision: int | None
    comment: str | None
    dry_run: bool
    allow_wider: bool


async def _carry_out(connection: AsyncConnection, order: _Order) -> Plan:
    await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_FOR_OTHER_CHANGES}'")
    revision = (await connection.execute(sa.select(_LIVE.c.revision).with_for_update())).scalar_one()
    if order.expected_revision not in (None, revision):
        raise RevisionChanged(
            f"The definitions are at revision {revision} and not at {order.expected_revision} any more.",
            hint="Read them again, and send your change with the new ETag.",
        )
    rows = await _active(connection)
    before = project_of([(row.kind, row.body) for row in rows])
    changes = tuple(diff(before, order.project))
    destroys = await destroyed(connection, changes)
    found = await asyncio.to_thread(effects, before, order.project) if changes else ()
    plan = Plan(changes, ddl.written(changes), destroys, None, effects=found, holds=long_held(changes))
    if order.dry_run:
        return plan
    if not order.allow_wider and (wider := [one for one in found if one.wider]):
        raise Wider(wider)
    if forbidden := [name for name in destroys if name not in order.destroy]:
        raise WouldDestroy(
            f"This would destroy the data of {', '.join(forbidden)}. Nothing was changed.",
            hint=f"If that is meant, say so: {' '.join(f'destroy={name}' for name in forbidden)}.",
        )
    if not changes:
        return replace(plan, revision=revision)
    # What locks tables comes last, so that they are held for as short as can be.
    await _store(connection, order, rows, plan, revision + 1)
    await hold_tables(connection, changes)
    for change in changes:
        await refuse_what_does_not_fit(connection, change)
        await connection.run_sync(ddl.run, change)
    await _announce(connection, order, plan, revision + 1)
    return replace(plan, revision=revision + 1)


async def _active(connection: AsyncConnection) -> Sequence[Any]:
    found = await connection.execute(
        sa.select(_DEFINITIONS)
        .where(_DEFINITIONS.c.valid_to.is_(None))
        .order_by(_DEFINITIONS.c.kind, _DEFINITIONS.c.position)
    )
    return found.all()


async def _store(connection: AsyncConnection, order: _Order, rows: Sequence[Any], plan: Plan, number: int) -> None:
    """Write the definitions that differ, and the revision."""
    known = {(row.kind, row.name): row for row in rows}
    wanted = _bodies(settled(order.project))
    for key, row in known.items():
        if key not in wanted or not _same(row, wanted[key]):
            await connection.execute(sa.update(_DEFINITIONS).where(_DEFINITIONS.c.id == row.id).values(valid_to=number))
    for (kind, name), (position, body) in wanted.items():
        row = known.get((kind, name))
        if row is None or not _same(row, (position, body)):
            values = {"kind": kind, "name": name, "position": position, "body": body, "valid_from": number}
            await connection.execute(sa.insert(_DEFINITIONS).values(**values))
    told = [str(change) for change in plan.changes]
    await connection.execute(
        sa.insert(RevisionRow).values(number=number, author=order.author, comment=order.comment, changes=told)
    )


async def _announce(connection: AsyncConnection, order: _Order, plan: Plan, number: int) -> None:
    """Write the audit row and what is live; tell everybody who listens."""
    told = [str(change) for change in plan.changes]
    detail = {"revision": number, "changes": told, "effects": [str(effect) for effect in plan.effects]}
    raw: Any = await connection.get_raw_connection()
    await audit(raw.driver_connection, order.author, "definitions.change", None, detail)
    await connection.execute(sa.update(LiveRow).values(revision=number))
    await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(number))))


def _same(row: Any, wanted: tuple[int, dict[str, Any]]) -> bool:
    """Say whether a row says the very same, in the same order."""
    return bool(row.position == wanted[0] and written(row.body) == written(wanted[1]))


def _bodies(project: Project) -> dict[tuple[str, str], tuple[int, dict[str, Any]]]:
    found: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for section, kind in KINDS.items():
        for position, definition in enumerate(getattr(project, section)):
            found[kind, definition.name] = position, dump_definition(definition)
    for kind in ("project", "users"):
        if body := dump_definition(getattr(project, kind)):
            found[kind, kind] = 0, body
    return found

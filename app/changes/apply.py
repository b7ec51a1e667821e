"""One transaction for a change: definitions, DDL, revision and audit together, or nothing of it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.audit.writing import audit
from app.changes import ddl, managed
from app.changes.adopt import TableDiffers, standing
from app.changes.change import Change
from app.changes.diff import diff, settled, written
from app.changes.held_there import held_there
from app.changes.holds import hold_changes, kept_holds
from app.changes.indexes import IndexNotBuilt, build_indexes
from app.changes.managed import ConfigManaged, ManagedMark
from app.changes.obstacles import (
    ChangeFailed,
    DataInTheWay,
    WouldDestroy,
    destroyed,
    of_database,
    refuse_loss,
    refuse_what_does_not_fit,
)
from app.changes.standing import effects_of_unread, refused
from app.changes.table_locks import TablesBusy, hold_tables, long_held
from app.compiler.check import compile_checked
from app.compiler.full_form import WrittenOut
from app.compiler.runtime import Runtime
from app.compiler.stored import compile_stored
from app.definitions.names import Definition
from app.definitions.project import EMPTY, KINDS, SINGLES, DefinitionInvalid, Project, dump_definition
from app.definitions.stored import Stored, stored_of
from app.errors import FieldError, Finding, RowgateError, refusing
from app.relations.locks import Held
from app.review.effects import Effect, effects
from app.store.engine import driven
from app.store.lock_tries import LOCKED, Tries, sqlstate
from app.store.rows import DefinitionRow, LiveRow, RevisionRow, table_of

_WAIT_FOR_OTHER_CHANGES = "2s"
CHANNEL = "rowgate"


_DEFINITIONS: sa.Table = table_of(DefinitionRow)
_LIVE: sa.Table = table_of(LiveRow)


class RevisionChanged(RowgateError):
    """Somebody else changed the definitions meanwhile."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "change.revision"


class PolicyTestsFailed(RowgateError):
    """Tests of the document fail on what it says; nothing was changed. `findings` names each with what came."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "test.failed"

    def __init__(self, verdict: "Judgement") -> None:
        """Take them all."""
        self.findings = verdict.failures
        errors = [FieldError((one.place,), one.code, one.sentence) for one in verdict.failures]
        count = f"{len(errors)} of {verdict.count} tests fail" if len(errors) > 1 else "A test fails"
        super().__init__(f"{count}, and nothing was changed.", errors=errors)


class Wider(RowgateError):
    """The change lets somebody into more, or may, and wasn't told that it may; `errors` has every effect."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.wider"

    def __init__(self, found: Sequence[Effect]) -> None:
        """Take them all."""
        errors = [FieldError((one.where,), self.code, one.sentence) for one in found]
        hint = "If that is meant, say --allow-wider, over HTTP ?allow_wider=true."
        super().__init__("This would let somebody into more. Nothing was changed.", errors=errors, hint=hint)


# What a change may be refused with, whoever makes it.
CHANGE_REFUSALS = (
    DefinitionInvalid, PolicyTestsFailed, RevisionChanged, Wider, WouldDestroy, DataInTheWay, ChangeFailed, TablesBusy,
    ConfigManaged, TableDiffers, IndexNotBuilt,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a project's tests: how many there are, and a finding for each that failed."""

    count: int = 0
    failures: tuple[Finding, ...] = ()


Judge = Callable[[Project], Awaitable[Judgement]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does: its parts, their SQL, the data that goes, and the revision that it made, if it was made.

    `verdict` is what came of the project's tests, `effects` say who gains and who loses access by it, `holds` names the
    changes during which requests that want the table are refused, since they look at every row. `written_out` are
    conditions that are kept in full, since less was said, and `project` is what is said with them.
    """

    changes: tuple[Change, ...]
    sql: tuple[str, ...]
    destroys: tuple[str, ...]
    revision: int | None
    verdict: Judgement = Judgement()
    effects: tuple[Effect, ...] = ()
    holds: tuple[str, ...] = ()
    written_out: tuple[WrittenOut, ...] = ()
    project: Project = EMPTY

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
            "written_out": [one.shown() for one in self.written_out],
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
    allow_wider: bool = False,
    keep: Collection[tuple[str, str]] | None = None,
    mark: ManagedMark | None = None,
    committed: Callable[[], Awaitable[None]] | None = None,
) -> Plan:
    """Make the stored project into this one.

    `destroy` names tables and `table.column`s that may lose their data; `judge` runs the project's tests; without
    `allow_wider` nobody may get into more. `keep` makes it an edit of one part: it names rows, by kind and name, that
    can't be read and stay as they are, and what was broken before and isn't touched may stay so. `mark` is the file
    that manages the definitions from here on; without it, a managed backend is not changed. Raises DefinitionInvalid,
    PolicyTestsFailed, RevisionChanged, Wider, WouldDestroy, DataInTheWay, TablesBusy, ConfigManaged or ConfigReplaced;
    then nothing has changed. A dry run changes nothing and gives the plan, failed tests with it. Indexes that say
    `concurrently` are built when all else is done and `committed` was awaited; IndexNotBuilt says that one could not
    be.
    """
    if not dry_run:  # said at once, and once more under the lock
        async with engine.connect() as connection:
            await managed.admit(connection, mark)
    checked = await _checked(project, lenient=keep is not None)
    project, runtime = checked.project, checked.runtime
    verdict = Judgement() if judge is None else await judge(runtime.project)
    if verdict.failures and not dry_run:
        raise PolicyTestsFailed(verdict)
    order = _Order(
        project, author, frozenset(destroy), expected_revision, comment, dry_run, allow_wider, runtime.held,
        tuple(checked.findings), None if keep is None else frozenset(keep), mark,
    )  # fmt: skip
    plan = await _in_transaction(engine, lambda connection: _carry_out(connection, order), dry_run=dry_run)
    if committed is not None:
        await committed()
    if not dry_run:
        try:
            await build_indexes(engine, runtime.project)
        except DBAPIError as error:
            raise of_database(error) from error
    return replace(plan, verdict=verdict, written_out=checked.written_out, project=project)


async def apply_holds(engine: AsyncEngine, held: frozenset[Held], *, author: str, revision: int) -> bool:
    """Make the triggers that tables lack for what chains hold, as a revision that says the same; say whether any did.

    No definition is touched, be it one that can't be read here, and no trigger is taken away. Raises RevisionChanged or
    TablesBusy; then nothing has changed.
    """

    async def make(connection: AsyncConnection) -> Plan:
        await _lock(connection, revision)
        there = await held_there(await driven(connection))
        changes = tuple(hold_changes(there, held | there, ()))
        plan = Plan(changes, ddl.written(changes), (), revision)
        if changes:
            await hold_tables(connection, changes)
            for change in changes:
                await connection.run_sync(ddl.run, change)
            await _record(connection, author, None, plan, revision + 1)
            await _tell(connection, author, plan, revision + 1)
        return plan

    return bool((await _in_transaction(engine, make)).changes)


async def _in_transaction(
    engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Plan]], *, dry_run: bool = False
) -> Plan:
    """Do the work in one transaction, and again where a lock can't be had; a dry run is rolled back."""
    tries = Tries()
    while True:
        try:
            async with engine.connect() as connection, connection.begin() as transaction:
                plan = await work(connection)
                await (transaction.rollback() if dry_run else transaction.commit())
            return plan
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
    held: frozenset[Held]
    findings: tuple[Finding, ...]
    keep: frozenset[tuple[str, str]] | None
    mark: ManagedMark | None


@dataclass(frozen=True, slots=True)
class _Sound:
    """A project in its full form, the runtime of what would be served, and the findings that what is stored excuses."""

    project: Project
    runtime: Runtime
    findings: list[Finding]
    written_out: tuple[WrittenOut, ...]


async def _checked(project: Project, *, lenient: bool) -> _Sound:
    # In a thread: to parse and type many long rules takes its time, and requests must not wait for it.
    found = await asyncio.to_thread(compile_checked, project)
    runtime = found.runtime
    if runtime is None:
        if not lenient:
            raise DefinitionInvalid(found.findings)
        runtime = await asyncio.to_thread(compile_stored, Stored(found.project))
    return _Sound(found.project, runtime, found.findings, found.written_out)


async def _lock(connection: AsyncConnection, expected: int | None) -> int:
    """Wait for other changes, and give the live revision; raises RevisionChanged where another one is expected."""
    await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_FOR_OTHER_CHANGES}'")
    revision: int = (await connection.execute(sa.select(_LIVE.c.revision).with_for_update())).scalar_one()
    if expected not in (None, revision):
        raise RevisionChanged(
            f"The definitions are at revision {revision} and not at {expected} any more.",
            hint="Read them again, and send your change with the new ETag.",
        )
    return revision


async def _carry_out(connection: AsyncConnection, order: _Order) -> Plan:
    revision = await _lock(connection, order.expected_revision)
    if not order.dry_run:
        await managed.admit(connection, order.mark)
        await managed.set_mark(connection, order.mark)
    rows = await _active(connection)
    stored = stored_of((row.kind, row.name, row.body) for row in rows)
    plan = await _planned(connection, order, stored)
    changes, found = plan.changes, plan.effects
    if order.dry_run:
        return plan
    if not order.allow_wider and (wider := [one for one in found if one.wider]):
        raise Wider(wider)
    refuse_loss([name for name in plan.destroys if name not in order.destroy])
    if not changes:
        return replace(plan, revision=revision)
    # What locks tables comes last, and behind it only what must, so that they are held for as short as can be.
    await _store(connection, _changed(rows, stored.project, order), revision + 1)
    await _record(connection, order.author, order.comment, plan, revision + 1)
    await hold_tables(connection, changes)
    refuse_loss(await destroyed(connection, changes, but=order.destroy))  # what came while they were waited for
    for change in changes:
        await refuse_what_does_not_fit(connection, change)
        await connection.run_sync(ddl.run, change)
    await _tell(connection, order.author, plan, revision + 1)
    return replace(plan, revision=revision + 1)


async def _planned(connection: AsyncConnection, order: _Order, stored: Stored) -> Plan:
    """Say what the order changes; raises DefinitionInvalid for findings that what is stored doesn't excuse."""
    before, after, lenient = stored.project, order.project, order.keep is not None
    left = await asyncio.to_thread(refused, list(order.findings), before, after, lenient=lenient)
    if left:
        raise DefinitionInvalid(left)
    lost = [one for one in stored.unread if (one.kind, one.name) not in (order.keep or ())]
    tables = diff(before, after, lost, await standing(connection, before, after, lost))
    there = await held_there(await driven(connection))
    # What can't be read here may rest on a trigger all the same, on an instance that can.
    wanted = order.held | (kept_holds(there, tables) if order.keep or refusing(order.findings) else frozenset())
    changes = (*tables, *hold_changes(there, wanted, tables))
    destroys = await destroyed(connection, changes)
    found: tuple[Effect, ...] = ()
    if changes:
        found = (*await asyncio.to_thread(effects, before, after), *effects_of_unread(lost, after))
    return Plan(changes, ddl.written(changes), destroys, None, effects=found, holds=long_held(changes, destroys))


async def _active(connection: AsyncConnection) -> Sequence[Any]:
    columns = (_DEFINITIONS.c[name] for name in ("id", "kind", "name", "position"))
    found = await connection.execute(
        # As text: what is no JSON that we read is told apart, and is no failure here.
        sa.select(*columns, sa.cast(_DEFINITIONS.c.body, sa.Text).label("body"))
        .where(_DEFINITIONS.c.valid_to.is_(None))
        .order_by(_DEFINITIONS.c.kind, _DEFINITIONS.c.position)
    )
    return found.all()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows that are no longer live, by their ids, and what is: kind, name, position, body."""

    ended: tuple[int, ...]
    begun: tuple[dict[str, Any], ...]


def _changed(rows: Sequence[Any], stored: Project, order: _Order) -> _Rows:
    """Compare what is stored with what is wanted: a definition that is the same object says the same."""
    known = {(row.kind, row.name): row for row in rows if (row.kind, row.name) not in (order.keep or ())}
    before, wanted = _placed(stored), _placed(settled(order.project))
    ended = [row.id for key, row in known.items() if key not in wanted]
    begun = []
    for (kind, name), (position, definition) in wanted.items():
        row = known.get((kind, name))
        if row is not None and row.position == position and before.get((kind, name), (0, None))[1] is definition:
            continue
        body = dump_definition(definition)
        if row is not None and row.position == position and row.body == written(body):
            continue
        begun.append({"kind": kind, "name": name, "position": position, "body": body})
        ended += [] if row is None else [row.id]
    return _Rows(tuple(ended), tuple(begun))


def _placed(project: Project) -> dict[tuple[str, str], tuple[int, Definition]]:
    """Give each definition that is kept, and its place in its section."""
    found: dict[tuple[str, str], tuple[int, Definition]] = {}
    for section, kind in KINDS.items():
        for position, definition in enumerate(getattr(project, section)):
            found[kind, definition.name] = position, definition
    for kind in SINGLES:
        if dump_definition(one := getattr(project, kind)):
            found[kind, kind] = 0, one
    return found


async def _store(connection: AsyncConnection, changed: _Rows, number: int) -> None:
    """Write the definitions that differ."""
    if changed.ended:
        ended = _DEFINITIONS.c.id.in_(changed.ended)
        await connection.execute(sa.update(_DEFINITIONS).where(ended).values(valid_to=number))
    if changed.begun:
        await connection.execute(sa.insert(_DEFINITIONS), [{**one, "valid_from": number} for one in changed.begun])


async def _record(connection: AsyncConnection, author: str, comment: str | None, plan: Plan, number: int) -> None:
    told = [str(change) for change in plan.changes]
    await connection.execute(sa.insert(RevisionRow).values(number=number, author=author, comment=comment, changes=told))
    await connection.execute(sa.update(LiveRow).values(revision=number))
    await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(number))))


async def _tell(connection: AsyncConnection, author: str, plan: Plan, number: int) -> None:
    """Write the audit row: what it is chained to stays locked till the commit, so it comes last."""
    told = [str(change) for change in plan.changes]
    detail = {"revision": number, "changes": told, "effects": [str(effect) for effect in plan.effects]}
    await audit(await driven(connection), author, "definitions.change", None, detail)

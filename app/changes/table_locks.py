"""The one gate of DDL: every lock that a change needs on tables that are there, in order, before anything is changed.

A lock that can't be had at once makes all that come later stand in line behind it, readers too. So all of them are
tried for in short slices, each of which gives back what it got; and what could not be locked in time is not changed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.changes.change import (
    AddPart,
    AlterColumn,
    Change,
    CreateTable,
    DropColumn,
    DropPart,
    DropTable,
    HoldRows,
    RemoveDefinition,
    RenameTable,
    SetDefinition,
)
from app.database.lock_waits import SLICE, WAIT_AS_CHANGES_DO
from app.database.quoting import DATA_SCHEMA, quoted
from app.errors import RowgateError
from app.store.lock_tries import CANCELED, LOCKED, Tries, sqlstate

# Readers go on beside the second.
_ALONE, _BESIDE_READERS = "ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE"
# A vacuum gives way only to what has waited for it for a second. This lock stops none that reads or writes.
_NO_VACUUM, _VACUUM_ENDS = "SHARE UPDATE EXCLUSIVE", "2s"

_TABLES = sa.text("SELECT relname FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind = 'r'")
_FOREIGN_KEYS = sa.text(
    "SELECT k.conname, t.relname AS of, r.relname AS target, ARRAY(SELECT a.attname::text FROM pg_attribute a"
    " WHERE a.attrelid = t.oid AND a.attnum = ANY (k.conkey)) AS columns"
    " FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid"
    " WHERE k.contype = 'f' AND t.relnamespace = CAST(:schema AS regnamespace)"
)
_HOLDER = sa.text(
    "SELECT c.relname, l.pid, a.application_name, a.backend_type, a.state,"
    " extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS seconds"
    " FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.granted AND c.relnamespace = CAST(:schema AS regnamespace) AND c.relname = ANY (CAST(:all AS text[]))"
    " AND l.pid IS DISTINCT FROM pg_backend_pid()"
    " AND (c.relname = ANY (CAST(:alone AS text[])) OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))"
    " ORDER BY a.xact_start NULLS LAST LIMIT 1"
)


class TablesBusy(RowgateError):
    """A lock on a table couldn't be had in time, because a request holds it."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.locked"


async def hold_tables(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    """Lock all that the changes need, until the transaction ends.

    From here on no statement of the transaction waits for a lock longer than a slice. Raises TablesBusy, with who holds
    a table.
    """
    locks = await needed_locks(connection, changes)
    if locks:
        await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_VACUUM_ENDS}'")
        await connection.exec_driver_sql(f"LOCK TABLE {_named(locks)} IN {_NO_VACUUM} MODE")
    await connection.exec_driver_sql(WAIT_AS_CHANGES_DO)
    tries = Tries()
    while locks and not await _try(connection, locks):
        if not await tries.again():
            raise TablesBusy(await _who_holds(connection, locks), hint="Try again in a moment.")


async def _try(connection: AsyncConnection, locks: Mapping[str, str]) -> bool:
    """Say whether all were had within one slice; else none is held."""
    one_by_one = " ".join(f"LOCK TABLE {_named([table])} IN {mode} MODE;" for table, mode in locks.items())
    savepoint = await connection.begin_nested()
    try:
        # One statement, so that the slice is that of all together.
        await connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(SLICE * 1000)}")
        await connection.exec_driver_sql(f"DO $$BEGIN {one_by_one} SET LOCAL statement_timeout = 0; END$$")
    except DBAPIError as error:
        if sqlstate(error) not in {CANCELED, *LOCKED}:
            raise
        await savepoint.rollback()
        return False
    await savepoint.commit()
    return True


async def needed_locks(connection: AsyncConnection, changes: Sequence[Change]) -> dict[str, str]:
    """Give the tables that are there and that the changes touch, in the one order of all, each with its mode."""
    schema = {"schema": DATA_SCHEMA}
    there = set((await connection.execute(_TABLES, schema)).scalars())
    keys = (await connection.execute(_FOREIGN_KEYS, schema)).all()
    was = {change.new: change.old for change in changes if isinstance(change, RenameTable)}
    modes: dict[str, str] = {}
    for change in changes:
        for table, mode in _touched(change, keys, was):
            if table in there and modes.get(table) != _ALONE:
                modes[table] = mode
    return dict(sorted(modes.items()))


def _touched(change: Change, keys: Sequence[Any], was: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each table that a change locks, under the names of before; what gives up a key locks both its tables."""
    if isinstance(change, SetDefinition | RemoveDefinition | CreateTable):
        return
    if isinstance(change, HoldRows):
        yield was.get(change.table, change.table), _BESIDE_READERS
        return
    if isinstance(change, AddPart) and (change.part.is_index or change.part.refers is not None):
        if not change.part.concurrently:
            yield was.get(change.table, change.table), _BESIDE_READERS
        if change.part.refers is not None:
            yield was.get(change.part.refers.target, change.part.refers.target), _BESIDE_READERS
        return
    name = _table_of(change)
    table = was.get(name, name)
    yield table, _ALONE
    yield from ((key.target, _ALONE) for key in keys if key.of == table and _gives_up(change, key))


def _table_of(change: Any) -> str:
    if isinstance(change, RenameTable):
        return change.old
    return str(change.name if isinstance(change, DropTable) else change.table)


def _gives_up(change: Change, key: Any) -> bool:
    if isinstance(change, DropColumn):
        return change.name in key.columns
    if isinstance(change, AlterColumn):
        return change.said.name in key.columns and change.pg != change.pg_before
    return isinstance(change, DropTable) or (isinstance(change, DropPart) and change.part.name == key.conname)


def _named(tables: Sequence[str] | Mapping[str, str]) -> str:
    return ", ".join(f"{quoted(DATA_SCHEMA)}.{quoted(table)}" for table in tables)


async def _who_holds(connection: AsyncConnection, locks: Mapping[str, str]) -> str:
    """Say which table is held and by whom, as far as this role may see; nothing of what runs there."""
    alone = [table for table, mode in locks.items() if mode == _ALONE]
    given = {"schema": DATA_SCHEMA, "alone": alone, "all": list(locks)}
    holder = (await connection.execute(_HOLDER, given)).first()
    if holder is None:
        return f"{' and '.join(locks)} could not be locked: requests hold them all the time. Nothing was changed."
    who = holder.application_name or holder.backend_type or "another role"
    since = "" if holder.seconds is None else f", open for {holder.seconds} s and {holder.state or 'working'}"
    return f"{holder.relname} is in use by {who!r} (process {holder.pid}{since}). Nothing was changed."


def long_held(changes: Sequence[Change], destroys: Collection[str]) -> tuple[str, ...]:
    """Name the changes that read or write every row of a table that is there, while requests that want it get 503.

    `destroys` is what they destroy: a column of that is dropped unread.
    """
    new = {change.said.name for change in changes if isinstance(change, CreateTable)}
    long = [change for change in changes if _looks_at_every_row(change, destroys) and _table_of(change) not in new]
    return tuple(map(str, long))


def _looks_at_every_row(change: Change, destroys: Collection[str]) -> bool:
    if isinstance(change, DropColumn):
        return change.place not in destroys
    if isinstance(change, AlterColumn):
        return change.pg != change.pg_before or (change.said.required and not change.before.required)
    return isinstance(change, AddPart) and change.part.kind in {"check", "unique", "unique index"}

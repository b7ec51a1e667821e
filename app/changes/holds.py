"""What the triggers lack by which writers of a table wait for who holds its rows.

What is there is read of the database and not of the definitions before, so that a database which an older Rowgate
defined, or somebody changed by hand, gets what it has to have.
"""

from collections.abc import Iterable, Sequence

from app.changes.change import (
    Change,
    DropColumn,
    DropTable,
    HoldRows,
    HoldRowsNoLonger,
    RenameColumn,
    RenameTable,
)
from app.relations.locks import Held


def kept_holds(there: frozenset[Held], others: Iterable[Change]) -> frozenset[Held]:
    """Give what the triggers stand for, but of tables that are gone or whose columns are not what they were."""
    touched: set[str] = set()
    for change in others:
        match change:
            case DropTable(name=table) | RenameTable(old=table) | DropColumn(table=table) | RenameColumn(table=table):
                touched.add(table)
    return frozenset(one for one in there if one.table not in touched)


def hold_changes(there: frozenset[Held], wanted: frozenset[Held], others: Iterable[Change]) -> list[Change]:
    """Give what makes the triggers stand for what chains hold, behind the other changes."""
    changes: list[Change] = []
    for change in others:
        if isinstance(change, DropTable):
            there = frozenset(one for one in there if one.table != change.name)
        elif isinstance(change, RenameTable):
            there = frozenset(Held(change.new, one.column) if one.table == change.old else one for one in there)
    for table in sorted({one.table for one in there ^ wanted}):
        changes += _of_table(table, _columns(there, table), _columns(wanted, table))
    return changes


def _columns(held: frozenset[Held], table: str) -> list[str]:
    return sorted(one.column for one in held if one.table == table)


def _of_table(table: str, there: Sequence[str], wanted: Sequence[str]) -> list[Change]:
    changes: list[Change] = []
    if "" in wanted and "" not in there:
        changes.append(HoldRows(table, ()))
    elif "" in there and "" not in wanted:
        changes.append(HoldRowsNoLonger(table, whole=True))
    before, after = (tuple(filter(None, columns)) for columns in (there, wanted))
    if after and after != before:
        changes.append(HoldRows(table, after))
    elif before and not after:
        changes.append(HoldRowsNoLonger(table, whole=False))
    return changes

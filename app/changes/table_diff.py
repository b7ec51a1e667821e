"""The changes of tables between two projects, in an order in which they can be made.

What goes is dropped first, under its old name; then names change; then what is new comes, and constraints last, when
everything that they need is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import is_

from app.changes import change
from app.changes.casts import castable
from app.database.quoting import DATA_SCHEMA
from app.definitions.column_types import KEY
from app.definitions.project import Project
from app.definitions.tables import USERS, TableDef
from app.relations.constraints import Part, column_parts, parts_of
from app.relations.defaults import default_sql
from app.relations.schema import Table, tables_of
from app.review.pairing import in_turn, paired


@dataclass
class _Changes:
    """The changes by the turn that they come in."""

    parts_gone: list[change.DropPart] = field(default_factory=list)
    drops: list[change.Change] = field(default_factory=list)
    table_renames: list[change.RenameTable] = field(default_factory=list)
    renames: list[change.Change] = field(default_factory=list)
    comes: list[change.Change] = field(default_factory=list)
    parts_new: list[change.AddPart] = field(default_factory=list)

    def in_order(self) -> list[change.Change]:
        tables = in_turn(self.table_renames, lambda one: (one.old, one.new))
        # A foreign key comes behind the unique constraints that it rests on, and goes before them.
        gone = sorted(self.parts_gone, key=lambda one: one.part.refers is None)
        parts = sorted(self.parts_new, key=lambda one: one.part.refers is not None)
        return [*gone, *self.drops, *tables, *self.renames, *self.comes, *parts]


@dataclass(frozen=True, slots=True)
class _TableSide:
    """A table as it is, or as it becomes: its name, its columns and its parts."""

    table: Table
    parts: Mapping[str, Part]


def table_changes(old: Project, new: Project, schema: str = DATA_SCHEMA) -> list[change.Change]:
    """Give the changes; a table whose id becomes of another type is another table."""
    if old.users is new.users and len(old.tables) == len(new.tables) and all(map(is_, old.tables, new.tables)):
        return []  # by what they are and not by what is equal to them: to Python 1 is equal to true
    changes = _Changes()
    old_tables, new_tables = tables_of(old, schema), tables_of(new, schema)
    pairs, gone = paired(old.tables, new.tables)
    stays = {
        after.name: before
        for before, after in pairs
        if before is not None and _keeps_its_id(before, old_tables[before.name], after, new_tables[after.name])
    }
    replaced = [before for before, after in pairs if before is not None and after.name not in stays]
    sides = {}
    taken = {name for said in old.tables for name in parts_of(said, old_tables[said.name])}
    for said in (*gone, *replaced):
        parts = parts_of(said, old_tables[said.name]).values()
        changes.parts_gone += [change.DropPart(said.name, part) for part in parts if part.refers is not None]
        changes.drops.append(change.DropTable(said.name))
    for before, after in pairs:
        side = _TableSide(new_tables[after.name], parts_of(after, new_tables[after.name]))
        if after.name not in stays:
            _created(after, side, changes)
            continue
        if before.name != after.name:
            changes.table_renames.append(change.RenameTable(before.name, after.name))
        was = _TableSide(old_tables[before.name], parts_of(before, old_tables[before.name]))
        origins = _columns(was.table, side.table, changes)
        _timestamps(before, after, changes, origins)
        sides[after.name] = _Kept(was, side, origins)
    users = _users(old, old_tables["users"]), _users(new, new_tables["users"])
    origins = _columns(users[0].table, users[1].table, changes) | {name: name for name in USERS}
    sides["users"] = _Kept(*users, origins)
    taken |= set(users[0].parts)
    for of_keys in (False, True):
        for kept_table in sides.values():
            _parts(kept_table, sides, taken, changes, of_keys=of_keys)
    return changes.in_order()


def _keeps_its_id(before: TableDef, old: Table, after: TableDef, new: Table) -> bool:
    """Say whether ids stay what they are: one that is a reference is of the type of what it refers to."""
    return before.id.type == after.id.type and castable(old.columns[KEY].pg, new.columns[KEY].pg)


def _users(project: Project, table: Table) -> _TableSide:
    parts = [part for column in project.users.columns for part in column_parts("users", column, table)]
    return _TableSide(table, {part.name: part for part in parts})


def _created(said: TableDef, side: _TableSide, changes: _Changes) -> None:
    changes.comes.append(change.CreateTable(said, side.table))
    # Nobody writes a table that is not there yet: its indexes come with it.
    changes.parts_new += [change.AddPart(said.name, replace(part, concurrently=False)) for part in side.parts.values()]


def _columns(old: Table, new: Table, changes: _Changes) -> dict[str, str]:
    """Note what changes of the columns, and give for each that stays the name that it had."""
    said = [[column.definition for column in table.columns.values() if column.definition] for table in (old, new)]
    pairs, gone = paired(*said)
    changes.drops += [change.DropColumn(old.name, column.name) for column in gone]
    renames, origins = [], {}
    for before, after in pairs:
        pg = new.columns[after.name].pg
        pg_before = pg if before is None else old.columns[before.name].pg
        if before is None or not castable(pg_before, pg):
            # No value of the one type is a value of the other: what there is goes, and that has to be said.
            changes.drops += [] if before is None else [change.DropColumn(old.name, before.name)]
            changes.comes.append(change.AddColumn(new.name, after, pg))
            continue
        origins[after.name] = before.name
        if before.name != after.name:
            renames.append(change.RenameColumn(new.name, before.name, after.name))
        was, becomes = default_sql(before, pg_before), default_sql(after, pg)
        if (pg_before, before.required, was) != (pg, after.required, becomes):
            changes.comes.append(change.AlterColumn(new.name, before, after, pg_before, pg))
    ordered: list[change.RenameColumn] = in_turn(renames, lambda one: (one.old, one.new))
    changes.renames += ordered
    return origins


def _timestamps(before: TableDef, after: TableDef, changes: _Changes, origins: dict[str, str]) -> None:
    origins[KEY] = KEY
    if before.timestamps and after.timestamps:
        origins |= {name: name for name in ("created_at", "updated_at")}
    elif after.timestamps:
        changes.comes.append(change.AddTimestamps(after.name))
    elif before.timestamps:
        changes.drops += [change.DropColumn(before.name, name) for name in ("created_at", "updated_at")]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A table that stays: as it is, as it becomes, and what each of its columns that stay was called."""

    old: _TableSide
    new: _TableSide
    origins: Mapping[str, str]

    def found(self, part: Part, tables: Mapping[str, "_Kept"], gone: Iterable[change.DropPart]) -> Part | None:
        """Give the part that this one was: of the same columns in the same types, and as strict."""
        before = self.before([column.partition(".")[0] for column in part.columns])
        if before is None:
            return None
        for one in self.old.parts.values():
            if one.kind == part.kind and one.columns == before and _as_strict(one, part, tables, gone):
                return one
        return None

    def before(self, columns: Iterable[str]) -> tuple[str, ...] | None:
        """Give what columns were called; None where one of them is new, or of another type."""
        found = [(column, self.origins.get(column)) for column in columns]
        was, becomes = self.old.table.columns, self.new.table.columns
        if any(origin is None or was[origin].pg != becomes[column].pg for column, origin in found):
            return None
        return tuple(str(origin) for _, origin in found)


def _as_strict(old: Part, new: Part, tables: Mapping[str, _Kept], gone: Iterable[change.DropPart]) -> bool:
    if old.refers is None or new.refers is None:
        # The text of a rule names its columns, so that one of a renamed column is made anew.
        return new.kind in ("unique", "index") or (old.name, old.sql) == (new.name, new.sql)
    there = tables.get(new.refers.target)
    if there is None or (old.refers.target, old.refers.to) != (there.old.table.name, there.before(new.refers.to)):
        return False
    # The constraint that it rests on can't go without it.
    rests = any(
        one.table == old.refers.target and one.part.kind == "unique" and set(one.part.columns) == set(old.refers.to)
        for one in gone
    )
    return not rests and old.refers.on_delete == new.refers.on_delete


def _parts(kept: _Kept, tables: Mapping[str, _Kept], taken: Iterable[str], changes: _Changes, *, of_keys: bool) -> None:
    """Note the constraints and indexes that go, change their names, and come: foreign keys, or all the others."""
    staying = set()
    for part in (one for one in kept.new.parts.values() if (one.refers is not None) == of_keys):
        before = kept.found(part, tables, changes.parts_gone)
        if before is None or before.name in staying or (before.name != part.name and part.name in taken):
            changes.parts_new.append(change.AddPart(kept.new.table.name, part))
            continue
        staying.add(before.name)
        if before.name != part.name:
            changes.renames.append(change.RenamePart(kept.new.table.name, part.kind, before.name, part.name))
    gone = [one for one in kept.old.parts.values() if (one.refers is not None) == of_keys and one.name not in staying]
    changes.parts_gone += [change.DropPart(kept.old.table.name, part) for part in gone]

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
from app.definitions.project import Project
from app.definitions.tables import TableDef
from app.relations.constraints import Part, column_parts, parts_of
from app.relations.defaults import default_sql
from app.relations.schema import Table, tables_of
from app.review.pairing import in_turn, paired


@dataclass
class _Changes:
    """The changes by the turn that they come in."""

    parts_gone: list[change.Change] = field(default_factory=list)
    drops: list[change.Change] = field(default_factory=list)
    table_renames: list[change.RenameTable] = field(default_factory=list)
    renames: list[change.Change] = field(default_factory=list)
    comes: list[change.Change] = field(default_factory=list)
    parts_new: list[change.AddPart] = field(default_factory=list)

    def in_order(self) -> list[change.Change]:
        tables = in_turn(self.table_renames, lambda one: (one.old, one.new))
        # A foreign key stands behind the unique constraints that it may rest on.
        parts = sorted(self.parts_new, key=lambda one: one.part.kind == "foreign key")
        return [*self.parts_gone, *self.drops, *tables, *self.renames, *self.comes, *parts]


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
    replaced = [before for before, after in pairs if before is not None and before.id != after.id]
    kept = {after.name: before.name for before, after in pairs if before is not None and before.id == after.id}
    taken = {name for said in old.tables for name in parts_of(said, old_tables[said.name])}
    for said in (*gone, *replaced):
        parts = parts_of(said, old_tables[said.name]).values()
        changes.parts_gone += [change.DropPart(said.name, part) for part in parts if part.kind == "foreign key"]
        changes.drops.append(change.DropTable(said.name))
    for before, after in pairs:
        side = _TableSide(new_tables[after.name], parts_of(after, new_tables[after.name]))
        if after.name not in kept:
            _created(after, side, changes)
            continue
        if before.name != after.name:
            changes.table_renames.append(change.RenameTable(before.name, after.name))
        was = _TableSide(old_tables[before.name], parts_of(before, old_tables[before.name]))
        origins = _columns(was.table, side.table, changes)
        _timestamps(before, after, changes, origins)
        _parts(was, side, _Same(was, side, origins, kept), taken, changes)
    users = _users(old, old_tables["users"]), _users(new, new_tables["users"])
    origins = _columns(users[0].table, users[1].table, changes) | {name: name for name in ("id", "email", "created_at")}
    _parts(*users, _Same(*users, origins, kept), set(users[0].parts), changes)
    return changes.in_order()


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
    origins["id"] = "id"
    if before.timestamps and after.timestamps:
        origins |= {name: name for name in ("created_at", "updated_at")}
    elif after.timestamps:
        changes.comes.append(change.AddTimestamps(after.name))
    elif before.timestamps:
        changes.drops += [change.DropColumn(before.name, name) for name in ("created_at", "updated_at")]


@dataclass(frozen=True, slots=True)
class _Same:
    """Tells whether a part of the new table is there already, by what its columns and the other table were before."""

    old: _TableSide
    new: _TableSide
    origins: Mapping[str, str]
    tables: Mapping[str, str]

    def found(self, part: Part) -> Part | None:
        """Give the part that this one was: of the same columns in the same types, and as strict."""
        columns = [column.partition(".")[0] for column in part.columns]
        if not all(self._same_type(column) for column in columns):
            return None
        before = tuple(self.origins[column] for column in columns)
        for one in self.old.parts.values():
            if one.kind == part.kind and one.columns == before and self._as_strict(one, part):
                return one
        return None

    def _same_type(self, column: str) -> bool:
        origin = self.origins.get(column)
        return origin is not None and self.old.table.columns[origin].pg == self.new.table.columns[column].pg

    def _as_strict(self, old: Part, new: Part) -> bool:
        if new.kind == "foreign key":
            same = old.target == ("users" if new.target == "users" else self.tables.get(str(new.target)))
            return same and old.sql.rpartition(" ON DELETE ")[2] == new.sql.rpartition(" ON DELETE ")[2]
        # The text of a check names its columns, so that one of a renamed column is made anew.
        return new.kind != "check" or (old.name, old.sql) == (new.name, new.sql)


def _parts(old: _TableSide, new: _TableSide, same: _Same, taken: Iterable[str], changes: _Changes) -> None:
    """Note the constraints and indexes that go, change their names, and come."""
    staying = set()
    for part in new.parts.values():
        before = same.found(part)
        if before is None or before.name in staying or (before.name != part.name and part.name in taken):
            changes.parts_new.append(change.AddPart(new.table.name, part))
            continue
        staying.add(before.name)
        if before.name != part.name:
            changes.renames.append(change.RenamePart(new.table.name, part.kind, before.name, part.name))
    gone = [part for name, part in old.parts.items() if name not in staying]
    changes.parts_gone += [change.DropPart(old.table.name, part) for part in gone]

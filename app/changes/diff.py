"""Project × Project → changes, in an order in which they can be made."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from app.changes.change import (
    AddColumn,
    AddPart,
    AddTimestamps,
    AlterColumn,
    Change,
    CreateTable,
    DropColumn,
    DropPart,
    DropTable,
    RemoveDefinition,
    RenameColumn,
    RenameTable,
    SetDefinition,
)
from app.compiler.renames import paired
from app.definitions.columns import ColumnDef
from app.definitions.names import Definition
from app.definitions.project import KINDS, Project, dump_definition
from app.definitions.tables import TableDef
from app.relations.constraints import Part, column_parts, parts_of
from app.relations.schema import DATA_SCHEMA, Table, tables_of

D = TypeVar("D", bound=Definition)


def settled(project: Project) -> Project:
    """Give the project without its `was`: what is stored says what is, not how it came to be."""
    update: dict[str, Any] = {}
    for section in KINDS:
        update[section] = tuple(_settled(definition) for definition in getattr(project, section))
    columns = tuple(_settled(column) for column in project.users.columns)
    update["users"] = project.users.model_copy(update={"columns": columns})
    return project.model_copy(update=update)


def _settled(definition: Any) -> Any:
    update: dict[str, Any] = {"was": None}
    if isinstance(definition, TableDef):
        update["columns"] = tuple(column.model_copy(update={"was": None}) for column in definition.columns)
    return definition.model_copy(update=update)


def written(body: dict[str, Any]) -> str:
    """Write a body so that two are the same only in the same order: the order of `set` decides what its values see."""
    return json.dumps(body)


def diff(old: Project, new: Project) -> list[Change]:
    """Give the changes that make `old` into `new`; both have been checked."""
    return [*table_changes(old, new), *_definition_changes(old, new)]


def _definition_changes(old: Project, new: Project) -> list[Change]:
    changes: list[Change] = []
    stored = settled(new)
    for section, kind in KINDS.items():
        pairs, gone = paired(getattr(old, section), getattr(new, section))
        changes += [RemoveDefinition(kind, definition.name) for definition in gone]
        for (before, _), after in zip(pairs, getattr(stored, section), strict=True):
            body = dump_definition(after)
            if before is None or written(dump_definition(before)) != written(body):
                was = before.name if before is not None and before.name != after.name else None
                changes.append(SetDefinition(kind, after.name, body, before is None, was))
    for kind in ("project", "users"):
        body = dump_definition(getattr(stored, kind))
        if written(dump_definition(getattr(old, kind))) != written(body):
            changes.append(SetDefinition(kind, kind, body, new=False))
    return changes


def table_changes(old: Project, new: Project, schema: str = DATA_SCHEMA) -> list[Change]:
    """Order: names first, then what goes, then what comes, and constraints last, when everything they need is there."""
    old_tables, new_tables = tables_of(old, schema), tables_of(new, schema)
    pairs, gone = paired(old.tables, new.tables)
    renames: list[Change] = []
    drops: list[Change] = []
    comes: list[Change] = []
    parts_gone: list[Change] = []
    parts_new: list[Change] = []
    for table in gone:
        parts_gone += [
            DropPart(table.name, part)
            for part in parts_of(table, old_tables[table.name]).values()
            if part.kind == "foreign key"
        ]
        drops.append(DropTable(table.name))
    for before, after in pairs:
        target = new_tables[after.name]
        parts = parts_of(after, target)
        if before is None:
            comes.append(CreateTable(after, target))
            # Nobody writes a table that is not there yet: its indexes come with it.
            parts_new += [AddPart(after.name, replace(part, concurrently=False)) for part in parts.values()]
            continue
        if before.name != after.name:
            renames.append(RenameTable(before.name, after.name))
        old_parts = parts_of(before, old_tables[before.name])
        _parts(after.name, old_parts, parts, parts_gone, parts_new)
        _columns(after.name, (before.columns, old_tables[before.name]), (after.columns, target), renames, drops, comes)
        _timestamps(before, after, drops, comes)
    users = old_tables["users"], new_tables["users"]
    _parts("users", _user_parts(old, users[0]), _user_parts(new, users[1]), parts_gone, parts_new)
    _columns("users", (old.users.columns, users[0]), (new.users.columns, users[1]), renames, drops, comes)
    return [*renames, *parts_gone, *drops, *comes, *_references_last(parts_new)]


def _references_last(parts: Iterable[Change]) -> list[Change]:
    """Put foreign keys behind the unique constraints that they may rest on."""
    return sorted(parts, key=lambda change: isinstance(change, AddPart) and change.part.kind == "foreign key")


def _user_parts(project: Project, table: Table) -> dict[str, Part]:
    return {part.name: part for column in project.users.columns for part in column_parts("users", column, table)}


def _parts(
    table: str, old: Mapping[str, Part], new: Mapping[str, Part], gone: list[Change], comes: list[Change]
) -> None:
    gone += [DropPart(table, part) for name, part in old.items() if name not in new or new[name].sql != part.sql]
    comes += [AddPart(table, part) for name, part in new.items() if name not in old or old[name].sql != part.sql]


def _columns(
    table: str,
    old: tuple[Sequence[ColumnDef], Table],
    new: tuple[Sequence[ColumnDef], Table],
    renames: list[Change],
    drops: list[Change],
    comes: list[Change],
) -> None:
    pairs, gone = paired(old[0], new[0])
    drops += [DropColumn(table, column.name) for column in gone]
    for before, after in pairs:
        pg = new[1].columns[after.name].pg
        if before is None:
            comes.append(AddColumn(table, after, pg))
            continue
        if before.name != after.name:
            renames.append(RenameColumn(table, before.name, after.name))
        pg_before = old[1].columns[before.name].pg
        if (pg_before, before.required, before.default) != (pg, after.required, after.default):
            comes.append(AlterColumn(table, before, after, pg_before, pg))


def _timestamps(before: TableDef, after: TableDef, drops: list[Change], comes: list[Change]) -> None:
    if after.timestamps and not before.timestamps:
        comes.append(AddTimestamps(after.name))
    if before.timestamps and not after.timestamps:
        drops += [DropColumn(after.name, name) for name in ("created_at", "updated_at")]

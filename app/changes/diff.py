"""Project × Project → changes, in an order in which they can be made."""

import json
from collections.abc import Sequence
from typing import Any

from app.changes.change import Change, RemoveDefinition, SetDefinition
from app.changes.table_diff import table_changes
from app.definitions.project import KINDS, SINGLES, Project, dump_definition
from app.definitions.stored import Unread
from app.definitions.tables import TableDef
from app.review.pairing import in_turn, paired


def settled(project: Project) -> Project:
    """Give the project without its `was`: what is stored says what is, not how it came to be."""
    update: dict[str, Any] = {}
    for section in KINDS:
        update[section] = tuple(_settled(definition) for definition in getattr(project, section))
    columns = tuple(_settled(column) for column in project.users.columns)
    update["users"] = project.users.model_copy(update={"columns": columns})
    return project.model_copy(update=update)


def _settled(definition: Any) -> object:
    columns = definition.columns if isinstance(definition, TableDef) else ()
    if all(one.was is None for one in (definition, *columns)):
        return definition
    update: dict[str, object] = {"was": None}
    if isinstance(definition, TableDef):
        update["columns"] = tuple(column.model_copy(update={"was": None}) for column in definition.columns)
    return definition.model_copy(update=update)


def written(body: dict[str, Any]) -> str:
    """Write a body so that two are the same only in the same order: the order of `set` decides what its values see."""
    return json.dumps(body)


def diff(
    old: Project, new: Project, unread: Sequence[Unread] = (), standing: tuple[Project, Project] | None = None
) -> list[Change]:
    """Give the changes that make `old` into `new`, and put it in the place of rows that can't be read.

    `standing` are the two with the tables that can be compared, where they don't tell that themselves.
    """
    said = {(kind, one.name) for section, kind in KINDS.items() for one in getattr(new, section)}
    gone = [RemoveDefinition(one.kind, one.name) for one in unread if (one.kind, one.name) not in said]
    return [*table_changes(*(standing or (old, new))), *gone, *_definition_changes(old, new)]


def _definition_changes(old: Project, new: Project) -> list[Change]:
    changes: list[Change] = []
    stored = settled(new)
    for section, kind in KINDS.items():
        pairs, gone = paired(getattr(old, section), getattr(new, section))
        changes += [RemoveDefinition(kind, definition.name) for definition in gone]
        said: list[SetDefinition] = []
        for (before, _), after in zip(pairs, getattr(stored, section), strict=True):
            if before is after:
                continue
            body = dump_definition(after)
            if before is None or written(dump_definition(before)) != written(body):
                was = before.name if before is not None and before.name != after.name else None
                said.append(SetDefinition(kind, after.name, body, before is None, was))
        ordered: list[SetDefinition] = in_turn(said, lambda one: (one.was or one.name, one.name))
        changes += ordered
    for kind in SINGLES:
        body = dump_definition(getattr(stored, kind))
        if written(dump_definition(getattr(old, kind))) != written(body):
            changes.append(SetDefinition(kind, kind, body, new=False))
    return changes

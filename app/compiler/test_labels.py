"""The labels of a policy test: short names of its rows, and the ids that stand for them."""

import re
from collections.abc import Mapping
from typing import Any

from app.definitions.column_types import KEY
from app.definitions.names import NAME_PATTERN
from app.definitions.policy_tests import ANONYMOUS, CALLER
from app.errors import near
from app.expressions.types import INT, STRING, Type
from app.relations.findings import Findings
from app.relations.schema import Table

Id = str | int

_LABEL = re.compile(r"\{\{([a-z][a-z0-9_]{0,62})\}\}|\{([a-z][a-z0-9_]{0,62})\}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# The ids are in the order of the rows, before those that the database makes, and the same in every run.
_IDS = "01900000-0000-7000-8000-{:012d}"
_NUMBERS = 1_000_000


def is_uuid(text: str) -> bool:
    """Say whether an id is one by itself, and no label."""
    return _UUID.fullmatch(text) is not None


def target_of(table: Table, column: str) -> str | None:
    """Name the table whose ids a column holds, one of them or, of an array, several."""
    said = table.columns[column].definition
    return said.target if said is not None and said.key == KEY else None


def labelled(tables: Mapping[str, Table], name: str) -> str:
    """Name the table whose rows are labelled for those of a table whose ids are the ids of others."""
    seen = set[str]()
    while name not in seen and name in tables and (target := target_of(tables[name], KEY)) is not None:
        seen.add(name)
        name = target
    return name


class Labels:
    """Each label means one row of one table; `me` means the caller's."""

    def __init__(self, findings: Findings) -> None:
        """Begin with none."""
        self.ids: dict[str, Id] = {}
        self.tables: dict[str, str] = {}
        self._findings = findings

    def add(self, table: Table | None, label: Any, place: str) -> None:
        """Take the label of a row; an id that is one already is no label, nor is the key of another row."""
        if table is None or not isinstance(label, str) or is_uuid(label) or target_of(table, KEY) is not None:
            return
        kind = table.columns[KEY].type
        if kind == STRING and not NAME_PATTERN.fullmatch(label):
            return
        if not NAME_PATTERN.fullmatch(label) or label == ANONYMOUS:
            hint = "a label has a-z, 0-9 and _, and begins with a letter"
            self._findings.report(place, f"{label!r} can't be the label of a row", hint)
        elif label in self.ids:
            self._findings.report(place, f"the label {label!r} stands twice", "a label means one row of a test")
        else:
            number = len(self.ids) + 1
            made: Mapping[Type, Id] = {INT: _NUMBERS + number, STRING: label}
            self.ids[label] = made.get(kind, _IDS.format(number))
            self.tables[label] = table.name

    def names(self) -> dict[Id, str]:
        """Give what each id is called; a row that has a label of its own is not called `me`."""
        return {id_: label for label, id_ in sorted(self.ids.items(), key=lambda pair: pair[0] != CALLER)}

    def resolved(self, said: object, place: str) -> object:
        """Put ids in the place of labels, however deep; a text that is one label is the id itself."""
        if isinstance(said, Mapping):
            return {key: self.resolved(item, f"{place}.{key}") for key, item in said.items()}
        if isinstance(said, list | tuple):
            return [self.resolved(item, f"{place}/{index}") for index, item in enumerate(said)]
        if not isinstance(said, str) or said.startswith("="):
            return said
        whole = _LABEL.fullmatch(said)
        if whole is not None and whole[2] in self.ids:
            return self.ids[whole[2]]
        return self.text(said, place)

    def text(self, said: str, place: str) -> str:
        """Put ids in the place of the labels in a text: `{plan}` is one, `{{plan}}` stands for the text `{plan}`."""

        def put(found: re.Match[str]) -> str:
            if found[1] is not None:
                return f"{{{found[1]}}}"
            if found[2] not in self.ids:
                self._unknown(found[2], place)
            return str(self.ids.get(found[2], ""))

        return _LABEL.sub(put, said)

    def _unknown(self, label: str, place: str) -> None:
        if label == CALLER:
            hint = "say `as: me` for somebody who is signed in"
        else:
            hint = near(label, self.ids) or f"give a row `id: {label}`, or write {{{{{label}}}}} for the text itself"
        self._findings.report(place, f"no row of this test is called {label!r}", hint)

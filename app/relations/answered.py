"""The rows of what an endpoint answers, as something that can be asked as a view is: Postgres reads them from JSON."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.database.quoting import quoted
from app.expressions.types import (
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    RANGES,
    STRING,
    TIME,
    TIMESTAMP,
    UUID,
    Enum,
    ListOf,
    Record,
    Type,
    pg_type,
)
from app.relations.asked import of_objects
from app.relations.query_sql import Shapes
from app.relations.schema import Column, Table
from app.relations.source import OrderBy, Source

ANSWERED = "rowgate_answered"

_PLACE = "rowgate_place"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")  # what the dialect reads as a column, and Postgres keeps whole
# What JSON tells Postgres as it told it to us; the rest is compared as JSON.
_SCALARS = frozenset({BOOL, INT, DOUBLE, DECIMAL, STRING, TIMESTAMP, DURATION, DATE, UUID, TIME, *RANGES})


@dataclass(frozen=True, slots=True)
class AnsweredTable(Table):
    """The rows of an answer, which is the first parameter of a statement; `_PLACE` is where each of them stands."""

    @property
    def sql(self) -> str:
        """Give the subquery; what is null in the list is a row of nulls."""
        columns = ", ".join(f"{quoted(one.name)} {one.pg}" for one in self.columns.values() if one.name != _PLACE)
        return (
            f"(SELECT r.*, e.place AS {_PLACE} FROM json_array_elements($1::text::json) WITH ORDINALITY e(value, place)"
            f" CROSS JOIN LATERAL json_to_record(CASE json_typeof(e.value) WHEN 'object' THEN e.value ELSE '{{}}' END)"
            f" r({columns}))"
        )


def answered_shapes(name: str, answers: Sequence[Type], max_bytes: int) -> Shapes | None:
    """Give the statements over what an endpoint may answer; None where that isn't always rows of the same columns."""
    rows = [one.element if isinstance(one, ListOf) else one for one in answers]
    found = {tuple(one.fields.items()) if isinstance(one, Record) else () for one in rows}
    fields = dict(found.pop()) if len(found) == 1 else {}
    if not fields or _PLACE in fields or not all(map(_NAME.fullmatch, fields)):
        return None
    shown = {field: _compared(kind) for field, kind in fields.items()}
    columns = {
        field: Column(field, kind, "json" if of_objects(kind) else pg_type(kind)) for field, kind in shown.items()
    }
    record = Record(name, shown)
    table = AnsweredTable(name, {**columns, _PLACE: Column(_PLACE, INT, pg_type(INT))}, record)
    source = Source(name, table, shown, record, order=(OrderBy(_PLACE),), max_bytes=max_bytes)
    return Shapes(source, _answered)


def _answered(env: Any) -> Any:
    return env[ANSWERED]


def _compared(kind: Type) -> Type:
    element = kind.element if isinstance(kind, ListOf) else kind
    return kind if element in _SCALARS or isinstance(element, Enum | Record) else DYN

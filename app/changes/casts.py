"""Which types of columns become which others, by what SQL, and which rows would lose something by it."""

from app.database.quoting import quoted
from app.definitions.column_types import kept_as, turns_into


def castable(before: str, after: str) -> bool:
    """Say whether Postgres turns values of one type into the other; a list is made of one value, and back."""
    return turns_into(_base(before), _base(after))


def cast_sql(column: str, before: str, after: str) -> str:
    """Write the value of the column as the other type."""
    name = quoted(column)
    if before.endswith("[]") == after.endswith("[]"):
        return f"{name}::{after}"
    if after.endswith("[]"):
        return f"CASE WHEN {name} IS NOT NULL THEN ARRAY[{name}]::{after} END"
    return f"({name})[1]::{after}"


def loss_sql(column: str, before: str, after: str) -> str:
    """Write the condition of the rows that would lose part of their value; a text that is no such value raises."""
    name = quoted(column)
    if before.endswith("[]") and not after.endswith("[]"):
        first = f"({name})[1]"
        return f"(cardinality({name}) > 1 OR {_differs(first, before.removesuffix('[]'), after)})"
    if after.endswith("[]") and not before.endswith("[]"):
        return _differs(name, before, after.removesuffix("[]"))
    return _differs(name, before, after)


def _differs(text: str, before: str, after: str) -> str:
    if _base(before) == "jsonb" and _base(after) not in ("jsonb", "text"):
        return f"to_jsonb({text}::{after}) IS DISTINCT FROM to_jsonb({text})"
    if _base(before) != "text":
        return f"({text}::{after})::{before} IS DISTINCT FROM {text}"
    kind = kept_as(_base(after))
    if kind is None or kind.whole is None:
        # What Postgres reads of a text is all of it, whatever the other type's own way to write it.
        return f"{text}::{after} IS NULL AND {text} IS NOT NULL"
    listed = "[]" if after.endswith("[]") else ""
    return f"{text}::{kind.whole}{listed} IS DISTINCT FROM ({text}::{after})::{kind.whole}{listed}"


def _base(pg: str) -> str:
    return pg.removesuffix("[]").partition("(")[0]

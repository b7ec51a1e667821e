"""Which types of columns become which others, by what SQL, and which rows would lose something by it."""

from app.database.quoting import quoted

_NUMBERS = frozenset({"integer", "bigint", "numeric", "double precision"})
_ALIKE = (_NUMBERS, frozenset({"date", "timestamptz"}), frozenset({"boolean", "integer"}))
_FROM_JSON = _NUMBERS | {"boolean"}
# What keeps all that a text says, beside what may keep less of it: digits beyond the scale, the time of a day.
_WHOLE = {"numeric": "numeric", "date": "timestamp"}


def castable(before: str, after: str) -> bool:
    """Say whether Postgres turns values of one type into the other; a list is made of one value, and back."""
    old, new = _base(before), _base(after)
    if old == new or "text" in (old, new):
        return True
    return any(old in group and new in group for group in _ALIKE) or (old == "jsonb" and new in _FROM_JSON)


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
    whole = _WHOLE.get(_base(after))
    if whole is None:
        # What Postgres reads of a text is all of it, whatever the other type's own way to write it.
        return f"{text}::{after} IS NULL AND {text} IS NOT NULL"
    listed = "[]" if after.endswith("[]") else ""
    return f"{text}::{whole}{listed} IS DISTINCT FROM ({text}::{after})::{whole}{listed}"


def _base(pg: str) -> str:
    return pg.removesuffix("[]").partition("(")[0]

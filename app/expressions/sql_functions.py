"""The functions that SQL can say with the very answers that Python gives."""

from collections.abc import Callable, Sequence

from app.expressions.types import BOOL, INT, STRING, TIMESTAMP, UUID, Enum, ListOf, Type

SqlFunction = Callable[[Sequence[Type], Sequence[str]], str | None]


def _size(kinds: Sequence[Type], texts: Sequence[str]) -> str | None:
    if isinstance(kinds[0], ListOf):
        return f"cardinality({texts[0]})::bigint"
    return f"char_length({texts[0]})::bigint" if kinds[0] == STRING or isinstance(kinds[0], Enum) else None


def _ends_with(_kinds: Sequence[Type], texts: Sequence[str]) -> str:
    return f"(right({texts[0]}, char_length({texts[1]})) = {texts[1]})"


def _string(kinds: Sequence[Type], texts: Sequence[str]) -> str | None:
    if kinds[0] == STRING or isinstance(kinds[0], Enum):
        return texts[0]
    return f"({texts[0]})::text" if kinds[0] in (INT, UUID, BOOL) else None


def _date(kinds: Sequence[Type], texts: Sequence[str]) -> str | None:
    if kinds[0] != TIMESTAMP:
        return None
    return f"(CASE WHEN isfinite({texts[0]}) THEN ({texts[0]} AT TIME ZONE 'UTC')::date END)"


SQL_FUNCTIONS: dict[str, SqlFunction] = {
    "size": _size,
    "startsWith": lambda _kinds, texts: f"starts_with({texts[0]}, {texts[1]})",
    "endsWith": _ends_with,
    "contains": lambda _kinds, texts: f"(strpos({texts[0]}, {texts[1]}) > 0)",
    "string": _string,
    "date": _date,
}

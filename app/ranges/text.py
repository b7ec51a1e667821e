"""A range and its text, `[2027-01-01,2027-02-01)`: read, brought to the form that Postgres gives it, and written."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

EMPTY = "empty"
_BOUND = r'"([^"\\]*)"|([^][()",\\]*)'
_RANGE = re.compile(rf"\s*([\[(])(?:{_BOUND}),(?:{_BOUND})([\])])\s*")


@dataclass(frozen=True, slots=True)
class Range:
    """From `lower` to `upper`, each with itself or without; None is no bound. An empty one is from None to None."""

    lower: Any
    upper: Any
    from_lower: bool = False
    to_upper: bool = False
    empty: bool = False

    def contains(self, value: Any) -> bool:
        """Say whether a value is in it."""
        if self.empty:
            return False
        after = self.lower is None or value > self.lower or (self.from_lower and value == self.lower)
        return after and (self.upper is None or value < self.upper or (self.to_upper and value == self.upper))

    def overlaps(self, other: "Range") -> bool:
        """Say whether some value is in both."""
        return not (self.empty or other.empty or self._before(other) or other._before(self))

    def _before(self, other: "Range") -> bool:
        """Say whether all of it is below all of another one, neither of them empty."""
        if self.upper is None or other.lower is None:
            return False
        return bool(
            self.upper < other.lower or (self.upper == other.lower and not (self.to_upper and other.from_lower))
        )


NOTHING = Range(None, None, empty=True)


def read_range(text: str, bound: Callable[[str], Any]) -> Range:
    """Read a range whose bounds `bound` reads, in the one form of those that are equal.

    Of whole numbers and days it is from a value to before one. Raises ValueError for what is no range or begins behind
    its end, OverflowError where that form goes past the last day, and what `bound` raises.
    """
    if text.strip().lower() == EMPTY:
        return NOTHING
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError("no range")
    lower, upper = (None if not (quoted or plain) else bound((quoted or plain).strip())
                    for quoted, plain in ((found[2], found[3]), (found[4], found[5])))  # fmt: skip
    from_lower, to_upper = found[1] == "[" and lower is not None, found[6] == "]" and upper is not None
    if lower is not None and upper is not None and lower > upper:
        raise ValueError("it begins behind its end")
    if lower is not None and not from_lower and _is_counted(lower):
        lower, from_lower = _next(lower), True
    if upper is not None and to_upper and _is_counted(upper):
        upper, to_upper = _next(upper), False
    if (
        lower is not None
        and upper is not None
        and (lower > upper or (lower == upper and not (from_lower and to_upper)))
    ):
        return NOTHING
    return Range(lower, upper, from_lower, to_upper)


def written_range(value: Range) -> str:
    """Write a range as Postgres does."""
    if value.empty:
        return EMPTY
    begins, ends = "[" if value.from_lower else "(", "]" if value.to_upper else ")"
    return f"{begins}{_bound_text(value.lower)},{_bound_text(value.upper)}{ends}"


def _is_counted(value: Any) -> bool:
    """Say whether there is a next value."""
    return isinstance(value, int) or (isinstance(value, date) and not isinstance(value, datetime))


def _next(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else value + timedelta(days=1)


def _bound_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
            return f'"{moment.rstrip("0") if "." in moment else moment}+00"'
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
    return str(value)

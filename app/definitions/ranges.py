"""Ranges as they are sent: texts such as `[2027-01-01,2027-02-01)`, each given in the form that Postgres keeps."""

from datetime import datetime
from typing import Any

from app.definitions.wrong import Wrong
from app.ranges.text import EMPTY, read_range, written_range


def range_of(bound: Any, such_as: str, most: tuple[int, int] | None = None) -> Any:
    """Give what reads a range, of what reads a value in it; `most` are the least and the greatest whole number."""

    def read(value: Any) -> Any:
        wrong = Wrong("type", f"A range is wanted, such as {such_as}, or {EMPTY}, and it doesn't begin behind its end.")
        if not isinstance(value, str):
            raise wrong
        try:
            found = read_range(value, bound)
        except ValueError:
            raise wrong from None
        except OverflowError:
            raise _TOO_FAR from None
        ends = [end for end in (found.lower, found.upper) if end is not None]
        if most is not None and not all(most[0] <= end <= most[1] for end in ends):
            raise _TOO_FAR
        return written_range(found)

    return read


_TOO_FAR = Wrong("range", "A value of the range is out of range.")


def sample_moments(first: datetime, last: datetime) -> str:
    """Write the range between two moments as it is answered."""
    return written_range(read_range(f'["{first.isoformat()}","{last.isoformat()}")', datetime.fromisoformat))

"""A rate limit as an admin writes it, and what counting a request by it comes to."""

import re
from dataclasses import dataclass
from typing import ClassVar

from app.errors import RowgateError

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MAX_AMOUNT = 100_000
MAX_PERIOD = 31 * 86400

_LIMIT = re.compile(r"([0-9]{1,9}) ?/ ?(?:([0-9]{1,9}) )?(second|minute|hour|day)s?")


class BadLimit(RowgateError):
    """A limit, or a cost, that no request could be counted by."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "limit.invalid"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` in any `period` seconds."""

    amount: int
    period: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a hit came to; `remaining` is what is left of the amount, times are in seconds.

    `reset_after` is when the oldest counted hit leaves the window (0 when none is counted). `retry_after` is None when
    allowed, else a whole number of at least 1: the same cost is allowed after that wait, if nobody else hits meanwhile.
    """

    allowed: bool
    remaining: int
    reset_after: float
    retry_after: int | None


def parse_limit(text: object) -> Limit:
    """Read `10/minute` or `100/15 minutes` (second, minute, hour, day); raises BadLimit with what to write instead."""
    hint = "Write it like 10/minute or 100/15 minutes; the units are second, minute, hour and day."
    match = _LIMIT.fullmatch(text.strip().lower()) if isinstance(text, str) and len(text) <= 100 else None
    if match is None:
        raise BadLimit("That is not a rate limit.", hint=hint)
    amount, period = int(match[1]), int(match[2] or 1) * UNITS[match[3]]
    if not 1 <= amount <= MAX_AMOUNT:
        raise BadLimit(f"A rate limit's amount is from 1 to {MAX_AMOUNT}.", hint=hint)
    if not 1 <= period <= MAX_PERIOD:
        raise BadLimit("A rate limit's period is from 1 second to 31 days.", hint=hint)
    return Limit(amount, period)


class StoreUnavailable(RowgateError):
    """The store that counts didn't answer; whoever asked decides whether that refuses or allows."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "limit.store_unavailable"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("Requests can't be counted at the moment.", headers={"Retry-After": "1"})

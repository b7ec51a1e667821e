"""When a time window is open and when it opens next, in the time of a named zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo, available_timezones

from app.errors import FieldError, RowgateError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIRST_YEAR, LAST_YEAR = 1970, 9000
# A weekly window that falls into the gap of a clock change is skipped that week, so one week isn't enough.
HORIZON_DAYS = 29

_NUMBERS = {name: number for number, day in enumerate(DAYS) for name in (day, day[:3])}
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ?- ?(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24:00))")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_MIDNIGHT = 24 * 60


class BadTimeWindow(RowgateError):
    """A time window that can't be understood or could never be open; `errors` has all its problems."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "window.invalid"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A half-open time: the first instant is inside, the last is not.

    `start` and `until` are UTC. `weekdays` (Monday is 0) and `hours` (minutes since midnight, from and until) go by
    what a clock on the wall of the zone shows: an hour that a clock change skips never is, one it repeats is twice.
    Hours that end before they begin run over midnight and belong to the weekday on which they begin.
    """

    zone: ZoneInfo
    start: datetime | None = None
    until: datetime | None = None
    weekdays: frozenset[int] | None = None
    hours: tuple[int, int] | None = None

    def is_open(self, now: datetime) -> bool:
        """Tell whether an instant is inside; a naive time is a ValueError."""
        if now.tzinfo is None:
            raise ValueError("an instant has a time zone")
        if self.start is not None and now < self.start:
            return False
        if self.until is not None and now >= self.until:
            return False
        return self._clock_allows(now.astimezone(self.zone))

    def opens_at(self, now: datetime) -> datetime | None:
        """Give the first instant, in UTC, from `now` on at which it is open: `now` itself if it is; None if never."""
        base = max(now.astimezone(UTC), self.start) if self.start is not None else now.astimezone(UTC)
        if self.is_open(base):
            return base
        if self.until is not None and base >= self.until:
            return None
        return next((moment for moment in self._edges(base) if self.is_open(moment)), None)

    def _clock_allows(self, local: datetime) -> bool:
        today = self.weekdays is None or local.weekday() in self.weekdays
        if self.hours is None:
            return today
        begin, end = (timedelta(minutes=minutes) for minutes in self.hours)
        shown = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        if begin < end:
            return today and begin <= shown < end
        yesterday = self.weekdays is None or (local.weekday() - 1) % 7 in self.weekdays
        return (today and shown >= begin) or (yesterday and shown < end)

    def _edges(self, base: datetime) -> list[datetime]:
        """Give in order the instants after `base` at which the window may open."""
        first = base.astimezone(self.zone).date() - timedelta(days=1)
        # Sorted as a whole: near a clock change at midnight, an edge of one day may come after one of the next.
        days = (first + timedelta(days=number) for number in range(HORIZON_DAYS + 1))
        return sorted({moment for day in days for moment in self._edges_of(day) if moment > base})

    def _edges_of(self, day: date) -> set[datetime]:
        """Give a day's midnight, its opening time, each as often as the clock shows it, and its clock change."""
        opening = self.hours[0] if self.hours is not None else 0
        shown = [datetime.combine(day, time(*divmod(minutes, 60)), self.zone) for minutes in {0, opening}]
        moments = {local.replace(fold=fold).astimezone(UTC) for local in shown for fold in (0, 1)}
        dawn = datetime.combine(day, time(), self.zone).astimezone(UTC)
        change = _clock_change(self.zone, dawn, dawn + timedelta(hours=26))
        return moments | ({change} if change is not None else set())


def _clock_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime | None:
    """Find the first second with another offset than the one before it, if the two ends differ."""
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return None
    seconds = int((high - low).total_seconds())
    left, right = 0, seconds
    while right - left > 1:
        middle = (left + right) // 2
        if (low + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            left = middle
        else:
            right = middle
    return low + timedelta(seconds=right)


def time_window(
    *,
    timezone: object,
    start: object = None,
    until: object = None,
    weekdays: object = None,
    hours: object = None,
) -> TimeWindow:
    """Read a definition: times in ISO 8601 or as datetimes, weekdays `[mon, friday]`, hours `09:00-17:00`.

    A time without an offset is read in the zone, by the rule of RFC 5545 3.3.5: the earlier of two when the clock shows
    it twice, and with the offset from before the gap when it never does. Raises BadTimeWindow with all problems.
    """
    problems: list[FieldError] = []
    zone = _zone(timezone, problems)
    reading = zone or ZoneInfo("UTC")  # so that the other fields' problems are told as well
    opened = _moment("from", start, reading, problems)
    closed = _moment("until", until, reading, problems)
    days = _weekdays(weekdays, problems)
    span = _hours(hours, problems)
    if opened is not None and closed is not None and opened >= closed:
        problems.append(_problem("until", "Ends at or before the time it begins."))
    if all(field is None for field in (start, until, weekdays, hours)):
        problems.append(_problem("from", "Says no time: give at least one of from, until, weekdays and hours."))
    if problems or zone is None:
        raise BadTimeWindow("This time window can't be used.", errors=problems)
    return TimeWindow(zone, opened, closed, days, span)


def _problem(field: str, message: str) -> FieldError:
    return FieldError((field,), "window.invalid", message)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: object, problems: list[FieldError]) -> ZoneInfo | None:
    if isinstance(value, str) and value in _zones():
        return ZoneInfo(value)
    problems.append(_problem("timezone", "Not a time zone of the IANA database, such as Europe/Berlin."))
    return None


def _moment(field: str, value: object, zone: ZoneInfo, problems: list[FieldError]) -> datetime | None:
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else None
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            moment = datetime.fromisoformat(value)
        if moment is not None and FIRST_YEAR <= moment.year <= LAST_YEAR:
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except ValueError:
        pass  # a date that no calendar has, such as 29 February 2027
    hint = f"a date and a time such as 2027-01-31T18:00:00, in a year from {FIRST_YEAR} to {LAST_YEAR}"
    problems.append(_problem(field, f"Not {hint}."))
    return None


def _weekdays(value: object, problems: list[FieldError]) -> frozenset[int] | None:
    if value is None:
        return None
    names = value if isinstance(value, list | tuple) else []
    numbers = [_NUMBERS.get(name.lower()) if isinstance(name, str) else None for name in names]
    found = frozenset(number for number in numbers if number is not None)
    if not names or len(found) != len(numbers):
        problems.append(_problem("weekdays", "Not a list of different weekdays, such as [mon, tue, friday]."))
        return None
    return found


def _hours(value: object, problems: list[FieldError]) -> tuple[int, int] | None:
    if value is None:
        return None
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        problems.append(_problem("hours", "Not hours of a day, such as 09:00-17:00 or 22:00-06:00."))
        return None
    begin = int(match[1]) * 60 + int(match[2])
    end = _MIDNIGHT if match[5] else int(match[3]) * 60 + int(match[4])
    if begin == end:
        problems.append(_problem("hours", "Begins and ends at the same minute; leave hours out for the whole day."))
        return None
    return begin, end

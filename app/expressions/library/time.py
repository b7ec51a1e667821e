"""Parts of instants, dates and durations; months, days of the month and days of the year count from 0, as in CEL."""

import functools
import re
import zoneinfo
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from importlib.resources import files
from typing import TYPE_CHECKING

from app.expressions.library.signature import Function, Overload, Sql, method, plain
from app.expressions.operations import Unknown
from app.expressions.types import DATE, DURATION, INT, STRING, TIMESTAMP

if TYPE_CHECKING:
    from app.expressions.syntax import Node

# The years that Python has; Postgres goes on, and infinity has no parts.
_CALENDAR = "timestamp '0001-01-01' AND timestamp '9999-12-31 23:59:59.999999'"
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-9]{2})", re.ASCII)


@functools.lru_cache(maxsize=512)
def zone(name: str) -> tzinfo:
    """Give the zone of a name (`Europe/Zurich`) or of an offset from UTC (`+02:00`); any other text is an error."""
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        span = timedelta(hours=int(hours), minutes=int(minutes))
        if span < timedelta(hours=24):
            return timezone(-span if sign == "-" else span)
    if name not in _zones():
        raise Unknown("there is no such time zone")
    return zoneinfo.ZoneInfo(name)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@functools.cache
def _kept_zones() -> frozenset[str]:
    """Give the zones that every Postgres knows too: those of the table, without names kept for old data."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text()
    return frozenset(line.split("\t")[2] for line in table.splitlines() if not line.startswith("#")) | {"UTC"}


def _in_zone(part: Callable[[datetime], int]) -> Callable[..., int]:
    def read(moment: datetime, name: str | None = None) -> int:
        return part(moment.astimezone(zone(name) if name else UTC))

    return read


def _of_date(part: Callable[[datetime], int]) -> Callable[[date], int]:
    return lambda day: part(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _sql(field: str) -> Sql:
    def write(texts: Sequence[str], nodes: "Sequence[Node]") -> str | None:
        moment = texts[0]
        place: str | None = "'UTC'"
        if len(texts) > 1:
            place = _sql_zone(getattr(nodes[1], "value", None), texts[1])
        if place is None:
            return None
        local = f"({moment} AT TIME ZONE {place})"
        return f"(CASE WHEN {local} BETWEEN {_CALENDAR} THEN ({field.format(local)})::bigint END)"

    return write


def _sql_zone(name: object, text: str) -> str | None:
    if not isinstance(name, str):
        return None
    if _OFFSET.fullmatch(name):
        # As a text Postgres would read an offset the other way round.
        return f"({text})::interval"
    return text if name in _kept_zones() else None


def _by_offset(nodes: "Sequence[Node]") -> bool:
    """Say whether the zone is an offset, which Postgres reads of a text anew for each row."""
    return _OFFSET.fullmatch(str(getattr(nodes[1], "value", ""))) is not None


def _date_sql(field: str) -> str:
    return f"(CASE WHEN {{0}} BETWEEN {_CALENDAR} THEN ({field})::bigint END)"


def _getter(name: str, doc: str, part: Callable[[datetime], int], field: str, *more: Overload) -> Function:
    read, write = _in_zone(part), _sql(field)
    zoned = plain((TIMESTAMP, STRING), INT, read, write, _by_offset)
    return method(name, doc, plain((TIMESTAMP,), INT, read, write), zoned, *more, literal=zone)


def _on_dates(part: Callable[[datetime], int], field: str) -> Overload:
    return plain((DATE,), INT, _of_date(part), _date_sql(field))


def _span(unit: timedelta) -> Callable[[timedelta], int]:
    return lambda span: span // unit if span >= timedelta(0) else -(-span // unit)


def _span_sql(seconds: int) -> str:
    return f"(trunc(extract(epoch FROM {{0}}) / {seconds}))::bigint"


def _day_getter(name: str, doc: str, part: Callable[[datetime], int], field: str) -> Function:
    return _getter(name, doc, part, field, _on_dates(part, field))


_DURATION_MILLIS = "mod(trunc(extract(epoch FROM {0}) * 1000), 1000)::bigint"

FUNCTIONS: tuple[Function, ...] = (
    _day_getter("getFullYear", "The year.", lambda at: at.year, "extract(year FROM {0})"),
    _day_getter("getMonth", "The month, from 0.", lambda at: at.month - 1, "extract(month FROM {0}) - 1"),
    _day_getter("getDate", "The day of the month, from 1.", lambda at: at.day, "extract(day FROM {0})"),
    _day_getter("getDayOfMonth", "The day of the month, from 0.", lambda at: at.day - 1, "extract(day FROM {0}) - 1"),
    _day_getter(
        "getDayOfWeek",
        "The day of the week, from 0 for Sunday.",
        lambda at: at.isoweekday() % 7,
        "extract(dow FROM {0})",
    ),
    _day_getter(
        "getDayOfYear",
        "The day of the year, from 0.",
        lambda at: at.timetuple().tm_yday - 1,
        "extract(doy FROM {0}) - 1",
    ),
    _getter(
        "getHours",
        "The hour; of a duration all its hours.",
        lambda at: at.hour,
        "extract(hour FROM {0})",
        plain((DURATION,), INT, _span(timedelta(hours=1)), _span_sql(3600)),
    ),
    _getter(
        "getMinutes",
        "The minute; of a duration all its minutes.",
        lambda at: at.minute,
        "extract(minute FROM {0})",
        plain((DURATION,), INT, _span(timedelta(minutes=1)), _span_sql(60)),
    ),
    _getter(
        "getSeconds",
        "The second; of a duration all its seconds.",
        lambda at: at.second,
        "trunc(extract(second FROM {0}))",
        plain((DURATION,), INT, _span(timedelta(seconds=1)), _span_sql(1)),
    ),
    _getter(
        "getMilliseconds",
        "The milliseconds past the second.",
        lambda at: at.microsecond // 1000,
        "mod(trunc(extract(milliseconds FROM {0})), 1000)",
        plain(
            (DURATION,),
            INT,
            lambda span: _span(timedelta(milliseconds=1))(span) - 1000 * _span(timedelta(seconds=1))(span),
            _DURATION_MILLIS,
        ),
    ),
)

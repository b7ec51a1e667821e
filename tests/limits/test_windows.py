"""Time windows: bad definitions, half-open edges, clock changes, leap days, and the first instant that is open."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.steps.windows import DAYS, BadTimeWindow, TimeWindow, time_window

BERLIN = ZoneInfo("Europe/Berlin")
MS = timedelta(milliseconds=1)


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(**fields: object) -> TimeWindow:
    return time_window(timezone="Europe/Berlin", **fields)


def test_all_problems_of_a_definition_come_at_once() -> None:
    with pytest.raises(BadTimeWindow) as refusal:
        time_window(timezone="Mars/Base", start="soon", until="2027-02-29T00:00:00", weekdays=["mon", "x"], hours="9-5")
    assert [error.loc for error in refusal.value.errors] == [
        ("timezone",),
        ("from",),
        ("until",),
        ("weekdays",),
        ("hours",),
    ]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "from"),
        ({"start": "2027-01-31"}, "from"),
        ({"start": date(2027, 1, 31)}, "from"),
        ({"start": 20270131}, "from"),
        ({"start": "2027-01-31T24:00:00"}, "from"),
        ({"start": "20270131T180000"}, "from"),
        ({"start": "1969-12-31T23:59:59"}, "from"),
        ({"until": "9999-12-31T23:59:59-12:00"}, "until"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until"),
        ({"start": "2027-01-31T18:00:00", "until": "2027-01-31T18:00:00"}, "until"),
        ({"start": "2027-01-31T18:00:00", "until": "2027-01-31T17:00:00Z"}, "until"),
        ({"weekdays": []}, "weekdays"),
        ({"weekdays": "mon"}, "weekdays"),
        ({"weekdays": ["mon", "monday"]}, "weekdays"),
        ({"weekdays": [1]}, "weekdays"),
        ({"hours": "09:00-09:00"}, "hours"),
        ({"hours": "9:00-17:00"}, "hours"),
        ({"hours": "09:00-24:01"}, "hours"),
        ({"hours": "24:00-09:00"}, "hours"),
        ({"hours": "09:00-17:60"}, "hours"),
        ({"hours": 9}, "hours"),
    ],
)
def test_a_definition_that_says_no_time_is_refused(fields: dict[str, object], place: str) -> None:
    with pytest.raises(BadTimeWindow) as refusal:
        window(**fields)
    assert [error.loc for error in refusal.value.errors] == [(place,)]


@pytest.mark.parametrize(
    "zone", [None, "", "CET+1", "../../etc/passwd", "/etc/localtime", "Europe", "europe/berlin\n", 1]
)
def test_a_zone_that_is_not_in_the_database_is_refused(zone: object) -> None:
    with pytest.raises(BadTimeWindow) as refusal:
        time_window(timezone=zone, hours="09:00-17:00")
    assert [error.loc for error in refusal.value.errors] == [("timezone",)]


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        window(hours="09:00-17:00").is_open(datetime(2027, 1, 1))  # noqa: DTZ001


def test_the_first_instant_is_inside_and_the_last_is_not() -> None:
    it = window(start="2027-01-31T18:00:00", until="2027-02-01T18:00:00")
    first, last = berlin("2027-01-31T18:00:00"), berlin("2027-02-01T18:00:00")
    assert first == utc("2027-01-31T17:00:00")
    assert [it.is_open(first + shift) for shift in (-MS, 0 * MS, MS)] == [False, True, True]
    assert [it.is_open(last + shift) for shift in (-MS, 0 * MS, MS)] == [True, False, False]
    assert it.opens_at(first - MS) == first
    assert it.opens_at(last) is None


def test_hours_are_half_open_too() -> None:
    it = window(hours="09:00-17:00")
    for text, expected in [("09:00", [False, True, True]), ("17:00", [True, False, False])]:
        at = berlin(f"2027-06-01T{text}:00")
        assert [it.is_open(at + shift) for shift in (-MS, 0 * MS, MS)] == expected
    assert it.opens_at(berlin("2027-06-01T17:00:00")) == berlin("2027-06-02T09:00:00")
    assert window(hours="09:00-24:00").is_open(berlin("2027-06-01T23:59:59"))
    assert not window(hours="09:00-24:00").is_open(berlin("2027-06-02T00:00:00"))


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    it = window(hours="22:00-06:00", weekdays=["fri"])
    friday = "2027-06-04"
    assert not it.is_open(berlin(f"{friday}T05:59:59"))
    assert not it.is_open(berlin(f"{friday}T21:59:59"))
    assert it.is_open(berlin(f"{friday}T22:00:00"))
    assert it.is_open(berlin("2027-06-05T05:59:59"))
    assert not it.is_open(berlin("2027-06-05T06:00:00"))
    assert not it.is_open(berlin("2027-06-05T22:00:00"))
    assert it.opens_at(berlin("2027-06-05T06:00:00")) == berlin("2027-06-11T22:00:00")


def test_hours_that_the_spring_gap_skips_are_never_open_that_day() -> None:
    it = window(hours="02:15-02:45")
    assert it.opens_at(berlin("2027-03-28T00:00:00")) == berlin("2027-03-29T02:15:00")
    sundays = window(hours="02:15-02:45", weekdays=["sunday"])
    assert sundays.opens_at(berlin("2027-03-28T00:00:00")) == berlin("2027-04-04T02:15:00")


def test_hours_that_begin_in_the_spring_gap_open_at_its_end() -> None:
    it = window(hours="02:30-05:00")
    gap_ends = utc("2027-03-28T01:00:00")
    assert not it.is_open(gap_ends - MS)
    assert it.is_open(gap_ends)
    assert it.opens_at(berlin("2027-03-28T00:00:00")) == gap_ends


def test_hours_that_the_autumn_clock_shows_twice_are_open_twice() -> None:
    it = window(hours="02:15-02:45")
    first, second = berlin("2027-10-31T02:15:00"), berlin("2027-10-31T02:15:00", fold=1)
    assert first.astimezone(UTC) == utc("2027-10-31T00:15:00")
    assert it.opens_at(berlin("2027-10-31T00:00:00")) == first.astimezone(UTC)
    assert it.opens_at(utc("2027-10-31T00:45:00")) == second.astimezone(UTC) == utc("2027-10-31T01:15:00")
    assert it.opens_at(utc("2027-10-31T01:45:00")) == utc("2027-11-01T01:15:00")


def test_hours_that_the_autumn_change_reopens_open_at_the_change() -> None:
    it = window(hours="01:00-02:30")
    assert not it.is_open(utc("2027-10-31T00:30:00"))
    assert it.opens_at(utc("2027-10-31T00:30:00")) == utc("2027-10-31T01:00:00")


def test_an_hour_after_midnight_that_comes_twice_opens_at_the_first() -> None:
    havana = time_window(timezone="America/Havana", hours="00:00-00:01")
    assert havana.opens_at(utc("2027-11-07T03:59:00")) == utc("2027-11-07T04:00:00")
    assert havana.opens_at(utc("2027-11-07T04:01:00")) == utc("2027-11-07T05:00:00")


def test_naive_ends_in_gap_and_overlap_follow_rfc_5545() -> None:
    assert window(until="2027-03-28T02:30:00").until == utc("2027-03-28T01:30:00")
    assert window(until="2027-10-31T02:30:00").until == utc("2027-10-31T00:30:00")
    assert window(until="2027-10-31T02:30:00+01:00").until == utc("2027-10-31T01:30:00")
    assert window(until=datetime(2027, 10, 31, 2, 30)).until == utc("2027-10-31T00:30:00")  # noqa: DTZ001


def test_a_leap_day_is_a_day() -> None:
    it = window(start="2028-02-29T00:00:00", until="2028-03-01T00:00:00")
    assert it.opens_at(utc("2028-01-01T00:00:00")) == utc("2028-02-28T23:00:00")
    assert it.is_open(berlin("2028-02-29T23:59:59"))
    assert not it.is_open(berlin("2028-03-01T00:00:00"))
    assert window(weekdays=["tue"]).opens_at(berlin("2028-02-28T12:00:00")) == berlin("2028-02-29T00:00:00")


def test_a_window_that_ends_before_its_hours_never_opens() -> None:
    it = window(start="2027-06-01T10:00:00", until="2027-06-02T08:00:00", hours="09:00-10:00")
    assert it.opens_at(berlin("2027-06-01T00:00:00")) is None


def test_a_day_that_the_zone_skipped_never_opens() -> None:
    apia = time_window(timezone="Pacific/Apia", weekdays=["fri"], hours="09:00-17:00")
    after = datetime(2011, 12, 29, 12, tzinfo=ZoneInfo("Pacific/Apia"))
    assert apia.opens_at(after) == datetime(2012, 1, 6, 9, tzinfo=ZoneInfo("Pacific/Apia"))


ZONES = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca", "America/Asuncion", "UTC"]
CHANGES = ["2027-03-28T01:00", "2027-10-31T01:00", "2027-03-14T05:00", "2027-11-07T05:00", "2027-04-03T15:00"]
MINUTES = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    begin, end = draw(st.lists(MINUTES, min_size=2, max_size=2, unique=True))
    days = st.lists(st.sampled_from(DAYS), min_size=1, unique=True)
    ends = st.datetimes(datetime(2027, 1, 1), datetime(2027, 12, 31)).map(  # noqa: DTZ001
        lambda moment: moment.replace(second=0, microsecond=0).isoformat()
    )
    optional = {"start": ends, "weekdays": days, "until": ends.map(lambda text: text.replace("2027", "2028"))}
    chosen = draw(st.fixed_dictionaries({}, optional=optional))
    if draw(st.booleans()) or not chosen:
        chosen["hours"] = f"{begin}-{end}"
    return {"timezone": draw(st.sampled_from(ZONES)), **chosen}


@settings(max_examples=150, deadline=None)
@given(definitions(), st.sampled_from(CHANGES), st.integers(-3 * 1440, 2 * 1440))
def test_opens_at_is_the_first_instant_at_which_it_is_open(fields: dict[str, Any], near: str, shift: int) -> None:
    it = time_window(**fields)
    now = utc(near) + timedelta(minutes=shift)
    opens = it.opens_at(now)
    if opens is not None:
        assert opens >= now
        assert it.is_open(opens)
        assert opens == now or not it.is_open(opens - timedelta(microseconds=1))
    last = min(opens or now + timedelta(days=9), now + timedelta(days=9))
    moment = now
    while moment < last:
        assert not it.is_open(moment)
        moment += timedelta(minutes=1)

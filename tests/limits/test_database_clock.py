"""`now` is the database's: in rules, in windows and in views, whatever this process's own clock shows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.data_plane import reload
from app.database.clock import DatabaseClock
from tests.backend import Backend, serving

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
ZURICH = ZoneInfo("Europe/Zurich")
NOON = datetime(2027, 6, 1, 12, tzinfo=UTC)


class Ticks:
    def __init__(self) -> None:
        self.at = 50.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def shows(clock: DatabaseClock, moment: datetime) -> bool:
    return abs(clock.now() - moment) < timedelta(milliseconds=1)


def test_before_it_has_measured_it_shows_the_own_time() -> None:
    assert abs(DatabaseClock().now() - datetime.now(UTC)) < SECOND


@pytest.mark.parametrize("wrong", [-HOUR, HOUR])
def test_a_clock_that_is_wrong_by_an_hour_is_put_right_to_half_the_round_trip(ticks: Ticks, wrong: timedelta) -> None:
    clock = DatabaseClock(ticks)
    theirs = datetime.now(UTC) + wrong
    asked, ticks.at = ticks.at, ticks.at + 0.4
    clock.measured(theirs, asked)
    assert shows(clock, theirs + timedelta(seconds=0.2))
    ticks.at += 3600
    assert shows(clock, theirs + timedelta(seconds=3600.2))


def test_slow_answers_do_not_move_it_and_a_quick_one_does(ticks: Ticks) -> None:
    clock = DatabaseClock(ticks)
    clock.measured(NOON, ticks.at)
    for late in (0.1, 2.9):  # the database answered at the beginning, then at the end of three seconds
        asked, began, ticks.at = ticks.at, clock.now(), ticks.at + 3
        clock.measured(began + timedelta(seconds=late), asked)
        assert shows(clock, began + 3 * SECOND)
    clock.measured(clock.now() - 5 * SECOND, ticks.at)
    assert shows(clock, NOON + SECOND)


def endpoint(name: str, *steps: Any) -> dict[str, Any]:
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": list(steps)}


def window(name: str, **fields: Any) -> dict[str, Any]:
    step = {"do": "time_window", "timezone": "Europe/Zurich", **fields}
    return endpoint(name, step, {"do": "respond", "body": "=now"})


def document(begins: datetime) -> dict[str, Any]:
    hour = {"from": begins.isoformat(), "until": (begins + HOUR).isoformat()}
    return {
        "rowgate": 1,
        "tables": [{"name": "notes", "columns": [{"name": "due", "type": "timestamp"}]}],
        "views": [
            {"name": "due", "table": "notes", "columns": ["due"], "filter": "row.due <= now", "access": "public"}
        ],
        "endpoints": [
            window("hour", **hour),
            window("nights", hours="02:15-02:45"),
            window("evenings", hours="22:00-06:00", weekdays=["fri"]),
            endpoint("due", {"do": "count", "from": "notes", "where": "item.due <= now", "as": "n"},
                     {"do": "respond", "body": {"n": "=n", "now": "=now"}}),
        ],
    }  # fmt: skip


class Set(DatabaseClock):
    """A clock that stands where it was set."""

    moment = NOON

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(NOON)) as served:
        yield served


@pytest.fixture
def clock(backend: Backend) -> Set:
    backend.app.server.live.clock = clock = Set()
    return clock


async def at(backend: Backend, clock: Set, name: str, moment: datetime) -> int:
    """Ask at a moment; what is closed has to be open after the wait it tells, and closed a second before."""
    clock.moment = moment
    answer = await backend.client.post(f"/api/{name}")
    if answer.status_code == 403:
        assert answer.json()["code"] == "chain.outside_window"
        if wait := answer.headers.get("retry-after"):
            clock.moment = moment + int(wait) * SECOND
            assert (await backend.client.post(f"/api/{name}")).status_code == 200
            clock.moment -= SECOND
            if int(wait) > 1:
                assert (await backend.client.post(f"/api/{name}")).status_code == 403
    return answer.status_code


@pytest.mark.parametrize("ahead", [-1, 1])
async def test_where_the_two_clocks_differ_by_an_hour_the_databases_holds(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    here = datetime.now(UTC)
    there = here + ahead * HOUR
    async with serving(migrated_url, document(there - HOUR / 2)) as backend:
        assert (await backend.client.post("/api/hour")).status_code == 403
        await backend.sql("CREATE FUNCTION rowgate.shown() RETURNS timestamptz LANGUAGE sql AS"
                          f" 'SELECT clock_timestamp() + interval ''{ahead} hour'''")  # fmt: skip
        await backend.sql("INSERT INTO data.notes (due) VALUES ($1), ($2)", there - HOUR / 2, there + HOUR / 2)
        monkeypatch.setattr(reload, "_LOOK", "SELECT revision, rowgate.shown() AS at FROM rowgate.live")
        await backend.app.server.live.refresh()
        assert (await backend.client.post("/api/hour")).status_code == 200
        counted = (await backend.client.post("/api/due")).json()
        assert counted["n"] == 1
        assert abs(datetime.fromisoformat(counted["now"]) - there) < HOUR / 4
        assert len((await backend.client.get("/rest/v1/due")).json()) == 1
        root = await backend.admin()
        asked = {"method": "POST", "path": "/api/hour", "as": "anonymous"}
        assert (await backend.client.post("/admin/v1/simulate", json=asked, headers=root)).json()["status"] == 200


async def test_the_look_at_the_revision_measures_and_no_request_asks_for_the_time(backend: Backend) -> None:
    live = backend.app.server.live
    measured: list[datetime] = []

    class Noting(DatabaseClock):
        def measured(self, theirs: datetime, asked: float) -> None:
            measured.append(theirs)
            super().measured(theirs, asked)

    await live.stop()
    live.clock = Noting()
    assert (await backend.client.post("/api/due")).status_code == 200
    assert measured == []
    await live.refresh()
    assert len(measured) == 1
    assert abs(live.clock.now() - measured[0]) < 60 * SECOND


EDGES = {NOON - 1.5 * SECOND: 403, NOON - TICK: 403, NOON: 200, NOON + HOUR - TICK: 200, NOON + HOUR: 403}


async def test_the_first_instant_is_inside_and_the_last_is_not(backend: Backend, clock: Set) -> None:
    seen = {moment: await at(backend, clock, "hour", moment) for moment in EDGES}
    assert seen == EDGES


def zurich(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZURICH, fold=fold).astimezone(UTC)


NIGHTS = [
    ("2027-03-27T02:14:59", 0, 403),
    ("2027-03-27T02:15:00", 0, 200),
    ("2027-03-28T01:59:59", 0, 403),  # the clock goes from two to three
    ("2027-03-28T03:00:00", 0, 403),
    ("2027-03-29T02:15:00", 0, 200),
    ("2027-10-31T02:15:00", 0, 200),  # the clock shows two to three twice
    ("2027-10-31T02:45:00", 0, 403),
    ("2027-10-31T02:14:59", 1, 403),
    ("2027-10-31T02:15:00", 1, 200),
    ("2027-10-31T02:45:00", 1, 403),
]


async def test_hours_go_by_the_zones_clock_when_it_changes(backend: Backend, clock: Set) -> None:
    seen = [(said, fold, await at(backend, clock, "nights", zurich(said, fold))) for said, fold, _ in NIGHTS]
    assert seen == NIGHTS


async def test_how_long_to_wait_is_told_over_both_changes(backend: Backend, clock: Set) -> None:
    for said, fold, hours in (("2027-03-27T02:45:00", 0, 46.5), ("2027-10-31T02:45:00", 0, 0.5)):
        clock.moment = zurich(said, fold)
        answer = await backend.client.post("/api/nights")
        assert int(answer.headers["retry-after"]) == hours * 3600


async def test_a_weekdays_hours_over_midnight_are_its_own(backend: Backend, clock: Set) -> None:
    moments = {"2027-06-04T21:59:59": 403, "2027-06-04T22:00:00": 200, "2027-06-05T05:59:59": 200}
    moments |= {"2027-06-05T06:00:00": 403, "2027-06-05T22:00:00": 403, "2027-06-04T05:59:59": 403}
    seen = {said: await at(backend, clock, "evenings", zurich(said)) for said in moments}
    assert seen == moments

"""What was answered in the last minutes: by the minute, bounded, and in the order of how often a limit was hit."""

import pytest

from app.http.counts import MINUTES, MOST_LIMITED, Counts, Minute


class Clock:
    def __init__(self) -> None:
        self.at = 60.0 * 1000

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(minutes: list[Minute]) -> list[tuple[int, int, int, int]]:
    return [(one.at, one.answered, one.refused, one.failed) for one in minutes]


def test_each_answer_counts_in_its_minute_and_its_kind(clock: Clock) -> None:
    counts = Counts(clock)
    for status in (200, 204, 304, 401, 422, 500, 503):
        counts.note(status, "")
    clock.at += 120
    counts.note(200, "")
    assert shown(counts.minutes()) == [(1000, 3, 2, 2), (1001, 0, 0, 0), (1002, 1, 0, 0)]


def test_no_more_than_the_last_minutes_are_kept_however_long_nothing_came(clock: Clock) -> None:
    counts = Counts(clock)
    counts.note(429, "endpoints/a")
    clock.at += 60 * 10_000
    assert shown(counts.minutes()) == [(one, 0, 0, 0) for one in range(11_000 - MINUTES + 1, 11_001)]
    assert counts.limited() == {}


def test_a_clock_that_is_set_back_counts_on_in_the_minute_that_there_is(clock: Clock) -> None:
    counts = Counts(clock)
    clock.at -= 600
    counts.note(200, "")
    assert shown(counts.minutes()) == [(1000, 1, 0, 0)]


def test_what_limits_refused_is_told_by_name_the_most_often_first(clock: Clock) -> None:
    counts = Counts(clock)
    for what in ("endpoints/a", "endpoints/b", "endpoints/b"):
        counts.note(429, what)
    clock.at += 60
    counts.note(429, "endpoints/b")
    counts.note(403, "endpoints/c")
    assert list(counts.limited().items()) == [("endpoints/b", 3), ("endpoints/a", 1)]


def test_names_of_one_minute_are_bounded_and_those_that_are_there_count_on(clock: Clock) -> None:
    counts = Counts(clock)
    for number in range(2 * MOST_LIMITED):
        counts.note(429, f"endpoints/e{number}")
    counts.note(429, "endpoints/e0")
    assert len(counts.limited()) == MOST_LIMITED
    assert counts.limited()["endpoints/e0"] == 2
    assert counts.minutes()[-1].refused == 2 * MOST_LIMITED + 1

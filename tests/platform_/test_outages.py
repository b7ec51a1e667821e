"""What a server says of a database that goes and comes back: one line each, and nothing between."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from app.data_plane import reload
from app.data_plane.reload import Live
from app.database.faults import FAULTS
from app.database.opening import DatabaseUnavailable
from app.database.pool import DatabaseOverloaded, Pool
from app.outward import emptying
from app.outward.delivery import Delivery

URL = "postgresql://nobody@127.0.0.1:1/none"
AWAY = DatabaseUnavailable("The database is not available.")
CUT_OFF = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
BUSY = DatabaseOverloaded("Every connection is in use.")
# What each look meets, and the lines that come of all of them.
LOOKS: list[tuple[list[Exception | None], list[str]]] = [
    ([None, None], []),
    ([None, AWAY, CUT_OFF, AWAY, None, None], ["the database doesn't answer", "the database answers again"]),
    ([AWAY, None, AWAY, None], ["the database doesn't answer", "the database answers again"] * 2),
    ([BUSY, BUSY, None], ["the definitions can't be read", "the definitions are read again"]),
    ([BUSY, AWAY, AWAY, None], [
        "the definitions can't be read", "the database doesn't answer", "the database answers again",
    ]),
]  # fmt: skip


def meets(looks: list[Exception | None], over: asyncio.Event) -> Callable[[], Any]:
    """Give what meets one after the other, and says when it is through."""
    waiting: Iterator[Exception | None] = iter(looks)

    async def look() -> int:
        try:
            met = next(waiting)
        except StopIteration:
            over.set()
            return 0
        if met is not None:
            raise met
        return 0

    return look


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert all(record.exc_info is None for record in caplog.records)
    return [record.getMessage().split(",")[0].split(":")[0] for record in caplog.records]


@pytest.mark.parametrize(("looks", "lines"), LOOKS)
async def test_a_database_that_goes_is_said_once_and_so_is_that_it_is_back(
    looks: list[Exception | None], lines: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "POLL_SECONDS", 0.001)
    over, live = asyncio.Event(), Live(Pool(URL, 1), URL)
    monkeypatch.setattr(live, "refresh", meets(looks, over))
    with caplog.at_level(logging.INFO):
        live.start()
        await over.wait()
        await live.stop()
    assert told(caplog) == lines


@pytest.mark.parametrize("error", [kind("cut off") for kind in FAULTS], ids=lambda error: type(error).__name__)
async def test_whatever_ends_the_connection_that_listens_the_database_is_looked_at_and_it_is_closed(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    class Listener:
        async def add_listener(self, *_: object) -> None:
            raise error

        def terminate(self) -> None:
            closed.append(True)

    async def connect(_url: str) -> Listener:
        return Listener()

    monkeypatch.setattr(reload, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(reload, "connect", connect)
    over, live = asyncio.Event(), Live(Pool(URL, 1), URL)
    monkeypatch.setattr(live, "refresh", meets([None, None], over))
    live.start()
    await asyncio.wait_for(over.wait(), 10)
    await live.stop()
    assert len(closed) >= 2


async def test_the_outbox_says_nothing_of_a_database_that_is_away_and_once_what_else_is_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(emptying, "POLL_SECONDS", 0.001)
    over, work = asyncio.Event(), Delivery(Pool(URL, 1), Any, tuple)  # type: ignore[arg-type]
    monkeypatch.setattr(work, "deliver_due", meets([AWAY, CUT_OFF, OSError(), None, BUSY, BUSY, None], over))
    with caplog.at_level(logging.INFO):
        work.start()
        await over.wait()
        await work.stop()
    assert told(caplog) == ["the outbox can't be emptied", "the outbox is emptied again"]

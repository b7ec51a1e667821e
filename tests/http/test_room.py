"""Places for requests: refused early where there is none, shared, in turns, and given back."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from app.http import overload
from app.http.overload import Room, RoomShare


class Requests:
    """Requests that ask a room, and what came of them."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.begun: list[str] = []
        self.refused: list[str] = []
        self.shares: list[RoomShare] = []

    def ask(self, share: str, name: str = "") -> None:
        name = name or share

        def begin(taken: RoomShare) -> None:
            self.begun.append(name)
            self.shares.append(taken)

        self.room.admit(share, begin, lambda: self.refused.append(name))

    def end_one(self) -> None:
        self.room.leave(self.shares.pop(0))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of a room that tells nobody
            await asyncio.sleep(0.002)


@pytest.fixture
def requests() -> Requests:
    return Requests(Room(5, 5))


async def test_what_has_no_place_is_refused_in_a_moment_and_never_begun(requests: Requests) -> None:
    for number in range(10):
        requests.ask("one", str(number))
    assert requests.begun == ["0", "1", "2", "3"]
    await until(lambda: len(requests.refused) == 6)
    assert requests.refused == ["4", "5", "6", "7", "8", "9"]
    requests.end_one()
    assert requests.begun == ["0", "1", "2", "3"]


async def test_one_share_leaves_room_for_the_others(requests: Requests) -> None:
    for _ in range(9):
        requests.ask("slow")
    requests.ask("quick")
    assert requests.begun == ["slow"] * 4 + ["quick"]
    requests.ask("third")
    await until(lambda: "third" in requests.refused)


async def test_a_place_that_is_given_back_goes_to_who_waits_the_newest_first_and_shares_take_turns(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "WAIT_SECONDS", 3600)
    for share in ("a", "b", "c", "d", "e"):
        requests.ask(share)
    for share, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("f", "f1"), ("f", "f2")):
        requests.ask(share, name)
    requests.begun.clear()
    for _ in range(5):
        requests.end_one()
    assert requests.begun == ["a3", "f2", "a2", "f1"]  # the last place goes to who holds none
    requests.end_one()
    assert requests.begun == ["a3", "f2", "a2", "f1", "a1"]
    assert requests.refused == []


async def test_no_more_wait_than_are_meant_to(requests: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "MOST_WAITING", 2)
    for number in range(8):
        requests.ask("one", str(number))
    for _ in range(4):
        requests.end_one()
    assert requests.begun == ["0", "1", "2", "3", "5", "4"]
    await until(lambda: requests.refused == ["6", "7"])


async def test_who_waited_in_vain_is_refused_in_the_order_of_asking_with_who_had_no_prospect(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "MOST_WAITING", 1)
    for number in range(6):
        requests.ask("one", str(number))
    requests.room.turn_away(lambda: requests.refused.append("unread"))
    requests.ask("one", "7")
    assert requests.refused == []
    await until(lambda: requests.refused == ["4", "5", "unread", "7"])


async def test_in_one_turn_of_the_loop_only_some_are_begun_and_only_some_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overload, "WAIT_SECONDS", 0)
    requests = Requests(Room(932, 932))
    for _ in range(1_100):
        requests.ask("one")
    assert len(requests.begun) == overload.BATCH
    turns = 0
    while len(requests.refused) < 200:
        begun, refused = len(requests.begun), len(requests.refused)
        await asyncio.sleep(0)
        turns += 1
        assert len(requests.begun) - begun <= overload.BATCH
        assert len(requests.refused) - refused <= overload.REFUSED_AT_LEAST
    assert len(requests.begun) <= (turns + 1) * overload.BATCH < 900  # no refusal waits until all have begun
    await until(lambda: len(requests.begun) == 900)
    monkeypatch.setattr(overload, "MOST_WAITING", 0)
    for _ in range(40):
        requests.ask("one")
    for _ in range(5):
        requests.end_one()
    while len(requests.refused) == 200:  # noqa: ASYNC110 - turns of the loop are what is counted
        await asyncio.sleep(0)
    assert len(requests.refused) - 200 == overload.REFUSED_AT_LEAST + 5 * overload.REFUSED_FOR_EACH


async def test_a_room_of_few_in_a_turn_takes_as_little_for_its_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "WAIT_SECONDS", 0)
    requests = Requests(Room(16, 16, 2))
    for _ in range(12):
        requests.ask("one")
    begun = []
    while len(requests.begun) < 12:
        begun.append(len(requests.begun))
        await asyncio.sleep(0)
    assert begun == [2, 4, 6, 8, 10]
    for _ in range(40):
        requests.ask("one")
    while len(requests.refused) < 30:
        before = len(requests.refused)
        await asyncio.sleep(0)
        assert len(requests.refused) - before <= 1


async def test_no_more_of_a_share_wait_than_can_be_begun_in_time() -> None:
    room = Room(0, 0)
    requests = Requests(room)
    worth = int(overload.AT_FIRST * overload.WAIT_SECONDS)
    assert not room.would_refuse("one")
    for _ in range(worth):
        requests.ask("one")
    assert (room.would_refuse("one"), room.would_refuse("other")) == (True, False)
    requests.ask("one", "too many")
    assert room.waiting == worth
    requests.ask("other")
    assert room.waiting == worth + 1
    await until(lambda: not room.waiting)
    assert len(requests.refused) == worth + 2
    assert not room.would_refuse("one")


async def test_places_follow_what_has_been_seen_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "CARRY_SECONDS", 0.8)
    room = Room(100, 2_000)
    assert room.places == 400

    def seen(ended: int, *, crowded: bool) -> int:
        room._since = asyncio.get_running_loop().time() - 1
        room._ended, room._crowded = ended, crowded
        room._look_back()
        return room.places

    assert [seen(100, crowded=False) for _ in range(9)] == [400] * 9  # few came: that says nothing
    assert 490 <= seen(1_000, crowded=False) <= 500
    assert [seen(5_000, crowded=True) for _ in range(9)][-1] == 2_000
    assert [seen(10, crowded=True) for _ in range(30)][-1] == 100


async def test_refusals_are_told_once_a_second(
    requests: Requests, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    later, due = loop.call_later, []

    def call_later(delay: float, callback: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        if delay != overload.TELL_SECONDS:
            return later(delay, callback, *arguments, **more)
        due.append(callback)
        return None

    monkeypatch.setattr(overload, "WAIT_SECONDS", 0)
    monkeypatch.setattr(loop, "call_later", call_later)
    for _ in range(104):
        requests.ask("one")
    await until(lambda: requests.room.refused == 100)
    assert caplog.messages == []
    (tell,) = due  # one for all that are refused in that second
    tell()
    assert caplog.messages == ["100 requests were refused, since there are places for 5 at once"]


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_flood_every_place_is_free_and_nothing_is_kept(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(overload, "MOST_WAITING", 40)
    dice = random.Random(seed)
    requests = Requests(Room(20, 20))
    asked = 2_000
    for number in range(asked):
        requests.ask(dice.choice("aaaaabcd") if number % 7 else f"unheard of {number}")
        assert requests.room.taken <= 20
        if dice.random() < 0.3 and requests.shares:
            requests.shares.insert(0, requests.shares.pop(dice.randrange(len(requests.shares))))
            requests.end_one()
        if dice.random() < 0.05:
            await asyncio.sleep(0.001)
    await until(lambda: not (requests.room._by_age or requests.room._due))
    while requests.shares:
        requests.end_one()
    assert len(requests.begun) + len(requests.refused) == asked
    assert (requests.room.taken, requests.room.waiting, requests.room._shares) == (0, 0, {})
    assert not requests.room._lines

"""A long body is read in slices: what it says and why it is refused are the same, and no turn reads much of it."""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.errors import RowgateError
from app.http import json_body, long_json
from app.http.json_body import MAX_DEPTH, MAX_KEYS, BadJson, parse_json
from app.http.long_json import AT_ONCE, SLICE, apart, in_one_go, read_json, sliced
from tests.effort import at_most

EXAMPLES = int(os.environ.get("ROWGATE_JUNK_EXAMPLES", "100"))
FILLING = b",".join([b'{"id": 1, "name": "a, [b] \\" \\\\", "n": [1.50, -2, 1e3, null]}'] * 700)


def outcome(read: Callable[[bytes], Any], body: bytes) -> tuple[object, ...]:
    """Give what a body says, told apart by types and by how numbers are written, or the refusal."""
    try:
        return ("said", repr(read(body)))
    except RowgateError as refusal:
        return type(refusal), refusal.status, refusal.code, refusal.detail, refusal.hint, refusal.errors


@pytest.mark.parametrize(
    "fault",
    [
        b"nul", b"NaN", b"-Infinity", b"1 2", b"'a'", b"01", b".5", b"1.", b"-", b'"\n"', b'"\x00"', b'"\\x"',
        b'"\\u12"', b'"\xff"', b'"\xed\xa0\x80"', b"\xef\xbb\xbf1", b"1" * 41, b"1." + b"1" * 60, b"1" * 5000, b"1e400",
        b"1e-99999", b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "c": 2, "b": 3}}', b'{"a"}', b'{"a": 1,}', b'{"a" 1}',
        b"{1: 2}", b"[1,]", b"[,1]", b"[1:2]", b"[}", b"]", b"}", b"[1, 2", b"[1}", b'{"a": 1]', b",", b'"unended',
        b"[" * 65 + b"]" * 65, b'{"a":' * 140 + b"1" + b"}" * 140, b'"\\u0000"', b'{"\\u0000": 1}', b'"\\ud800"',
        b'"\\udc00\\ud800"', b"/* no */ 1", b'"' + b"a" * 3 * SLICE, b'"' + b"a" * 3 * SLICE + b'\xff"',
        b'"' + b"a" * 3 * SLICE + b'" 1', b'"' + b"\\ud800" * SLICE + b'"', b'"' + b"a" * 3 * SLICE + b'".5',
        b'"' + b"a" * 3 * SLICE + b'"e5', b'{"' + b"k" * 3 * SLICE + b'": 1, "a": 1, "a": 1}',
    ],
)  # fmt: skip
def test_a_fault_anywhere_in_a_long_body_is_told_as_in_a_short_one(fault: bytes) -> None:
    for body in (
        b"[" + fault + b"," + FILLING + b"]",
        b"[" + FILLING + b"," + fault + b"]",
        b"[" + FILLING + b", [" + fault + b"], " + FILLING + b"]",
        b'{"rows": [' + FILLING + b'], "last": ' + fault + b"}",
        b'{"first": {"x": ' + fault + b'}, "rows": [' + FILLING + b"]}",
    ):
        told = outcome(parse_json, body)
        assert told[0] != "said"
        assert outcome(lambda body: in_one_go(sliced(body)), body) == told


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_an_object_that_goes_on_in_later_slices_says_no_key_twice(size: int) -> None:
    body = b'{"a": {"x": 1, "y": [1, 2, 3, 4, 5, {"x": 1}], "z": 3}, "b": 2, "a": 3}'
    assert outcome(lambda body: in_one_go(sliced(body, size)), body) == outcome(parse_json, body)
    assert in_one_go(sliced(body.replace(b'"a": 3', b'"c": 3'), size)) == parse_json(body.replace(b'"a": 3', b'"c": 3'))


def test_so_many_keys_as_a_body_may_have_are_counted_over_all_slices() -> None:
    body = b"[" + b",".join([b'{"a": {"b": ":,:,"}}'] * (MAX_KEYS // 2)) + b"%b]"
    assert in_one_go(sliced(body % b"")) == parse_json(body % b"")
    assert outcome(lambda body: in_one_go(sliced(body)), body % b',{"a":1}') == outcome(parse_json, body % b',{"a":1}')


def cut_up(body: bytes, size: int, depth: int) -> Any:
    return in_one_go(sliced(body, size, depth=depth, keys=9))


SPACE = st.sampled_from(["", "", "", " ", "\n\t", " " * 9])
PLAIN = st.sampled_from(
    ["1", "-0", "1.50", "1e5", "2e300", "1e400", "true", "null", "NaN", ".5", "", "1" * 40, "1" * 41, '""', '"a,]}"']
)  # fmt: skip
PARTS = [
    "a",
    ",",
    "]",
    ":",
    "\u00e9",
    "\U0001f600",
    r"\n",
    r"\"",
    r"\\",
    r"\u0041",
    r"\ud83d\ude00",
    r"\ud83d",
    r"\u0000",
]
TEXT = st.lists(st.sampled_from([*PARTS, r"\udc00", "1" * 50]), max_size=12).map(lambda parts: f'"{"".join(parts)}"')
KEY = st.sampled_from(['"a"', '"b"', '"c"', '"d"', '"e,{"', '"\\u0061"', f'"{"k" * 30}"'])


def _within(inner: Any) -> Any:
    lists = st.tuples(SPACE, st.lists(inner, max_size=5), SPACE).map(
        lambda said: f"[{said[0]}{','.join(said[1])}{said[2]}]"
    )
    members = st.tuples(KEY, SPACE, inner, SPACE).map(lambda said: "".join((said[0], said[1], ":", *said[2:])))
    return lists | st.lists(members, max_size=5).map(lambda said: f"{{{','.join(said)}}}")


BROKEN = st.none() | st.tuples(
    st.integers(0, 10_000), st.integers(0, 1), st.sampled_from([b"", *(bytes([byte]) for byte in b'[]{},:"\\1.e \xff')])
)


@given(st.recursive(PLAIN | TEXT, _within, max_leaves=30), BROKEN, st.integers(1, 200), st.sampled_from([64, 5, 3]))
@example("[" * 5 + '{"a":1}' + "]" * 5, None, 1, 5)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_cut_at_any_place_says_the_same(said: str, broken: Any, size: int, depth: int) -> None:
    body = said.encode()
    if broken is not None:
        place, dropped, put = broken
        place %= len(body) + 1
        body = body[:place] + put + body[place + dropped :]
    for cut in {1, 2, size, len(body) + 1}:
        told = outcome(lambda body: parse_json(body, depth=depth, keys=9), body)
        found = outcome(partial(cut_up, size=cut, depth=depth), body)
        # A body with several faults may be told of another one, by the same code.
        assert found == told if told[0] == "said" else found[:3] == told[:3]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 300_000,
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"[1" + b" 1" * 500_000,
        b"[" + b'"" ' * 300_000,
        b'["a,"' + b'"a," ' * 200_000,
        b'["' + b"\\" * 1_000_000,
        b'["' + b'\\"' * 500_000,
        b'["' + b"\xa0" * 1_000_000,
        b'["' + b"\\ud83d" * 170_000,
        b"[" + b'"' + b"a" * AT_ONCE + b'" ',
        (b'["' + b"a" * AT_ONCE + b'" ') * 16,
        b"[1." + b"1" * 1_000_000,
        b"[" + b" " * 1_000_000,
        b'{"' + b"k" * 1_000_000,
        b'{"' + b"k" * 1_000_000 + b'": "' + b"a" * 1_000_000,
    ],
)  # fmt: skip
def test_hostile_bodies_are_refused_within_a_bound(body: bytes) -> None:
    with at_most(50_000 if body[1:3] != b"[]" else 1_000_000), pytest.raises(BadJson):
        in_one_go(sliced(body))


def many(item: bytes, size: int = 16 * SLICE) -> bytes:
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


@pytest.mark.parametrize(
    "body",
    [
        many(b"[]"),
        many(b"1.5"),
        many(b'{"a": [1, {"b": "c"}]}'),
        many(b"[" * 40 + b"]" * 40),
        b'{"rows": ' + many(b'"a,\\"b"') + b"}",
        b'{"text": "' + b"a" * 300_000 + b'", "b": ["' + b"\\n\\u00e9" * 30_000 + b'", 1]}',
        b'["' + "\u00e9\U0001f600".encode() * 40_000 + b'"' + b" " * 90_000 + b',"' + b"\\ud83d\\ude00" * 9_000 + b'"]',
    ],
)  # fmt: skip
async def test_one_turn_of_the_loop_reads_no_more_than_a_few_slices(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    turn, is_over, decoded = 0, False, json_body.decoded

    def noted(said: bytes) -> Any:
        read.append((turn, len(said)))
        return decoded(said)

    def next_turn() -> None:
        nonlocal turn
        turn += 1
        if not is_over:
            asyncio.get_running_loop().call_soon(next_turn)

    monkeypatch.setattr(long_json, "decoded", noted)
    next_turn()
    first, second = await asyncio.gather(read_json(body), read_json(body))
    is_over = True
    assert first == second == json.loads(body)
    assert sum(size for _, size in read) >= 2 * (len(body) - 100_000)
    for now in {turn for turn, _ in read}:
        together = [size for turn, size in read if turn == now]
        assert sum(together) < 6 * SLICE, "the first slices of two bodies, and the parts around a long text"


async def test_what_is_short_is_read_in_the_turn_in_which_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a short body is cut")

    monkeypatch.setattr(long_json, "sliced", refuse)
    body = b'["' + b"a" * (AT_ONCE - 4) + b'"]'
    with pytest.raises(StopIteration) as ended:
        read_json(body).send(None)
    assert ended.value.value == json.loads(body)
    with pytest.raises(AssertionError):
        await read_json(body + b" ")


async def test_what_is_done_apart_is_done_by_one_thread_at_a_time_and_its_refusal_comes_back() -> None:
    running = most = 0
    threads = set()

    def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.get_ident())
        json.loads(many(b"1", 10_000))
        running -= 1
        raise BadJson("told")

    told = await asyncio.gather(*(apart(work) for _ in range(5)), return_exceptions=True)
    assert [str(one) for one in told] == ["told"] * 5
    assert (most, threading.get_ident() in threads) == (1, False)


def test_depth_is_counted_through_all_slices() -> None:
    inner = b"[" * (MAX_DEPTH - 2) + b"1" + b"]" * (MAX_DEPTH - 2)
    assert in_one_go(sliced(b"[[" + FILLING + b"," + inner + b"]]"))[0][-1] == json.loads(inner)
    with pytest.raises(BadJson, match="nested more than 64 deep"):
        in_one_go(sliced(b"[[" + FILLING + b",[" + inner + b"]]]"))

"""JSON of a long body, read in slices between which others have their turn: values and refusals are `parse_json`'s."""

import asyncio
import re
import secrets
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from app.http.json_body import (
    ESCAPED_NUL_OR_SURROGATE,
    MAX_DEPTH,
    MAX_KEYS,
    NO_BRACKETS,
    BadText,
    check_depth,
    check_text,
    check_texts,
    decoded,
    key_twice,
    not_json,
    parse_json,
    refuse_long_numbers,
    too_deep,
    too_many_keys,
)

AT_ONCE = 64 * 1024  # bytes of a body that is read in one go
SLICE = 16 * 1024  # bytes of a longer one that are read in one turn of the loop

_SPACE = b" \t\n\r"
_GAP = 64  # bytes before a long text in which is looked for what it is
# Between two commas of JSON that is taken are at most so many bytes, spaces and what texts say left out: brackets that
# close, that open and that close again, a key and a colon for each, and one number.
_MOST = 1024
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_TEXT = re.compile(rb'"[^"]*"')
_IN_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_CLOSING = bytes.maketrans(b"[{", b"]}")
T = TypeVar("T")
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def read_json(body: bytes) -> Any:
    """Read JSON as `parse_json` does; all long bodies together take one slice in a turn of the loop.

    Raises BadJson or BadText; of a body that has several faults maybe another than `parse_json` tells. A long key,
    and a body that is nothing but a text, are read in one go.
    """
    return parse_json(body) if len(body) <= AT_ONCE else await in_turns(sliced(body))


async def in_turns(work: Generator[None, None, T]) -> T:
    """Do work that pauses, and give what it gives; of all that is done so one part is in a turn of the loop."""
    parts = _Slicewise(work)
    for _ in parts:
        async with _turn():
            await asyncio.sleep(0)
    return parts.given


def in_one_go(work: Generator[None, None, T]) -> T:
    """Do work that pauses without a pause."""
    parts = _Slicewise(work)
    for _ in parts:
        pass
    return parts.given


class _Slicewise(Generic[T]):
    """Work that pauses, a part after the other; `given` is what it gives at its end."""

    given: T

    def __init__(self, work: Generator[None, None, T]) -> None:
        """Do nothing yet."""
        self._work = work

    def __iter__(self) -> Generator[None, None, None]:
        """Do it, and pause where it does."""
        self.given = yield from self._work


async def apart(work: Callable[[], T]) -> T:
    """Do what Python's own code does with a long body in a thread, one at a time.

    Such code gives way to the loop's thread every few milliseconds, as one long call of C doesn't.
    """
    async with _turn():
        return await asyncio.to_thread(work)


def _turn() -> asyncio.Lock:
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def sliced(
    body: bytes, size: int = SLICE, *, depth: int = MAX_DEPTH, keys: int = MAX_KEYS
) -> Generator[None, None, Any]:
    """Read JSON, and pause behind each slice of about `size` bytes; gives the value at its end.

    A slice ends before a comma. The brackets that are open there are opened again before the next one, and closed
    behind this one, so that each is JSON by itself if, and only if, all of it is.
    """
    reader = _Slices(body, size, depth, keys)
    while reader.scan():
        yield
        if reader.is_in_long_text():
            yield from reader.long_text()
    if reader.bad_text is not None:
        raise reader.bad_text
    return reader.root


class _Slices:
    """What is known of a body up to a place in it.

    The next slice begins with what was `_begun`, goes on at `_start`, and is known up to `_at`; if `_within`, that is
    in a text that began at `_quote`. `_open` are the brackets that are open before the slice and `_holds` their
    values; `_seen` are those in it outside of texts, where `_bare` counts its bytes.
    """

    def __init__(self, body: bytes, size: int, depth: int, keys: int) -> None:
        """Begin before the first slice."""
        self._body, self._size, self._depth, self._keys = body, size, depth, keys
        self._start = self._at = self._quote = 0
        self._within = False
        self._open = self._seen = self._begun = b""
        self._bare = self._colons = 0
        self._holds: list[Any] = []
        self._mark = secrets.token_hex(16)  # a key that no body has
        self.root: Any = None
        self.bad_text: BadText | None = None

    def scan(self) -> bool:
        """Look at some more of the body, and read the slice that is found to end there; False behind the last one."""
        end = min(self._at + self._size, len(self._body))
        plain = _ESCAPE.sub(b"__", self._body[self._at : end])
        if plain.endswith(b"\\") and end < len(self._body):
            end += 1
            plain = plain[:-1] + b"__"
        within = self._within ^ bool(plain.count(b'"') % 2)
        if end == len(self._body):
            self._note(plain, within)
            self._read(end, is_last=True)
            return False
        comma = _last_comma(plain, int(self._at == self._start), within)
        if comma >= 0:
            self._note(plain[:comma], within=False)
            self._read(self._at + comma)
            return True
        self._go_on(plain, end, within)
        return True

    def _go_on(self, plain: bytes, end: int, within: bool) -> None:
        """Have the slice go on behind a part without a comma."""
        self._note(plain, within)
        if (quote := plain.rfind(b'"')) >= 0:
            self._quote = self._at + quote
        if not within and not plain.strip(_SPACE):
            self._begun += self._body[self._start : self._at] + b" "
            self._start = end
        self._at, self._within = end, within
        if self._bare > _MOST:
            self._read(end)
            raise not_json()

    def is_in_long_text(self) -> bool:
        """Say whether a value is begun that is a text of more than a slice."""
        if not self._within or self._at - self._quote < self._size:
            return False
        before = self._body[max(self._start, self._quote - _GAP) : self._quote].rstrip(_SPACE)[-1:]
        if before in (b"[", b","):
            opened, _ = _opened(self._open + self._seen, self._depth)
            return opened is not None and opened.endswith(b"[")
        return before == b":"

    def long_text(self) -> Generator[None, None, None]:
        """Read the slice up to a long text, and then that by itself; pauses behind each part of it."""
        at, is_over = self._quote + 1, False
        self._read(self._quote, text=b'""')
        parts: list[str] = []
        while not is_over:
            yield
            part, at, is_over = self._text_part(at)
            if parts and "\ud800" <= parts[-1][-1:] <= "\udbff" and "\udc00" <= part[:1] <= "\udfff":
                pair = (parts[-1][-1] + part[0]).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
                parts[-1], part = parts[-1][:-1] + pair, part[1:]
            parts.append(part)
        text = "".join(parts)
        self._check(check_text, text)
        held = self._holds[-1]
        held[-1 if isinstance(held, list) else next(reversed(held))] = text
        self._start = self._at = at

    def _text_part(self, at: int) -> tuple[str, int, bool]:
        """Give what a text says from a place on, where that ends, and whether the text does."""
        most = _whole_characters(self._body, at, at + self._size)
        found = _IN_TEXT.match(self._body, at, most)
        end = most if found is None else found.end()
        is_over = self._body[end : end + 1] == b'"'
        if end == len(self._body) or (end < most and not is_over):
            raise not_json()
        part: str = decoded(b'"' + self._body[at:end] + b'"')
        return part, end + is_over, is_over

    def _note(self, plain: bytes, within: bool) -> None:
        """Keep what brackets stand in a part that begins at `_at`, and ends in a text or not; count its colons."""
        said = _TEXT.sub(b'""', b'"' * self._within + plain + b'"' * within)
        self._seen += said.translate(None, NO_BRACKETS)
        self._bare += len(said.translate(None, _SPACE))
        self._colons += said.count(b":")

    def _read(self, end: int, *, is_last: bool = False, text: bytes = b"") -> None:
        """Read the slice that ends at a place: before a comma, or before a text in whose place another one stands."""
        said = self._begun + self._body[self._start : end] + text
        opened, deepest = _opened(self._open + self._seen, self._depth)
        closing = b"" if opened is None or is_last else opened[::-1].translate(_CLOSING)
        value = decoded(self._opening() + said + closing)
        if not is_last and (not opened or said.rstrip(_SPACE).endswith((b"[", b"{"))):
            raise not_json()
        if self._colons > self._keys:
            raise too_many_keys(self._keys)
        if deepest > self._depth:
            check_depth(self._open + self._seen + closing, self._depth)
        refuse_long_numbers(said)
        if ESCAPED_NUL_OR_SURROGATE.search(said):
            self._check(check_texts, value)
        self._take(value, opened or b"")
        self._start = self._at = end
        self._seen, self._begun, self._bare, self._within = b"", b"", 0, False

    def _opening(self) -> bytes:
        """Give what opens again all that is open, with something in it, for the comma that comes then."""
        return self._open.replace(b"{", b'{"%s":' % self._mark.encode()) + b'""' if self._open else b""

    def _check(self, check: Callable[[Any], object], said: Any) -> None:
        """Keep the refusal of a text for the end: what is no JSON behind it is told instead."""
        try:
            check(said)
        except BadText as refusal:
            self.bad_text = refusal

    def _take(self, value: Any, opened: bytes) -> None:
        """Put what a slice says into what was open before it, and find what is open behind it."""
        if not self._open:
            self.root = value
        for held in self._holds:
            if isinstance(held, list):
                inner = value[0]
                held.extend(value[1:])
            else:
                inner = value.pop(self._mark)
                if not held.keys().isdisjoint(value):
                    raise key_twice()
                held.update(value)
            value = inner
        self._open, self._holds = opened, []
        value = self.root
        for _ in opened:
            self._holds.append(value)
            value = _last(value)


def _last(held: Any) -> Any:
    """Give what came last in a list or an object, None for an empty one."""
    return next(reversed(held if isinstance(held, list) else held.values()), None)


def _last_comma(plain: bytes, least: int, within: int) -> int:
    """Give where the last comma outside of texts stands, or -1; `within` says whether the end is in a text."""
    end = len(plain)
    while (at := plain.rfind(b",", least, end)) >= 0 and (plain.count(b'"', at, end) + within) % 2:
        end, within = plain.rfind(b'"', 0, at), 0
        if end < 0:
            return -1
    return at


def _opened(brackets: bytes, depth: int) -> tuple[bytes | None, int]:
    """Give which brackets are left open, None where one doesn't fit, and how many were so at most, or more.

    Raises BadJson where pairs of them are nested too deep.
    """
    for taken in range(depth + 1):
        left = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(left) == len(brackets):
            return (None if b"]" in left or b"}" in left else left), len(left) + 2 * taken
        brackets = left
    raise too_deep(depth)


def _whole_characters(body: bytes, at: int, end: int) -> int:
    """Give where a text may be cut, near `end` and behind `at`: not within a character, nor within an escape."""
    if end >= len(body):
        return len(body)
    for _ in range(3):
        end += end < len(body) and body[end] & 0xC0 == 0x80
    escape = body.rfind(b"\\", max(at, end - 5), end)
    if escape < 0:
        return end
    run = body[at:escape]
    start = escape - (len(run) - len(run.rstrip(b"\\"))) % 2
    if start > at:
        return start
    return min(at + (6 if body[at + 1 : at + 2] == b"u" else 2), len(body))

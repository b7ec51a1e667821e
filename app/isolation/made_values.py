"""Values that are made up: each fits its column or input, and can be known again wherever it turns up."""

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rstr import Rstr

from app.definitions.columns import ValueType
from app.definitions.validation import plain, reader
from app.definitions.wrong import Wrong
from app.expressions.types import DECIMAL, DOUBLE, INT, NUMBERS, STRING, TIMESTAMP
from app.relations.schema import item_type

_SHORTEST = 6  # characters by which a value is surely known again
_LONGEST = 200
_FAR = 300  # days
_WIDE = 10**6
_MOST_DIGITS = 9


def known_by(said: ValueType, value: Any) -> str | None:
    """Give the text by which a value is known again in an answer, None for one that could be anybody's."""
    if isinstance(value, list):
        return known_by(said, value[0]) if value else None
    if isinstance(value, dict):
        return known_by(said, next(iter(value.values()), None))
    if value is None or said.choices:
        return None
    text = str(value)
    if item_type(said) == TIMESTAMP:
        return text[16:26]  # the seconds with their parts: the zone may be another one where it is shown
    return text if len(text.strip("-")) >= _SHORTEST else None


class Maker:
    """Makes values that are the same in every run for the same seed, and different for different ones."""

    def __init__(self, now: datetime) -> None:
        """Take the time that moments come behind."""
        self.now = now

    def uuid(self, seed: str) -> str:
        """Give an id."""
        digits = hashlib.sha256(seed.encode()).hexdigest()
        return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"

    def number(self, seed: str) -> int:
        """Give an id of a table whose ids are numbers."""
        return 4 * 10**9 + _number(seed) % 10**9

    def moment_before(self, number: int) -> datetime:
        """Give a time at which a row came to be, the later ones later, all before now."""
        return self.now - timedelta(hours=12) + timedelta(seconds=number)

    def value(self, said: ValueType, seed: str, attempt: int = 0) -> Any:
        """Give a value that the options take, or None where none was found; another one for another attempt.

        Ids are not made here: of a `user` or a `reference` there is none.
        """
        candidates = ([made] if said.array else made for made in self._candidates(said, seed, attempt))
        return next((made for made in candidates if fits(said, made)), None)

    def _candidates(self, said: ValueType, seed: str, attempt: int) -> Iterator[Any]:
        chance = random.Random(f"{seed}{attempt}")  # noqa: S311 - no secret
        kind = item_type(said)
        if said.choices:
            yield from _chosen(said, attempt, chance)
        elif kind == STRING:
            yield from _texts(said, seed, attempt)
        elif kind in NUMBERS:
            yield from _numbers(said, seed, attempt, chance)
        elif kind == TIMESTAMP:
            yield self._moment(seed, attempt, chance)
        elif said.described.sample is not None:
            yield said.described.sample(_number(f"{seed}{attempt}"))

    def _moment(self, seed: str, attempt: int, chance: random.Random) -> Any:
        days = 30 + _number(seed) % _FAR if attempt == 0 else chance.randint(30 if attempt % 4 else -_FAR, 2 * _FAR)
        moment = (self.now + timedelta(days=days)).astimezone(UTC)
        micro = 100_001 + 10 * (_number(f"{seed}{attempt}") % 89_999)
        return moment.replace(second=_number(seed) % 60, microsecond=micro).isoformat()


def fits(said: ValueType, value: Any, *, text: bool = False) -> bool:
    """Say whether the options of a column or an input take a value; a reference is of the type of what it refers to."""
    if said.table is not None and isinstance(value, list) == said.array:
        return True
    try:
        reader(said, text=text)(plain(value))
    except (Wrong, TypeError, ValueError):
        return False
    return True


def distinct(values: Iterable[Any]) -> list[Any]:
    """Give the values of JSON that differ, each where it stands first."""
    return list({json.dumps(value, default=str, sort_keys=True): value for value in values}.values())


def token(seed: str) -> str:
    """Give a word that nothing else holds."""
    return "q" + hashlib.sha256(seed.encode()).hexdigest()[:11]


def _number(seed: str) -> int:
    return int(hashlib.sha256(seed.encode()).hexdigest()[:14], 16)


def _chosen(said: ValueType, attempt: int, chance: random.Random) -> list[Any]:
    """Give the values there are, the default first, in another order for another attempt."""
    if said.values is None:
        default = said.default if isinstance(said.default, bool) else True
        return [default] if attempt == 0 else [chance.random() < 0.5]
    values = list(said.values)
    chance.shuffle(values)
    return [said.default, *values] if isinstance(said.default, str) and attempt == 0 else values


def _texts(said: ValueType, seed: str, attempt: int) -> Iterator[Any]:
    word = token(f"{seed}{attempt}" if attempt else seed)
    digits = str(10**12 + _number(word) % 10**12)
    for text in (word, word.upper(), f"{word}@example.com", f"https://example.com/{word}", digits, f"+{digits}"):
        yield _text(said, text)
    if said.pattern is not None:
        yield from _like(said.pattern, said.max_length or _LONGEST, word)


def _like(pattern: str, most: int, seed: str) -> Iterator[str]:
    """Give texts of a pattern, the repeated parts of it shorter and shorter."""
    strings = Rstr(random.Random(seed))  # noqa: S311 - no secret
    for limit in sorted({8, min(most, 40), *range(1, 6)}, reverse=True):
        short = re.sub(r"(?<!\\)\*", f"{{0,{limit}}}", re.sub(r"(?<!\\)\+", f"{{1,{limit}}}", pattern))
        for one in (short, pattern):
            with suppress(Exception):  # RE2 has forms that it doesn't know
                yield from [text for text in (strings.xeger(one) for _ in range(4)) if len(text) <= most]


def _text(said: ValueType, text: str) -> Any:
    if said.max_length is not None:
        text = text[: said.max_length]
    if said.min_length is not None and text:
        text = (text * (said.min_length // len(text) + 1))[: max(said.min_length, len(text))]
    return text


def _numbers(said: ValueType, seed: str, attempt: int, chance: random.Random) -> Iterator[Any]:
    low, high = _range(said)
    wide = high - low >= _WIDE
    if wide and attempt == 0:
        start = max(low, 100_000) if high >= 2 * _WIDE else low
        number = start + _number(seed) % int(min(high - start + 1, 10**_MOST_DIGITS))
    elif attempt % 2:
        number = low + chance.randint(0, int(min(high - low, 5)))
    else:
        number = low + chance.randint(0, int(min(high - low, 10**6)))
    exact: Any = int(number)
    kind = item_type(said)
    if kind != INT and wide:
        places = min(said.scale or 0, 2) if kind == DECIMAL else 2
        exact = Decimal(exact) + Decimal(1 + _number(f"{seed}.") % 98).scaleb(-places) if places == 2 else exact
        exact = float(exact) if kind == DOUBLE else exact
    yield exact
    yield from (low, high)


def _range(said: ValueType) -> tuple[int, int]:
    """Give the whole numbers between which a value may be, from 0 where it may be more."""
    lowest, highest = said.described.range or (0, 10**_MOST_DIGITS)
    if said.precision is not None:
        highest = min(highest, 10 ** (said.precision - (said.scale or 0)) - 1)
    high = int(said.max // 1) if said.max is not None else highest
    low = int(-(-said.min // 1)) if said.min is not None else min(0, high)
    return max(low, lowest), max(low, min(high, highest))

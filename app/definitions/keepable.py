"""What a document may hold: the values of JSON, without those that a database or a reader would change or lose."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Path = tuple[str | int, ...]

MOST_DEPTH = 40  # levels, the document itself being the first
WHOLE = 10**40  # the whole numbers that are kept are less, as those of a request


def unkeepable(document: object) -> list[tuple[Path, str, str | None]]:
    """Give what can't be kept as it is: the way to it through the document, what is wrong, and what to do."""
    if _is_plain(document):
        return []
    found: list[tuple[Path, str, str | None]] = []
    waiting: list[tuple[Path, object]] = [((), document)]  # no recursion: it may be nested as deep as it likes
    while waiting:
        path, value = waiting.pop()
        if len(path) >= MOST_DEPTH:
            found.append((path, f"this is nested more than {MOST_DEPTH} levels deep", None))
        elif isinstance(value, Mapping):
            found += [(path, *problem) for key in value if (problem := _key(key)) is not None]
            waiting += [((*path, key), item) for key, item in reversed(list(value.items())) if _key(key) is None]
        elif isinstance(value, list | tuple):
            waiting += [((*path, index), item) for index, item in reversed(list(enumerate(value)))]
        elif (problem := _problem(value)) is not None:
            found.append((path, *problem))
    return found


def _is_plain(document: object) -> bool:
    """Say whether it surely can be kept, as nearly every document: then no way to any part of it is made."""
    texts: list[str] = []
    level: list[Any] = [document]
    for _ in range(MOST_DEPTH):
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is str:
                texts.append(value)
            elif kind is dict:
                texts += value
                below += value.values()
            elif kind is list:
                below += value
            elif kind is not bool and _problem(value) is not None:
                return False
        level = below
    return not level and all(type(one) is str for one in texts) and _text("".join(texts)) is None


def _key(key: object) -> tuple[str, str | None] | None:
    if not isinstance(key, str):
        return "a key of this is no text", "quote it"
    problem = _problem(key)
    return None if problem is None else (f"a key of this can't be kept: {problem[0]}", problem[1])


def _problem(value: Any) -> tuple[str, str | None] | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return None if abs(value) < WHOLE else ("a number has at most 40 digits", "write it as a text")
    if isinstance(value, float | Decimal):
        return _fraction(value)
    return f"{type(value).__name__} is no type of JSON", "write it as a text"


def _text(text: str) -> tuple[str, str | None] | None:
    if "\x00" in text:
        return "a text can't hold the character NUL", None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "a text can't hold half a surrogate pair, which is no character", None
    return None


def _fraction(value: float | Decimal) -> tuple[str, str | None] | None:
    if not Decimal(value).is_finite():
        return "NaN and infinity are no numbers of JSON", None
    if Decimal(repr(float(value))) != (Decimal(repr(value)) if isinstance(value, float) else value):
        return "this number has more digits than a reader of JSON or YAML keeps", "write it as a text"
    return None

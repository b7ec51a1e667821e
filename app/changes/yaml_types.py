"""YAML without its surprises: what readers of both its versions take alike is read so, and nothing else is written."""

import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, NoReturn

import yaml
from yaml._yaml import CParser
from yaml.constructor import ConstructorError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)
from yaml.nodes import ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from app.definitions.keepable import MOST_DEPTH

_STR = "tag:yaml.org,2002:str"
_FLOAT = "tag:yaml.org,2002:float"
# What else is a number to a reader of either version: to another one it is a text, or another number. 08, 1e3, 1_000.
_UNLIKE = re.compile(
    r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
# What libyaml takes and the parser in Python doesn't, or takes otherwise: what holds any is left to that one.
_UNLIKE_IN_C = re.compile(r"[\t\ufeff]|[|>][-+0-9]*#")
# Texts that no reader takes for anything else when they stand bare. Numbers, dates and signs begin otherwise.
_SAFE = re.compile(r"[A-Za-z/=][^\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]*")
_BARE = re.compile(r"[A-Za-z/=][\w ./=*()-]*", re.ASCII)
_LINE = 80  # characters of a list that stands on one line
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "="})


def value_of(text: str) -> object:
    """Give what a document says; raises YAMLError, most often with a mark, or ValueError."""
    if not _UNLIKE_IN_C.search(text):
        # What is refused, the parser in Python says in its own words and place.
        with suppress(yaml.YAMLError, ValueError):
            return read_by(CParser(text), alike=True)
    return read_by(PythonParser(text))


class PythonParser(Reader, Scanner, Parser):
    """The parser that is always there."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


def read_by(parser: Any, *, alike: bool = False) -> object:
    """Read the one document of a stream; nothing is none. `alike` refuses what the parser in Python may read otherwise.

    That is for libyaml, which is eleven times as fast.
    """
    get = parser.get_event
    try:
        get()
        found = None
        if isinstance(get(), DocumentStartEvent):
            found = _Document(get, alike).value()
            get()
            if isinstance(event := get(), DocumentStartEvent):
                _refuse("but found another document", event.start_mark)
        return found
    finally:
        parser.dispose()


class _Document:
    """Reads what the versions of YAML read alike, every other plain word as text; no anchors, no repeated keys."""

    def __init__(self, get: Callable[[], Any], alike: bool) -> None:
        """Take what gives the next event, and whether it is of libyaml, whose words are to be as the other's."""
        self._get, self._scalar = get, self._scalar_alike if alike else _scalar
        self._between_brackets = 0

    def value(self) -> Any:
        """Give the next value."""
        return self._value(self._get(), 1)

    def _value(self, event: Any, depth: int) -> object:
        _check(event, depth)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if event.tag == _STR:
            _refuse("a text is no mapping and no list", event.start_mark)
        self._between_brackets += bool(event.flow_style)
        found = (self._mapping if isinstance(event, MappingStartEvent) else self._list)(depth + 1)
        self._between_brackets -= bool(event.flow_style)
        return found

    def _scalar_alike(self, event: Any) -> object:
        """Read a word of libyaml; a plain one that it alone takes, or takes otherwise, is refused.

        A question mark ends a word for one of them between brackets, and for both begins a key where it stands first.
        """
        if not event.style:
            differs = "?" in event.value if self._between_brackets else event.value[:1] == "?"
            if differs or not any(event.implicit):
                _refuse("parsers differ", event.start_mark)
        return _scalar(event)

    def _list(self, depth: int) -> list[Any]:
        found: list[object] = []
        while not isinstance(event := self._get(), SequenceEndEvent):
            found.append(self._value(event, depth))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        """Take a mapping whose keys differ; a key is a text, as in JSON: `200`, `on`."""
        found: dict[str, object] = {}
        while not isinstance(key := self._get(), MappingEndEvent):
            _check(key, depth)
            if not isinstance(key, ScalarEvent):
                _refuse("a key has to be a plain word", key.start_mark)
            self._scalar(key)
            if key.value in found:
                _refuse(f"the key {key.value[:64]!r} stands twice", key.start_mark)
            found[key.value] = self._value(self._get(), depth)
        return found


def _check(event: Any, depth: int) -> None:
    """Refuse a node that is an alias, has an anchor or a tag, or stands too deep."""
    if isinstance(event, AliasEvent) or event.anchor:
        _refuse("anchors and aliases are not taken: write it out", event.start_mark)
    if event.tag not in (None, "!", _STR):
        _refuse("tags are not taken: quote what is a text", event.start_mark)
    if depth > MOST_DEPTH:
        _refuse("the document is nested too deep", event.start_mark)


def _scalar(event: Any) -> object:
    """Give a text, or what a plain word is, unless readers of YAML differ about which number it is."""
    text = event.value
    if event.tag == _STR or not event.implicit[0] or text[:1] not in _NO_WORD:
        return text
    for pattern, first, make in _ALIKE:
        if text[:1] in first and pattern.fullmatch(text):
            return make(text)
    if _UNLIKE.fullmatch(text):
        _refuse(f"write a number as JSON does, or quote {text[:40]!r} if it is a text", event.start_mark)
    return text


def _number(text: str) -> float | Decimal:
    """Give a float, or the exact number where a float would be another one: it is found when it is checked."""
    exact = Decimal(text)
    number = float(exact)
    return number if Decimal(repr(number)) == exact else exact


# What both versions read as the same: the numbers and words of JSON, a sign and a point without digits on one side.
_ALIKE: tuple[tuple[re.Pattern[str], frozenset[str], Callable[[str], object]], ...] = (
    (re.compile(r"true|True|TRUE|false|False|FALSE"), frozenset("tTfF"), lambda text: text[0] in "tT"),
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), frozenset("-+0123456789"), int),
    (
        re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?"),
        frozenset("-+.0123456789"),
        _number,
    ),
    (re.compile(r"~|null|Null|NULL|"), frozenset(["~", "n", "N", ""]), lambda _text: None),
)

# What something else than a text may begin with: the numbers that readers differ about begin as those do.
_NO_WORD = frozenset[str]().union(*(first for _, first, _ in _ALIKE))


def _refuse(message: str, mark: Any) -> NoReturn:
    raise ConstructorError(None, None, message, mark)


class Dumper(yaml.SafeDumper):
    """Writes texts bare where no reader takes them for anything else, and between quotes where one might."""


def _text(dumper: Dumper, text: str) -> ScalarNode:
    bare = _SAFE.fullmatch(text) is not None and text.lower() not in _WORDS
    return dumper.represent_scalar(_STR, text, style=None if bare else '"' if _needs_escapes(text) else "'")


def _needs_escapes(text: str) -> bool:
    return not text.isprintable()


def _list(dumper: Dumper, items: list[Any]) -> SequenceNode:
    """Write a list of a few words or numbers on one line."""
    short = all(isinstance(one, bool | int | float) or _is_short(one) for one in items)
    flow = short and sum(len(str(one)) + 2 for one in items) <= _LINE
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


def _is_short(item: Any) -> bool:
    return isinstance(item, str) and _BARE.fullmatch(item) is not None


def _exact(dumper: Dumper, number: Decimal) -> ScalarNode:
    """Write a number that no float is, as it is read again."""
    mantissa, _, exponent = f"{number:e}".partition("e")
    return dumper.represent_scalar(_FLOAT, f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}")


Dumper.add_representer(str, _text)
Dumper.add_representer(Decimal, _exact)
Dumper.add_representer(list, _list)

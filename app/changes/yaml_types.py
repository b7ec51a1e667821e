"""YAML without its surprises: what readers of both its versions take alike is read so, and nothing else is written."""

import re
from decimal import Decimal
from typing import Any, NoReturn

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, ScalarNode

from app.definitions.keepable import MOST_DEPTH

_STR = "tag:yaml.org,2002:str"
# What both versions read as the same: the numbers and words of JSON, a sign and a point without digits on one side.
_ALIKE = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"(?:[-+]?(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
# What else is a number to a reader of either version: to another one it is a text, or another number. 08, 1e3, 1_000.
_UNLIKE = re.compile(
    r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
# Texts that no reader takes for anything else when they stand bare. Numbers, dates and signs begin otherwise.
_SAFE = re.compile(r"[A-Za-z/=][^\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "="})


class Loader(yaml.SafeLoader):
    """Reads what the versions of YAML read alike, every other plain word as text; no anchors, no repeated keys."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own attribute, filled below

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Take a node, unless it is an alias, has an anchor or a tag, or stands too deep."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.events.AliasEvent) or getattr(event, "anchor", None):
            _refuse("anchors and aliases are not taken: write it out", event.start_mark)
        if getattr(event, "tag", None) not in (None, "!", _STR):
            _refuse("tags are not taken: quote what is a text", event.start_mark)
        self.depth += 1
        if self.depth > MOST_DEPTH:
            _refuse("the document is nested too deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        """Take a plain word, unless readers of YAML differ about which number it is."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        node: Any = super().compose_scalar_node(anchor)
        if event.implicit[0] and node.tag == _STR and _UNLIKE.fullmatch(node.value):
            _refuse(f"write a number as JSON does, or quote {node.value[:40]!r} if it is a text", event.start_mark)
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Take a mapping whose keys differ; a key is a text, as in JSON: `200`, `on`."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                _refuse("a key has to be a plain word", key.start_mark)
            if key.value in seen:
                _refuse(f"the key {key.value[:64]!r} stands twice", key.start_mark)
            seen.add(key.value)
            key.tag = _STR
        return super().construct_mapping(node, deep)

    def construct_number(self, node: ScalarNode) -> float | Decimal:
        """Give a float, or the exact number where a float would be another one: it is found when it is checked."""
        exact = Decimal(node.value)
        number = float(exact)
        return number if Decimal(repr(number)) == exact else exact


def _refuse(message: str, mark: Any) -> NoReturn:
    raise ConstructorError(None, None, message, mark)


for _tag, _pattern, _first in _ALIKE:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))
Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_number)


class Dumper(yaml.SafeDumper):
    """Writes texts bare where no reader takes them for anything else, and between quotes where one might."""


def _text(dumper: Dumper, text: str) -> ScalarNode:
    bare = _SAFE.fullmatch(text) is not None and text.lower() not in _WORDS
    return dumper.represent_scalar(_STR, text, style=None if bare else '"' if _needs_escapes(text) else "'")


def _needs_escapes(text: str) -> bool:
    return not text.isprintable()


Dumper.add_representer(str, _text)

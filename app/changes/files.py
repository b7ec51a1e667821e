"""Documents: YAML without its surprises, and JSON, read with the place of what is wrong."""

import json
import re
from pathlib import Path
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, ScalarNode

from app.definitions.stored import Stored
from app.errors import RowgateError

MAX_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 40


class DocumentUnreadable(RowgateError):
    """The document is no YAML or JSON, or holds what a definition never needs; says where."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "document.unreadable"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types: no yes and no, no dates, no sexagesimal numbers; and no anchors, no repeated keys."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.events.AliasEvent) or getattr(event, "anchor", None):
            raise _unreadable("anchors and aliases are not taken: write it out", event.start_mark)
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _unreadable("the document is nested too deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise _unreadable("a key has to be a plain word", key.start_mark)
            if key.value in seen:
                raise _unreadable(f"the key {key.value[:64]!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _unreadable(message: str, mark: Any) -> DocumentUnreadable:
    return DocumentUnreadable(f"line {mark.line + 1}, column {mark.column + 1}: {message}.")


# The core schema (YAML 1.2.2, 10.3.2) in place of the resolvers of YAML 1.1.
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def load_text(text: bytes | str) -> Any:
    """Read a document; raises DocumentUnreadable with line and column."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise DocumentUnreadable(f"The document has more than {MAX_BYTES} bytes.")
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentUnreadable(f"line {line}: the document is not UTF-8 text.") from None
    try:
        return yaml.load(decoded, Loader=_Loader)  # noqa: S506 - a SafeLoader, narrowed
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        place = f"line {where.line + 1}, column {where.column + 1}: " if where else ""
        raise DocumentUnreadable(f"{place}{error.problem or 'this is no YAML'}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise DocumentUnreadable("The document holds characters or values that YAML doesn't have.") from None


def read_bytes(path: Path) -> bytes:
    """Give what a file holds; raises DocumentUnreadable with its name."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DocumentUnreadable(f"{path} can't be read: {error.strerror}.") from None


def load_file(path: Path) -> Any:
    """Read a file; raises DocumentUnreadable with its name."""
    return load_named(path, read_bytes(path))


def load_named(path: Path, raw: bytes) -> Any:
    """Read what a file holds; raises DocumentUnreadable with its name."""
    try:
        return load_text(raw)
    except DocumentUnreadable as error:
        raise DocumentUnreadable(f"{path}: {error.detail}") from None


def dump_yaml(stored: Stored) -> str:
    """Write a backend as YAML that reads like a document that an admin wrote."""
    return str(yaml.safe_dump(stored.document, sort_keys=False, allow_unicode=True, width=120))


def dump_json(stored: Stored) -> str:
    """Write a backend as JSON."""
    return json.dumps(stored.document, indent=2, ensure_ascii=False)

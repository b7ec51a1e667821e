"""Documents: YAML without its surprises, and JSON, read with the place of what is wrong."""

import json
from pathlib import Path
from typing import Any, ClassVar

import yaml

from app.changes.yaml_types import Dumper, value_of
from app.compiler.check import findings_of_the_rest
from app.definitions.project import DefinitionInvalid, Project, parse_project
from app.definitions.stored import Stored
from app.errors import RowgateError

MAX_BYTES = 8 * 1024 * 1024
_APP = Path(__file__).parents[1]


class DocumentUnreadable(RowgateError):
    """The document is no YAML or JSON, or holds what a definition never needs; says where."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "document.unreadable"


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
        return value_of(decoded)
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


def read_project(path: Path) -> Project:
    """Read a document; raises DocumentUnreadable, or DefinitionInvalid with every finding."""
    return parse_named(path, read_bytes(path))


def parse_named(path: Path, raw: bytes) -> Project:
    """Read what a file holds as a document; raises DocumentUnreadable, or DefinitionInvalid with every finding."""
    document = load_named(path, raw)
    project, findings = parse_project(document)
    if project is None:
        raise DefinitionInvalid([*findings, *findings_of_the_rest(document)])
    return project


def dump_yaml(stored: Stored) -> str:
    """Write a backend as YAML that reads like a document that an admin wrote."""
    return dump_part(stored.document)


def dump_part(part: object) -> str:
    """Write a part of a document as YAML."""
    return str(yaml.dump(part, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


def dump_json(stored: Stored) -> str:
    """Write a backend as JSON."""
    return f"{json.dumps(stored.document, indent=2, ensure_ascii=False)}\n"


def examples() -> dict[str, Path]:
    """Give the examples by name: in a wheel they are part of the package, in the repository they stand beside it."""
    packed = _APP / "examples"
    folder = packed if packed.is_dir() else _APP.parent / "examples"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}

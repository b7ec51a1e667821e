"""The names that a definition may use, and the one base of all definition models."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
FIELD_PATTERN = re.compile(r"[a-z][A-Za-z0-9_]{0,62}")

ROOT_NAMES = frozenset({"auth", "input", "request", "now", "row", "item", "params", "secrets", "self"})
# The CEL specification's reserved words: a bound name that is one of them could never be read by an expression.
CEL_RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "namespace", "null", "package", "return", "true", "var", "void", "while",
})  # fmt: skip
# What a query of the dialect says beside the tests of columns: a column of such a name could never be tested.
READ_KEYS = frozenset({"select", "order", "limit", "offset"})
WRITE_KEYS = frozenset({"columns", "on_conflict"})
LOGIC_KEYS = frozenset({"and", "or", "not"})
# What Postgres has in every table.
SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
RESERVED_PREFIXES = ("pg_", "rowgate_")


def check_name(name: str) -> str:
    """Return the name of a table, column, role, view, middleware or endpoint if it may stand; else raise ValueError."""
    if not NAME_PATTERN.fullmatch(name):
        msg = "a name has 1 to 63 of a-z, 0-9 and _, and begins with a letter"
        raise ValueError(msg)
    return _unreserved(name, ROOT_NAMES)


def check_field_name(name: str) -> str:
    """Return the name of an input, param or view column, which may hold capitals; else raise ValueError."""
    if not FIELD_PATTERN.fullmatch(name):
        msg = "a name has 1 to 63 of a-z, A-Z, 0-9 and _, and begins with a small letter"
        raise ValueError(msg)
    return _unreserved(name, ROOT_NAMES)


def check_bound_name(name: str) -> str:
    """Return the name that a step binds for expressions: a field name that is no reserved word of CEL."""
    return _unreserved(check_field_name(name), CEL_RESERVED)


def _unreserved(name: str, reserved: frozenset[str]) -> str:
    if name in reserved or name.startswith(RESERVED_PREFIXES):
        msg = f"{name!r} is reserved: choose another name"
        raise ValueError(msg)
    return name


_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"})
_FIELD_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{FIELD_PATTERN.pattern}$"})
Name = Annotated[str, AfterValidator(check_name), _NAME_SCHEMA]
FieldName = Annotated[str, AfterValidator(check_field_name), _FIELD_SCHEMA]
BoundName = Annotated[str, AfterValidator(check_bound_name), _FIELD_SCHEMA]

T = TypeVar("T")


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


# A list of a document, kept as a tuple so that a definition can't change after its checks.
Items = Annotated[tuple[T, ...], BeforeValidator(_frozen)]


# The names of the fields that a definition sets, each such set once: there are thousands of definitions, and few sets.
_FIELDS: dict[frozenset[str], set[str]] = {}


class Definition(BaseModel):
    """A frozen value that refuses unknown keys and never turns one type into another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    def model_post_init(self, _context: Any, /) -> None:
        """Hold the one set of the names that are set."""
        said = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _FIELDS.setdefault(frozenset(said), said))

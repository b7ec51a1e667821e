"""What compiled parts are made of, down to the cells of their closures: two that say the same do the same."""

import dataclasses
import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.relations.findings import Findings
from app.relations.memory import Watched
from app.steps.context import Context

_PLAIN = (str, int, float, bytes, bool, type(None), type, types.BuiltinFunctionType, types.ModuleType)
_ASKED = (Context, Watched, Findings)


class Fingerprints:
    """Gives the fingerprints of objects; each object is looked through once."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, str]] = {}

    def of(self, value: Any) -> str:
        kind: Any = type(value)
        if is_kind(kind, _PLAIN):
            return f"{kind.__name__}:{value!r}"
        assert not is_kind(kind, _ASKED), "what runs asks the definitions nothing any more"
        if id(value) not in self.known:
            self.known[id(value)] = (value, "within itself")
            said = f"{kind.__qualname__}({', '.join(self._parts(value))})"
            self.known[id(value)] = (value, hashlib.sha256(said.encode()).hexdigest())
        return self.known[id(value)][1]

    def _parts(self, value: Any) -> list[str]:
        kind: Any = type(value)
        if is_kind(kind, (BaseModel,)):
            return [repr(value)]
        if is_kind(kind, (types.FunctionType,)):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return [value.__module__, value.__qualname__, *map(self.of, (*cells, value.__defaults__))]
        if is_kind(kind, (types.MethodType,)):
            return [self.of(value.__self__), self.of(value.__func__)]
        if is_kind(kind, (functools.partial,)):
            return [self.of(value.func), self.of(value.args), self.of(value.keywords)]
        return self._members(value, kind)

    def _members(self, value: Any, kind: Any) -> list[str]:
        if is_kind(kind, (Mapping,)):
            return [f"{self.of(key)}={self.of(item)}" for key, item in value.items()]
        if is_kind(kind, (set, frozenset)):
            return sorted(map(self.of, value))
        if is_kind(kind, (list, tuple)):
            return [self.of(item) for item in value]
        if names := fields_of(kind):
            return [f"{name}={self.of(getattr(value, name))}" for name in names]
        said = getattr(value, "__dict__", None) or {
            name: getattr(value, name) for base in kind.__mro__ for name in getattr(base, "__slots__", ())
        }
        return [f"{name}={self.of(item)}" for name, item in said.items()] or [repr(value)]


@functools.cache
def is_kind(kind: type, wanted: tuple[type, ...]) -> bool:
    """Say whether what is of a type is one of these; a type is asked once."""
    return issubclass(kind, wanted)


@functools.cache
def fields_of(kind: type) -> tuple[str, ...]:
    """Name the fields of a dataclass; of another type, and of one without any, none."""
    return tuple(one.name for one in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()

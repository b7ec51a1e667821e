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


class Fingerprints:
    """Gives the fingerprints of objects; each object is looked through once."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, str]] = {}

    def of(self, value: Any) -> str:
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__}:{value!r}"
        assert not isinstance(value, Context | Watched | Findings), "what runs asks the definitions nothing any more"
        if id(value) not in self.known:
            self.known[id(value)] = (value, "within itself")
            said = f"{type(value).__qualname__}({', '.join(self._parts(value))})"
            self.known[id(value)] = (value, hashlib.sha256(said.encode()).hexdigest())
        return self.known[id(value)][1]

    def _parts(self, value: Any) -> list[str]:
        if isinstance(value, BaseModel):
            return [repr(value)]
        if isinstance(value, types.FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return [value.__module__, value.__qualname__, *map(self.of, (*cells, value.__defaults__))]
        if isinstance(value, types.MethodType):
            return [self.of(value.__self__), self.of(value.__func__)]
        if isinstance(value, functools.partial):
            return [self.of(value.func), self.of(value.args), self.of(value.keywords)]
        return self._members(value)

    def _members(self, value: Any) -> list[str]:
        if isinstance(value, Mapping):
            return [f"{self.of(key)}={self.of(item)}" for key, item in value.items()]
        if isinstance(value, set | frozenset):
            return sorted(map(self.of, value))
        if isinstance(value, list | tuple):
            return [self.of(item) for item in value]
        if dataclasses.is_dataclass(value):
            return [f"{one.name}={self.of(getattr(value, one.name))}" for one in dataclasses.fields(value)]
        said = getattr(value, "__dict__", None) or {
            name: getattr(value, name) for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())
        }
        return [f"{name}={self.of(item)}" for name, item in said.items()] or [repr(value)]

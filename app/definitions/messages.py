"""What pydantic finds in a document, in the words that an admin knows: one finding a mistake, with what to do."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from app.definitions.column_types import type_called
from app.definitions.names import Definition
from app.errors import near, nearest

_WORD = re.compile(r"[A-Za-z0-9_]+")
Path = tuple[str | int, ...]
Details = Mapping[str, Any]

_LIST, _MAPPING, _NUMBER, _WHOLE = "a list", "a mapping", "a number", "a whole number"
_WANTED: dict[str, Callable[[Details], str]] = {
    "literal_error": lambda ctx: str(ctx["expected"]),
    **dict.fromkeys(("tuple_type", "list_type"), lambda _: _LIST),
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type", "dataclass_type"), lambda _: _MAPPING),
    "string_type": lambda _: "a text",
    "bool_type": lambda _: "true or false",
    **dict.fromkeys(("int_type", "int_from_float"), lambda _: _WHOLE),
    **dict.fromkeys(("float_type", "decimal_type", "is_instance_of"), lambda _: _NUMBER),
    "finite_number": lambda _: "a finite number",
    "too_short": lambda ctx: f"a list of at least {ctx['min_length']}",
    "too_long": lambda ctx: f"a list of at most {ctx['max_length']}",
    "string_too_short": lambda ctx: f"a text of at least {ctx['min_length']} characters",
    "string_too_long": lambda ctx: f"a text of at most {ctx['max_length']} characters",
    "greater_than": lambda ctx: f"a number greater than {ctx['gt']}",
    "greater_than_equal": lambda ctx: f"a number greater than or equal to {ctx['ge']}",
    "less_than": lambda ctx: f"a number less than {ctx['lt']}",
    "less_than_equal": lambda ctx: f"a number less than or equal to {ctx['le']}",
}
_PATTERNS = {
    "http_allow": "a host and its port, such as api.example.com:443,",
    "auth_schemes": "the name of a scheme, such as Bearer,",
}
_KEYS = {
    **dict.fromkeys(("nullable", "null", "optional"), "what doesn't say required: true may be null"),
    **dict.fromkeys(("not_null", "notnull"), "write required: true"),
    **dict.fromkeys(("primary_key", "pk"), "each table has its id by itself"),
    **dict.fromkeys(("references", "foreign_key"), "write table: NAME, with the type of a reference"),
    **dict.fromkeys(("policy", "policies", "rls", "rule", "condition", "using"), "the rule of a view is its filter"),
    **dict.fromkeys(("auth", "permissions", "public"), "who may call is said by access"),
    **dict.fromkeys(("length", "size", "maxlength"), "write max_length"),
    "enum": "write values: [one, two], with the type of an enum",
    "fields": "write columns",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One mistake: where it stands in what is said, the sentence, and what to do."""

    path: Path
    message: str
    hint: str | None = None
    is_unknown_key: bool = False


@dataclass(frozen=True, slots=True)
class _Problem:
    """One of pydantic's: `path` are the keys that are in the document, `choice` how many come before a choice.

    `way` is which of its ways pydantic tried.
    """

    path: Path
    choice: int | None
    way: str | int | None
    kind: str
    details: Details


def told(error: ValidationError, said: object, model: type[Definition]) -> list[Told]:
    """Give what is wrong with what is said of a model: one sentence a mistake, in pydantic's order."""
    problems = [_problem(one, said) for one in error.errors(include_url=False)]
    found = [one for group in _by_choice(problems) for one in _of_group(group, model)]
    meant = {(*one.path[:-1], _meant(one, model)) for one in problems if one.kind == "extra_forbidden"}
    return [one for one in found if not (one.message.endswith("is required") and one.path in meant)]


def _problem(problem: Any, said: object) -> _Problem:
    """Take the names of pydantic's own choices out of the location: they are no keys of the document."""
    path: list[str | int] = []
    choice, way, here, keys = None, None, said, problem["loc"]
    for at, key in enumerate(keys):
        there, inside = _inside(here, key)
        if there or (at == len(keys) - 1 and problem["type"] == "missing"):
            path.append(key)
            here = inside
        elif choice is None:
            choice, way = len(path), key
    details = {**problem.get("ctx", {}), "input": problem.get("input"), "msg": problem["msg"]}
    return _Problem(tuple(path), choice, way, problem["type"], details)


def _inside(here: object, key: str | int) -> tuple[bool, object]:
    if isinstance(key, int) and isinstance(here, list | tuple) and key < len(here):
        return True, here[key]
    if isinstance(here, Mapping) and key in here:
        return True, here[key]
    return False, None


def _by_choice(problems: Sequence[_Problem]) -> Iterator[list[_Problem]]:
    """Put those together that are about the same choice: what is said is wrong by each of its ways."""
    groups: dict[Path, list[_Problem]] = {}
    for one in problems:
        at: Path = (*one.path[: one.choice], "…") if one.choice is not None else (*one.path, one.kind)
        groups.setdefault(at, []).append(one)
    yield from groups.values()


def _of_group(group: list[_Problem], model: type[Definition]) -> list[Told]:
    deep = [one for one in group if one.choice is not None and len(one.path) > one.choice]
    if deep:
        return [_told(one, model) for one in _nearest_way(deep, model)]
    if len(group) == 1:
        return [_told(group[0], model)]
    wanted = list(dict.fromkeys(_wanted(one) for one in group))
    return [Told(group[0].path, f"{' or '.join(wanted)} is wanted here", _hint(group[-1], model))]


def _nearest_way(problems: list[_Problem], model: type[Definition]) -> list[_Problem]:
    """Give what is wrong by the way that the fewest keys are wrong by; of ways alike the first."""
    ways: dict[str | int | None, list[_Problem]] = {}
    for one in problems:
        ways.setdefault(one.way, []).append(one)
    return min(ways.values(), key=lambda way: len({_wrong_key(one, model) for one in way}))


def _wrong_key(one: _Problem, model: type[Definition]) -> Path:
    meant = _meant(one, model) if one.kind == "extra_forbidden" else None
    return (*one.path[:-1], meant or one.path[-1])


def _told(one: _Problem, model: type[Definition]) -> Told:
    if one.kind == "extra_forbidden":
        return Told(one.path, f"unknown key {str(one.path[-1])[:64]!r}", _hint(one, model), is_unknown_key=True)
    if one.kind == "missing":
        return Told(one.path, f"{one.path[-1]!r} is required")
    if one.kind in _WANTED or one.kind == "string_pattern_mismatch":
        return Told(one.path, f"{_wanted(one)} is wanted here", _hint(one, model))
    return Told(one.path, str(one.details["msg"]).removeprefix("Value error, "))


def _wanted(one: _Problem) -> str:
    if one.kind in _WANTED:
        return _WANTED[one.kind](one.details)
    named = next((_PATTERNS[key] for key in reversed(one.path) if key in _PATTERNS), None)
    return named or str(one.details["msg"]).removeprefix("Value error, ")


def _hint(one: _Problem, model: type[Definition]) -> str | None:
    said = one.details["input"]
    if one.kind == "extra_forbidden":
        meant = _meant(one, model)
        return f"did you mean {meant}?" if meant else _KEYS.get(str(one.path[-1]).lower())
    if one.kind == "literal_error" and isinstance(said, str):
        words = str(one.details["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        meant = type_called(said.lower()) if one.path[-1:] == ("type",) else None
        return f"did you mean {meant}?" if meant else near(said, words)
    if not isinstance(said, str | int | float) or isinstance(said, bool):
        return None
    return _instead(_wanted(one), said, one, model)


def _instead(wanted: str, said: object, one: _Problem, model: type[Definition]) -> str | None:
    """Say how a word is written that stands for what is wanted."""
    if wanted.startswith(_LIST):
        return f"write [{said if _WORD.fullmatch(str(said)) else json.dumps(said)}]"
    if wanted == "a text":
        return f'write "{said}" in quotes'
    keys = {key for kind in models_at(model, one.path, inside=True) for key in _keys(kind)}
    first = next((key for key in ("name", "type") if key in keys), None)
    return f"write {{{first}: {said}}}" if wanted == _MAPPING and first else None


def _meant(one: _Problem, model: type[Definition]) -> str | None:
    """Give the key that is meant by one that isn't known."""
    known = [key for kind in models_at(model, one.path) for key in _keys(kind)]
    return nearest(str(one.path[-1]), known) if str(one.path[-1]).lower() not in _KEYS else None


def _keys(kind: type[Definition]) -> list[str]:
    return [field.alias or name for name, field in kind.model_fields.items()]


def models_at(model: type[Definition], path: Path, *, inside: bool = False) -> list[type[Definition]]:
    """Give the definitions that what holds the last key of a path may be, or what stands there."""
    here = [model]
    for key in path if inside else path[:-1]:
        fields = [field for kind in here for name, field in kind.model_fields.items() if key == (field.alias or name)]
        if fields:
            here = [kind for field in fields for kind in _models_in(field.annotation)]
    return here


def _models_in(annotation: Any) -> list[type[Definition]]:
    if isinstance(annotation, type) and issubclass(annotation, Definition):
        return [annotation]
    return [kind for argument in get_args(annotation) for kind in _models_in(argument)]

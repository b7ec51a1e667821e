"""The JSON Schema of a document, made from the models that read it: what editors complete and check a document by."""

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.definitions.names import Definition
from app.definitions.project import Project
from app.definitions.steps import COMMON_FIELDS
from app.steps.registry import KINDS

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def document_schema() -> Json:
    """Make it. What only a check can know, such as whether a name is one of a table, it leaves to `rowgate check`."""
    bodies = {name: kind.body for name, kind in sorted(KINDS.items())}
    wanted: list[type[Definition]] = [Project, *bodies.values()]
    refs, schema = models_json_schema([(model, "validation") for model in wanted])
    parts: Json = schema["$defs"]
    for model in models(wanted):
        _explain(model, parts.get(model.__name__, {}))
    common = {name: parts["StepDef"]["properties"][name] for name in COMMON_FIELDS}
    named = {name: _refer(refs[body, "validation"]) for name, body in bodies.items()}
    parts |= {_step_name(name): _step(name, parts[body], common) for name, body in named.items()}
    for body in set(named.values()):
        del parts[body]
    parts["StepDef"] = _any_step(parts["StepDef"])
    _tidy(parts)
    return {"$schema": DIALECT, "title": "A backend of Rowgate", **parts.pop("Project"), "$defs": parts}


def _refer(ref: Mapping[str, Any]) -> str:
    """Give the name that a reference leads to."""
    return str(ref["$ref"]).rsplit("/", 1)[1]


def _step_name(kind: str) -> str:
    return f"step_{kind}"


def _step(kind: str, body: Json, common: Json) -> Json:
    """Give the schema of a step of one kind: its own keys, and those that every step has."""
    keys = {**common, **body["properties"], "do": {"const": kind}}
    return {**body, "properties": dict(sorted(keys.items())), "required": ["do", *body.get("required", ())]}


def _any_step(schema: Json) -> Json:
    """Give the schema of a step, whose other keys go by what it does."""
    does: Json = {**schema["properties"]["do"], "enum": sorted(KINDS)}
    then = [
        {"if": {"properties": {"do": {"const": kind}}}, "then": {"$ref": f"#/$defs/{_step_name(kind)}"}}
        for kind in sorted(KINDS)
    ]
    said = schema["description"]
    return {"type": "object", "description": said, "required": ["do"], "properties": {"do": does}, "allOf": then}


def _tidy(part: Any) -> None:
    """Leave out the titles that only repeat a key, and take no key of a map that its pattern doesn't."""
    if isinstance(part, list):
        for one in part:
            _tidy(one)
    elif isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        if "patternProperties" in part:
            part["additionalProperties"] = False
        for one in part.values():
            _tidy(one)


def models(roots: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    """Give the models and all that they are made of, each once, in the order in which a reader meets them."""
    found: dict[type[BaseModel], None] = {}
    waiting = list(roots)
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found[model] = None
            waiting[:0] = [one for field in model.model_fields.values() for one in _models_in(field.annotation)]
    return list(found)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in (*getattr(annotation, "__args__", ()), getattr(annotation, "__value__", None)):
        if inner is not None:
            yield from _models_in(inner)


def _explain(model: type[BaseModel], schema: Json) -> None:
    """Put what the model says of each key beside it."""
    said = meanings_of(model)
    for form in (schema, *schema.get("anyOf", ())):
        for name, field in model.model_fields.items():
            key = form.get("properties", {}).get(field.alias or name)
            if key is not None and name in said:
                key["description"] = said[name]


@cache
def meanings_of(model: type[BaseModel]) -> Mapping[str, str]:
    """Give what stands below each field of a model and of its bases, by the field's name in Python."""
    said: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__module__.startswith("app."):
            said |= _said_below(base.__module__).get(base.__name__, {})
    return said


@cache
def _said_below(module: str) -> Mapping[str, Mapping[str, str]]:
    """Read the texts below the fields of each class of a module."""
    source = inspect.getsource(__import__(module, fromlist=["_"]))
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {one.name: dict(_texts_below(one)) for one in classes}


def _texts_below(said: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for pair in zip(said.body, said.body[1:], strict=False):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text).replace("\n", " ")

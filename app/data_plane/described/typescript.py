"""The TypeScript types of everything as it is now defined, as supabase-js takes them: `createClient<Database>(…)`.

Views that are written stand under Tables, with what may be inserted and updated, the others under Views; endpoints that
are called by their name stand under Functions.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from app.compiler.runtime import CompiledEndpoint, CompiledView, Runtime
from app.data_plane.described.json_schema import sent_schema, shown_schema
from app.definitions.inputs import ListDef, ObjectDef
from app.relations.relationships import references, shows
from app.relations.source import Related, Source

_HEAD = """\
export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]
"""
_NONE = "Record<PropertyKey, never>"  # an object without members
_NO_NAMES = "{ [_ in never]: never }"  # a part of the schema without names: any key would be one of a Record


def typescript(runtime: Runtime) -> str:
    """Give a module that exports `Json` and `Database`."""
    views = runtime.views.values()
    written = {view.name: _view(view, runtime) for view in views if view.writing is not None}
    read = {view.name: _view(view, runtime) for view in views if view.writing is None}
    named = [one for one in runtime.endpoints.values() if one.definition.method in ("GET", "POST")]
    functions = {one.name: _function(one, runtime) for one in named if not one.definition.path_names}
    schema = {
        "Tables": _members(written) if written else _NO_NAMES,
        "Views": _members(read) if read else _NO_NAMES,
        "Functions": _members(functions) if functions else _NO_NAMES,
        "Enums": _NO_NAMES,
        "CompositeTypes": _NO_NAMES,
    }
    return f"{_HEAD}\nexport type Database = {_members({'public': _members(schema)})}\n"


def _members(fields: Mapping[str, str], optional: Iterable[str] = ()) -> str:
    """Write an object type; of no fields one that takes none."""
    if not fields:
        return _NONE
    marked = frozenset(optional)
    lines = [f"{_key(name)}{'?' if name in marked else ''}: {text}" for name, text in fields.items()]
    inside = "\n".join(f"  {line}" for text in lines for line in text.splitlines())
    return f"{{\n{inside}\n}}"


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _view(view: CompiledView, runtime: Runtime) -> str:
    source = view.source
    types = {name: _type(shown_schema(kind)) for name, kind in source.shown.items()}
    row = {name: _or_null(text, null=_may_be_null(source, name)) for name, text in types.items()}
    parts = {"Row": _members(row)}
    if view.writing is not None:
        columns, allowed = view.writing.writable.columns, view.definition.allow
        values = {name: _value(column, runtime) for name, column in columns.items()}
        settable = {name: _value(column, runtime) for name, column in view.writing.writable.settable.items()}
        needed = {name for name, column in columns.items() if column.required and not column.has_default}
        insert = _members(values, optional=values.keys() - needed) if "insert" in allowed else _NONE
        update = _members(settable, optional=settable) if "update" in allowed else _NONE
        parts |= {"Insert": insert, "Update": update}
    return _members({**parts, "Relationships": _relationships(source, runtime)})


def _may_be_null(source: Source, name: str) -> bool:
    computed = source.computed.get(name)
    if isinstance(computed, Related):
        return computed.kind not in ("count", "exists", "sum", "list")
    if computed is not None:
        return True
    definition = source.table.columns[name].definition
    return definition is not None and not definition.required


def _relationships(source: Source, runtime: Runtime) -> str:
    """Write what the client's types follow when a view is embedded."""
    found = []
    for one in references(source):
        for other in runtime.views.values():
            if shows(other.source, one):
                said = {
                    "foreignKeyName": json.dumps(one.hint),
                    "columns": json.dumps(one.columns),
                    "isOneToOne": json.dumps(source.table.has_one(one.columns)),
                    "referencedRelation": json.dumps(other.name),
                    "referencedColumns": json.dumps(one.to),
                }
                found.append(_members(said))
    return f"[{', '.join(found)}]"


def _function(endpoint: CompiledEndpoint, runtime: Runtime) -> str:
    inputs = endpoint.definition.input
    sent = "Json" if isinstance(inputs.body, str) else _object({**inputs.query, **inputs.body}, runtime)
    return _members({"Args": sent, "Returns": "Json"})


def _object(fields: Mapping[str, Any], runtime: Runtime) -> str:
    needed = {name for name, field in fields.items() if field.required and field.default is None}
    values = {name: _value(field, runtime) for name, field in fields.items()}
    return _members(values, optional=fields.keys() - needed)


def _value(said: Any, runtime: Runtime) -> str:
    """Write what may be sent for an input or a column."""
    match said:
        case ObjectDef():
            text = _object(said.fields, runtime)
        case ListDef():
            text = f"({_value(said.of, runtime)})[]"
        case _:
            text = _type(sent_schema(said, runtime.keys))
    return _or_null(text, null=not said.required)


def _or_null(text: str, *, null: bool) -> str:
    return f"{text} | null" if null and text != "Json" else text


def _type(schema: Mapping[str, Any]) -> str:
    """Write the type of a value as its JSON Schema says it."""
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kinds = schema.get("type", ())
    return " | ".join(_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)) or "Json"


def _kind(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        return f"({_type(schema['items'])})[]"
    if kind == "object":
        return _members({name: _type(one) for name, one in schema["properties"].items()})
    return "number" if kind == "integer" else kind

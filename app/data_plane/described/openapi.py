"""The OpenAPI 3.1 document of everything as it is now defined."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from app.auth.route_limits import RouteLimits
from app.auth.routes.mounted import auth_router
from app.auth.routes.shapes import AuthProblem
from app.compiler.runtime import AccessLevel, CompiledEndpoint, CompiledView, Runtime
from app.data_plane.described.json_schema import nullable, sent_schema, shown_row
from app.data_plane.described.routes import router
from app.data_plane.rest.dialect.codes import RestProblem
from app.data_plane.rest.dialect.headers import CSV, JSON, SINGLE
from app.definitions.columns import ValueType
from app.definitions.defaults import deep_literal
from app.definitions.endpoints import BODY_TYPES, EndpointDef, ResponseDef
from app.definitions.inputs import ListDef, ObjectDef, header_name
from app.definitions.middleware import MiddlewareDef
from app.http.fixed_routes import PROBLEM, ProblemDocument, described
from app.relations.source import Source
from app.review.surface import steps_of

_PROBLEM = {"$ref": "#/components/responses/Problem"}
_REST_PROBLEM = {"$ref": "#/components/responses/RestProblem"}
_ANY = "2XX"
_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
_OPERATORS = "A test such as eq.5, gt.5, in.(a,b), is.null, like.a*; not. before it turns it around."


def openapi_document(runtime: Runtime, *, server_url: str | None = None) -> dict[str, Any]:
    """Give the document; the endpoints stand under /api, the views under /rest/v1."""
    paths: dict[str, Any] = {}
    middleware = runtime.project.middleware_by_name()
    for endpoint in runtime.endpoints.values():
        said = endpoint.definition
        paths.setdefault(f"/api{said.path}", {})[said.method.lower()] = _operation(endpoint, runtime, middleware)
        if endpoint.rows is not None and not said.path_names:
            method = "get" if said.method == "GET" else "post"
            paths[f"/rest/v1/rpc/{said.name}"] = {
                method: _asking_answer(endpoint, endpoint.rows.source, runtime, middleware)
            }
    for view in runtime.views.values():
        paths[f"/rest/v1/{view.name}"] = _of_view(view, runtime)
        if "select" in view.definition.allow:
            paths[f"/rest/v1/{view.name}/query"] = {"post": _asking(view)}
    fixed = fixed_document()
    paths |= fixed["paths"]
    schemas = {view.name: shown_row(view.source.shown) for view in runtime.views.values()}
    return {
        "openapi": "3.1.0",
        "info": {"title": runtime.project.project.name or "Rowgate", "version": str(runtime.revision)},
        "servers": [{"url": server_url or "/"}],
        "paths": paths,
        "components": {
            "schemas": fixed["components"]["schemas"] | {f"view.{name}": row for name, row in schemas.items()},
            "responses": {"Problem": _problem_response(), "RestProblem": _problem_response("RestProblem")},
            "securitySchemes": fixed["components"]["securitySchemes"],
        },
    }


@cache
def fixed_document() -> dict[str, Any]:
    """Give the document of the routes that are there whatever is defined."""
    routes = [*router.routes, *auth_router(RouteLimits()).routes]
    return described(routes, problems=(ProblemDocument, AuthProblem, RestProblem), title="Rowgate", version="1")


def _problem_response(form: str = "Problem") -> dict[str, Any]:
    return {"description": "A refusal (RFC 9457)", "content": {PROBLEM: _problem_content(form)}}


def _problem_content(form: str = "Problem") -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{form}"}}


def _operation(endpoint: CompiledEndpoint, runtime: Runtime, middleware: Mapping[str, MiddlewareDef]) -> dict[str, Any]:
    said = endpoint.definition
    made = [_parameter("path", name, field, runtime, required=True) for name, field in said.input.path.items()]
    made += [_parameter("query", name, field, runtime) for name, field in said.input.query.items()]
    for name, field in said.input.headers.items():
        made.append(_parameter("header", header_name(name).title(), field, runtime))
    operation: dict[str, Any] = {
        "operationId": said.name,
        "summary": said.name.replace("_", " ").capitalize(),
        "description": " ".join(filter(None, (said.description, _who(endpoint.access)))),
        "tags": list(said.tags) or ["endpoints"],
        "parameters": made,
        "responses": _responses(
            _by_status(said, runtime, middleware),
            f"#/paths/{_pointed(f'/api{said.path}')}/{said.method.lower()}",
        ),
        "security": [] if endpoint.access.public else _BEARER,
    }
    if said.input.body or said.raw_body:
        schema = _object(said.input.body, runtime) if isinstance(said.input.body, dict) and said.input.body else {}
        required = bool(schema.get("required"))
        content = {
            BODY_TYPES[one]: {"schema": {"type": "string"} if one == "text" else schema} for one in said.body_types
        }
        operation["requestBody"] = {"required": required, "content": content}
    return operation


def _by_status(said: EndpointDef, runtime: Runtime, middleware: Mapping[str, MiddlewareDef]) -> dict[str, ResponseDef]:
    """Give the declared answers, each under statuses that clients are made for: `2XX` is any that a step answers by.

    Where nothing is declared it is so too; a chain without an answer ends with 204.
    """
    run = steps_of(runtime.project, said, middleware)
    answers = (fields.get("status", 200) for kind, fields in run if kind.answers)
    steps = [str(status) for status in answers if status < HTTPStatus.BAD_REQUEST] or ["204"]
    found = {status: one for status, one in said.responses.items() if status != _ANY}
    if said.responses and _ANY not in said.responses:
        return found
    statuses = [one for one in steps if one not in found and (not said.responses or one[0] == _ANY[0])]
    return found | dict.fromkeys(statuses or ["200"], said.responses.get(_ANY, ResponseDef()))


def _responses(said: Mapping[str, ResponseDef], place: str) -> dict[str, Any]:
    """Give the declared answers; what may be a refusal as well is a problem document too."""
    found: dict[str, Any] = {}
    for status, response in said.items():
        content = {}
        if response.schema_ is not None:
            at = f"{place}/responses/{status}/content/application~1json/schema"
            content["application/json"] = {"schema": _placed(response.schema_, at)}
        if status[0] in "45d":
            content[PROBLEM] = _problem_content()
        found[status] = {"description": response.description, **({"content": content} if content else {})}
    return {"default": _PROBLEM, "413": _too_large(), **found}


def _too_large(form: str = "Problem") -> dict[str, Any]:
    """Give the refusal of an answer or a body that would have more bytes than it may have."""
    return {**_problem_response(form), "description": "The answer would be too large, or the body is (RFC 9457)"}


def _pointed(path: str) -> str:
    """Write a path as a part of a JSON pointer in a URI (RFC 6901, 6)."""
    return quote(path.replace("~", "~0").replace("/", "~1"), safe="~")


def _placed(schema: Any, place: str) -> Any:
    """Give a schema as a part of the document: what refers to the schema's own parts goes on doing so."""
    if isinstance(schema, dict):
        if "$id" in schema:
            return schema
        moved = {key: _placed(part, place) for key, part in schema.items()}
        reference = schema.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            moved["$ref"] = place + reference[1:]
        return moved
    return [_placed(part, place) for part in schema] if isinstance(schema, list) else schema


def _who(access: AccessLevel) -> str:
    if access.public:
        return "Anybody may call this."
    if access.roles:
        return f"Needs one of the roles {', '.join(sorted(access.roles))}."
    return f"Needs somebody who is signed in{' and has an address' if access.permanent else ''}."


def _parameter(where: str, shown: str, said: ValueType, runtime: Runtime, *, required: bool = False) -> dict[str, Any]:
    schema = sent_schema(said, runtime.keys)
    found = {"name": shown, "in": where, "required": required or said.required, "schema": schema}
    return {**found, "description": said.description} if said.description else found


def _field(said: Any, runtime: Runtime) -> dict[str, Any]:
    if isinstance(said, ObjectDef):
        schema = _object(said.fields, runtime)
    elif isinstance(said, ListDef):
        schema = {"type": "array", "items": _field(said.of, runtime)}
        lengths = {"minItems": said.min_length, "maxItems": said.max_length}
        schema |= {key: value for key, value in lengths.items() if value is not None}
    else:
        schema = sent_schema(said, runtime.keys)
    if not isinstance(said, ValueType) and said.default is not None:
        schema["default"] = deep_literal(said.default)
    return schema if said.required else nullable(schema)


def _object(fields: Mapping[str, Any], runtime: Runtime) -> dict[str, Any]:
    required = [name for name, field in fields.items() if field.required and field.default is None]
    return {
        "type": "object",
        "properties": {name: _field(field, runtime) for name, field in fields.items()},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _of_view(view: CompiledView, runtime: Runtime) -> dict[str, Any]:
    """Give the operations that a view offers, by method."""
    allowed = view.definition.allow
    found = {"get": _reading(view)} if "select" in allowed else {}
    if view.writing is None:
        return found
    row, changed = (
        {"type": "object", "properties": {name: sent_schema(one, runtime.keys) for name, one in columns.items()}}
        for columns in (view.writing.writable.columns, view.writing.writable.settable)
    )
    rows = {"oneOf": [row, {"type": "array", "items": row}]}
    for method, action, verb, schema in (
        ("post", "insert", "Insert into", rows),
        ("patch", "update", "Update", changed),
        ("delete", "delete", "Delete from", None),
    ):
        if action in allowed:
            found[method] = _view_operation(view, verb, action, _tests(view.source) if method != "post" else [])
            if schema is not None:
                content = {"application/json": {"schema": schema}, "text/csv": {"schema": {"type": "string"}}}
                content |= {"application/x-ndjson": {"schema": {"type": "string"}}} if method == "post" else {}
                found[method]["requestBody"] = {"required": True, "content": content}
    return found


def _asking(view: CompiledView) -> dict[str, Any]:
    """Give the read whose query stands in the body, where it is too long for an address."""
    operation = _reading(view)
    texts = {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}
    asked = {"type": "object", "properties": {one["name"]: texts for one in operation.pop("parameters")}}
    form = {"type": "object", "additionalProperties": {"type": "string"}}
    content = {"application/json": {"schema": asked}, "application/x-www-form-urlencoded": {"schema": form}}
    summary = f"Read {view.name.replace('_', ' ')} by a query in the body"
    return {**operation, "operationId": f"query_{view.name}", "summary": summary, "requestBody": {"content": content}}


def _asking_answer(
    endpoint: CompiledEndpoint, source: Source, runtime: Runtime, middleware: Mapping[str, MiddlewareDef]
) -> dict[str, Any]:
    """Give the call by rpc, whose answer is asked as a view is by what is no input: a list of rows, or one or none."""
    operation = _operation(endpoint, runtime, middleware)
    inputs = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
    row = shown_row(source.shown)
    schema = {"oneOf": [row, {"type": "array", "items": row}, {"type": "null"}]}
    answer = {"description": "What is asked of the answer", "content": {"application/json": {"schema": schema}}}
    statuses = [*(status for status in operation["responses"] if status.startswith("2")), "206"]
    return {
        **operation,
        "operationId": f"rpc_{endpoint.name}",
        "summary": f"{operation['summary']}, asked as a view is",
        "parameters": operation["parameters"] + [one for one in _asked(source) if one["name"] not in inputs],
        "responses": {**dict.fromkeys(statuses, answer), "413": _too_large("RestProblem"), "default": _REST_PROBLEM},
    }


def _reading(view: CompiledView) -> dict[str, Any]:
    return _view_operation(view, "Read", "read", _asked(view.source))


def _asked(source: Source) -> list[dict[str, Any]]:
    """Give what rows are asked by: tests of each column, and the words of the dialect."""
    names = {"in": "query", "schema": {"type": "string"}, "description": "Names of columns, with commas."}
    numbers = {"in": "query", "schema": {"type": "integer", "minimum": 0}}
    made = [*_tests(source), *({"name": name, **names} for name in ("select", "order"))]
    return made + [{"name": name, **numbers} for name in ("limit", "offset")]


def _tests(source: Source) -> list[dict[str, Any]]:
    text = {"type": "string"}
    return [{"name": name, "in": "query", "schema": text, "description": _OPERATORS} for name in source.shown]


def _view_operation(view: CompiledView, verb: str, action: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    row = {"$ref": f"#/components/schemas/view.{view.name}"}
    forms = {JSON: {"type": "array", "items": row}, SINGLE: row, CSV: {"type": "string"}}
    answer = {"description": "Rows", "content": {form: {"schema": schema} for form, schema in forms.items()}}
    access = view.access["select" if action == "read" else action]
    statuses = {"read": ("200", "206"), "insert": ("201", "200")}.get(action, ("200",))
    nothing = {} if action in {"read", "insert"} else {"204": {"description": "Done; its rows are not wanted"}}
    return {
        "operationId": f"{action}_{view.name}",
        "summary": f"{verb} {view.name.replace('_', ' ')}",
        "description": " ".join(filter(None, (view.definition.description, _who(access)))),
        "tags": list(view.definition.tags) or ["views"],
        "parameters": parameters,
        "responses": {
            **dict.fromkeys(statuses, answer),
            **nothing,
            "413": _too_large("RestProblem"),
            "default": _REST_PROBLEM,
        },
        "security": [] if access.public else _BEARER,
    }

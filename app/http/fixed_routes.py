"""Fixed routes: what each takes, answers and refuses, said where it is done, and the OpenAPI document of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from http import HTTPStatus
from inspect import isclass, isfunction
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args, get_type_hints

from fastapi import APIRouter, Path, Response
from fastapi.openapi.utils import get_openapi
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.errors import RowgateError
from app.http.json_answer import to_json

PROBLEM = "application/problem+json"
_SCHEMAS = "#/components/schemas/"
_REFUSES = "refuses"
F = TypeVar("F", bound=Callable[..., Any])
Refusal = type[RowgateError]
Json = dict[str, Any]
NO_NUL = r"^[^\x00]*$"  # of a text that Postgres is asked by, which holds none
NameInPath = Annotated[str, Path(pattern=NO_NUL)]  # of what Postgres is asked for


class InputInvalid(RowgateError):
    """A part of the path, the query or the body is not what the route takes; `errors` has every field that failed."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "input.invalid"


class Declared(BaseModel):
    """The base of what a route answers: nothing that isn't declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def from_row(cls, row: object) -> Self:
        """Give what is declared of a row, and nothing else of it."""
        return cls.model_validate(row, from_attributes=True)


class ProblemField(Declared):
    """One field that failed: where it stands, and why; of a definition what to do, and an expression's line."""

    loc: list[str | int]
    code: str
    message: str
    hint: str | None = None
    excerpt: str | None = None


class ProblemDocument(Declared):
    """A refusal (RFC 9457); `code` is stable, and docs/errors.md has each."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    hint: str | None = None
    errors: list[ProblemField] = []


def refuses(*kinds: Refusal) -> Callable[[F], F]:
    """Say what a route or a dependency may refuse with; what its own dependencies may is added by itself."""

    def marked(call: F) -> F:
        setattr(call, _REFUSES, kinds)
        return call

    return marked


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON, in which numbers keep every digit."""
    return Response(to_json(_plain(value)), status, headers, media_type="application/json")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    return [_plain(one) for one in value] if isinstance(value, list) else value


class FixedRouter(APIRouter):
    """A router that declares for each route what its dependencies take and refuse, beside what it says itself."""

    def __init__(self, *, problem: type[ProblemDocument] = ProblemDocument, **more: Any) -> None:
        """Take the form of its problem documents."""
        super().__init__(generate_unique_id_function=_own_name, **more)
        self._problem = problem
        self._starts: set[str] = set()
        self._counted = 0

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say which route a request is for; one whose path holds the start of none is compared with none."""
        if self._counted != len(self.routes):
            paths = [route.path if isinstance(route, APIRoute) else "" for route in self.routes]
            self._starts, self._counted = {path.partition("{")[0] for path in paths}, len(self.routes)
        if not any(start in scope["path"] for start in self._starts):
            return Match.NONE, {}
        return super().matches(scope)

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        """Add a route, with its body and each problem code that it may answer."""
        calls = [*_calls(endpoint), *_dependencies([*self.dependencies, *(more.get("dependencies") or ())])]
        kinds = {kind for call in calls for kind in getattr(call, _REFUSES, ())}
        if any(_is_parameter(hint) for call in calls for hint in _hints(call).values()):
            kinds.add(InputInvalid)
        more["responses"] = _problems(kinds, self._problem) | (more.get("responses") or {})
        for call in calls:
            if hasattr(call, "content"):
                more["openapi_extra"] = {"requestBody": {"content": call.content, "required": call.required}}
        super().add_api_route(path, endpoint, **more)


def _own_name(route: APIRoute) -> str:
    return route.name


def _calls(call: Any) -> Iterator[Any]:
    """Give a callable and those that FastAPI calls for it."""
    yield call
    for hint in _hints(call).values():
        yield from _dependencies(get_args(hint)[1:])


def _dependencies(listed: Iterable[Any]) -> Iterator[Any]:
    for one in listed:
        if isinstance(one, Depends) and one.dependency is not None:
            yield from _calls(one.dependency)


def _hints(call: Any) -> Json:
    """Give the annotations of its parameters."""
    hints = get_type_hints(call if isfunction(call) else type(call).__call__, include_extras=True)
    return {name: hint for name, hint in hints.items() if name != "return"}


def _is_parameter(hint: Any) -> bool:
    """Say whether FastAPI reads it from the path, the query or a header."""
    of_fastapi = isclass(hint) and issubclass(hint, HTTPConnection | Response)
    return not of_fastapi and not any(isinstance(one, Depends) for one in get_args(hint)[1:])


def _problems(kinds: Iterable[Refusal], problem: type[ProblemDocument]) -> dict[int | str, Json]:
    """Give the problem documents by status, each with its codes; what is the machine's fault has any."""
    codes: dict[int, set[str]] = {}
    for kind in kinds:
        codes.setdefault(kind.status, set()).add(kind.code)
    named: Json = {"$ref": _SCHEMAS + body_schema(problem)["title"]}
    found: dict[int | str, Json] = {}
    for status, listed in sorted(codes.items()):
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            coded = {"type": "object", "properties": {"code": {"type": "string", "enum": sorted(listed)}}}
            found[status] = _response(HTTPStatus(status).phrase, {"allOf": [named, coded]})
    found["5XX"] = _response("The server can't do it now, or failed", named)
    return found


def _response(description: str, schema: Json) -> Json:
    return {"description": description, "content": {PROBLEM: {"schema": schema}}}


@cache
def body_schema(model: type[BaseModel]) -> Json:
    """Give the schema of a body, with what it refers to in itself: `described` puts each under its own name."""
    return model.model_json_schema(ref_template=_SCHEMAS + "{model}")


def described(routes: Sequence[BaseRoute], *, problems: Sequence[type[ProblemDocument]], **info: Any) -> Json:
    """Give the OpenAPI document of fixed routes; `info` is its title and version."""
    document = deepcopy(get_openapi(routes=routes, **info))  # it has parts in common with the routes
    schemas: Json = document.setdefault("components", {}).setdefault("schemas", {})
    for path in document["paths"].values():
        for operation in path.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = _named(content["schema"], schemas)
    for problem in problems:
        _named(body_schema(problem), schemas)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _named(schema: Json, schemas: Json) -> Json:
    """Put a schema and what it refers to among the named ones, and give the reference to it."""
    own = {name: part for name, part in schema.items() if name != "$defs"}
    schemas |= {**schema.get("$defs", {}), own["title"]: own}
    return {"$ref": _SCHEMAS + own["title"]}

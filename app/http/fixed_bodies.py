"""A body of the fixed routes: JSON, read as strictly as any once the caller is known, as a frozen model."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from app.errors import FieldError, near
from app.http.exchange import exchange_of
from app.http.fixed_routes import InputInvalid, body_schema, refuses
from app.http.json_body import BadJson, BadText, BodyTooLarge
from app.http.long_json import read_json as read_long
from app.http.read_body import BodyIncomplete, BodyTimeout, BodyTypeUnsupported, ChangedMeanwhile, read_body

LIMIT = 64 * 1024
JSON = frozenset({"application/json"})
M = TypeVar("M", bound=BaseModel)
UNREADABLE = (BodyTooLarge, BodyTypeUnsupported, BodyIncomplete, BodyTimeout, BadJson, BadText, ChangedMeanwhile)
_CALLER = "rowgate.caller"


class Body(BaseModel):
    """The base of what a route takes: strict, and nothing that isn't declared."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ObjectBody(RootModel[dict[str, Any]]):
    """A JSON object whose members depend on what is defined."""


@refuses(*UNREADABLE, InputInvalid)
@dataclass(frozen=True, slots=True)
class JsonBody:
    """A dependency that reads the body as a model; raises InputInvalid with every field that failed.

    FastAPI's own bodies are read whole before anybody has asked who calls, and hold what two readers understand
    differently. A body that isn't sent is an empty object.
    """

    model: type[BaseModel]
    limit: int = LIMIT

    async def __call__(self, request: Request) -> BaseModel:
        """Read and check it."""
        return checked(await read_json(request, self.limit), self.model)

    @property
    def required(self) -> bool:
        """Say whether there has to be one."""
        return any(field.is_required() for field in self.model.model_fields.values())

    @property
    def content(self) -> dict[str, Any]:
        """Give what is taken, by media type, as OpenAPI has it."""
        return {"application/json": {"schema": body_schema(self.model)}}


def confirm_behind_body(request: Request, caller: object, again: Callable[[], Awaitable[object]]) -> None:
    """Have the caller read `again` once the body has come: who sends it slowly may be signed out meanwhile."""
    request.scope[_CALLER] = caller, again


async def hold_caller(request: Request) -> None:
    """Read the caller again, behind what took long, such as the body or a hash; call it while no connection is held.

    Raises ChangedMeanwhile for one who isn't the same, or what reading raises of nobody.
    """
    if _CALLER in request.scope:
        caller, again = request.scope[_CALLER]
        if await again() != caller:
            raise ChangedMeanwhile


async def read_known(request: Request, *, limit: int, media_types: Collection[str]) -> bytes:
    """Read a body, and hold the caller where it had to be waited for."""
    exchange = exchange_of(request.receive)
    waits = exchange is None or exchange.more_body
    raw = await read_body(request.receive, request.scope["headers"], limit=limit, media_types=media_types)
    if waits:
        await hold_caller(request)
    return raw


async def read_json(request: Request, limit: int = LIMIT) -> Any:
    """Read the JSON body of a request; none at all is an empty object."""
    raw = await read_known(request, limit=limit, media_types=JSON)
    return await read_long(raw) if raw else {}


def checked(value: Any, model: type[M]) -> M:
    """Check a value against a model; raises InputInvalid, which never holds what was sent."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_context=False, include_url=False)
        errors = [FieldError(("body", *one["loc"]), "input.invalid", _sentence(one, model)) for one in problems]
        raise InputInvalid("The body is not what is wanted here.", errors=errors) from None


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    """Say what is wrong with a field; of one that isn't taken, which one is meant or what there is."""
    if problem["type"] != "extra_forbidden" or len(problem["loc"]) != 1:
        sentence: str = problem["msg"]
        return sentence
    taken = [field.alias or name for name, field in model.model_fields.items()]
    meant = near(str(problem["loc"][0]), taken)
    listed = f"There are {', '.join(taken)}." if taken else "None is taken."
    return f"There is no such field: {meant}" if meant else f"There is no such field. {listed}"

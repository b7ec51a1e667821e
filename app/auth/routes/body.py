"""A body of the fixed routes: JSON, read as strictly as any, as a frozen model."""

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import FieldError, RowgateError
from app.http.json_body import parse_json
from app.http.read_body import read_body

LIMIT = 64 * 1024
JSON = frozenset({"application/json"})
M = TypeVar("M", bound="Body")


class BodyInvalid(RowgateError):
    """Fields of the body are missing, unknown or of the wrong type; `errors` has all of them."""

    status = 422
    code = "input.invalid"


class Body(BaseModel):
    """The base of what a route takes: strict, and nothing that isn't declared."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


async def read_json(request: Request, limit: int = LIMIT) -> Any:
    """Read the JSON body of a request; none at all is an empty object."""
    raw = await read_body(request.receive, request.scope["headers"], limit=limit, media_types=JSON)
    return parse_json(raw) if raw else {}


async def read(request: Request, model: type[M]) -> M:
    """Read the body as a model; raises BodyInvalid with every field that failed, and never what it held."""
    return checked(await read_json(request), model)


def checked(value: Any, model: type[M]) -> M:
    """Check a value against a model."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_context=False, include_url=False)
        errors = [FieldError(("body", *one["loc"]), "input.invalid", one["msg"]) for one in problems]
        raise BodyInvalid("The body is not what is wanted here.", errors=errors) from None

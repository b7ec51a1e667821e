"""Policy tests: who asks for what, over which rows, and what has to come of it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app.definitions.names import Definition, Items, Name

ANONYMOUS = "anonymous"
CALLER = "me"
MOST_ROWS = 1000

Count = Annotated[int, Field(ge=0)]


class CallerDef(Definition):
    """Who asks: a user by the label of the row, with roles and columns of its own, or with `key` an API key."""

    id: Name | None = None
    roles: Items[Name] = ()
    columns: dict[str, Any] = Field(default_factory=dict)
    key: bool = False

    @model_validator(mode="after")
    def _keys_are_nobody(self) -> Self:
        if self.key and (self.id is not None or self.columns):
            msg = "an API key is no user: it has roles, and neither id nor columns"
            raise ValueError(msg)
        return self


def _caller(value: object) -> object:
    if value == ANONYMOUS:
        return None
    return {"id": value} if isinstance(value, str) else value


class RequestDef(Definition):
    """What is asked for; the query stands behind `?` in the path, or by itself."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str = Field(max_length=8192)
    query: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None


class ChangedDef(Definition):
    """How many rows of a table are inserted, updated and deleted."""

    inserted: Count = 0
    updated: Count = 0
    deleted: Count = 0


class ExpectDef(Definition):
    """What has to come: the status, and as much of the rest as the test cares about."""

    status: int = Field(ge=200, le=599)
    code: str | None = None
    body: Any = None
    rows: Count | None = None
    changed: dict[Name, ChangedDef] | None = None


class PolicyTestDef(Definition):
    """One request, and what has to come of it: `{as: bob, given: {…}, request: {…}, expect: {status: 403}}`."""

    name: Name
    was: Name | None = None
    description: str | None = None
    as_: Annotated[CallerDef | None, BeforeValidator(_caller)] = Field(default=None, alias="as")
    now: str | None = None
    given: dict[Name, Annotated[Items[dict[str, Any]], Field(max_length=MOST_ROWS)]] = Field(default_factory=dict)
    request: RequestDef
    expect: ExpectDef

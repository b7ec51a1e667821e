"""Policy tests: who asks for what, over which rows, and what has to come of it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app.definitions.auth import BY_ADDRESS
from app.definitions.names import Definition, Items, Name

ANONYMOUS = "anonymous"
CALLER = "me"
MOST_ROWS = 1000
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

Count = Annotated[int, Field(ge=0)]


class SignInDef(Definition):
    """How the caller has signed in; what is left out is as of a password."""

    aal: Literal["aal1", "aal2"] = "aal1"
    """`auth.aal`: by one factor, or by two."""
    amr: Items[str] = ()
    """`auth.amr`: the methods, the newest first."""
    provider: str = Field(default=BY_ADDRESS, min_length=1, max_length=500)
    """`auth.provider`: `email`, `anonymous`, the name of a provider, or an issuer's address."""
    session_id: str | None = Field(default=None, pattern=_UUID)
    """`auth.session_id`."""
    claims: dict[str, Any] | None = None
    """`auth.claims`: what an issuer's token says."""


class CallerDef(Definition):
    """Who asks: a user by the label of the row, with roles and columns of its own, or with `key` an API key."""

    id: Name | None = None
    """The label of the row of `users` that asks; without one a row `me` is made."""
    roles: Items[Name] = ()
    """The roles that the caller holds."""
    columns: dict[str, Any] = Field(default_factory=dict)
    """Columns of the row that is made."""
    key: bool = False
    """Whether an API key asks, and no user."""
    sign_in: SignInDef = SignInDef()
    """How the caller has signed in."""

    @model_validator(mode="after")
    def _keys_are_nobody(self) -> Self:
        if self.key and (self.id is not None or self.columns or self.sign_in != SignInDef()):
            msg = "an API key is no user: it has roles, and neither id, columns nor sign_in"
            raise ValueError(msg)
        return self


def _caller(value: object) -> object:
    if value == ANONYMOUS:
        return None
    return {"id": value} if isinstance(value, str) else value


class RequestDef(Definition):
    """What is asked for; the query stands behind `?` in the path, or by itself."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """The HTTP method."""
    path: str = Field(max_length=8192)
    """The path, such as `/api/documents/{plan}`, where `{plan}` is the id of a row that was given."""
    query: dict[str, Any] = Field(default_factory=dict)
    """Parameters, beside those in the path."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers."""
    body: Any = None
    """The body, as JSON has it."""


class ChangedDef(Definition):
    """How many rows of a table are inserted, updated and deleted."""

    inserted: Count = 0
    """Rows that are new."""
    updated: Count = 0
    """Rows that are changed."""
    deleted: Count = 0
    """Rows that are gone."""


class ExpectDef(Definition):
    """What has to come: the status, and as much of the rest as the test cares about."""

    status: int = Field(ge=200, le=599)
    """The status of the answer."""
    code: str | None = None
    """The code of the refusal."""
    body: Any = None
    """What the answer has to hold; of an object, as many keys as are said."""
    rows: Count | None = None
    """How many rows a list has."""
    changed: dict[Name, ChangedDef] | None = None
    """How many rows of each table change; one that isn't named is unchanged."""


class PolicyTestDef(Definition):
    """One request, and what has to come of it: `{as: bob, given: {…}, request: {…}, expect: {status: 403}}`."""

    name: Name
    """What a failure names."""
    was: Name | None = None
    """The name before, where this renames it."""
    description: str | None = None
    """For people who read the document."""
    as_: Annotated[CallerDef | None, BeforeValidator(_caller, json_schema_input_type=CallerDef | Name | None)] = Field(
        default=None, alias="as"
    )
    """Who asks: `anonymous` (by itself), `me`, the label of a row of `users`, or an object."""
    now: str | None = None
    """The time that rules see."""
    given: dict[Name, Annotated[Items[dict[str, Any]], Field(max_length=MOST_ROWS)]] = Field(default_factory=dict)
    """The rows that are there, by table; the `id` of one is its label."""
    request: RequestDef
    """What is asked for."""
    expect: ExpectDef
    """What has to come of it."""

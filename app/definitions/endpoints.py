"""Endpoints: a method and a path, who may call, what comes in, and the steps that answer."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from app.definitions.access import Access
from app.definitions.answers import MAX_BYTES, MaxBytes
from app.definitions.inputs import InputsDef, RuleDef
from app.definitions.names import Definition, Items, Name
from app.definitions.steps import StepsMixin, UseDef

SEGMENT = re.compile(r"[A-Za-z0-9_.~-]+|\{[a-z][A-Za-z0-9_]{0,62}\}")
BODY_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain"}
BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ResponseDef(Definition):
    """One answer of an endpoint, for whoever calls it; `schema` is a JSON Schema of its body."""

    description: str = "An answer"
    """When it comes."""
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    """A JSON Schema of its body."""


def _texts(said: Any) -> Any:
    """Take a status as YAML has it, a number, as well."""
    return {str(key): value for key, value in said.items()} if isinstance(said, dict) else said


Status = Annotated[str, StringConstraints(pattern=re.compile(r"^([1-5]([0-9]{2}|XX)|default)$"))]


TIMEOUT = 10.0  # seconds that a request may take where its endpoint says nothing, and for a view


class EndpointDef(StepsMixin):
    """One endpoint, served under `/api`."""

    name: Name
    """What `rpc`, tests and the admin API call it."""
    was: Name | None = None
    """The name before, where this renames it."""
    description: str | None = None
    """For the OpenAPI document."""
    tags: Items[str] = ()
    """Groups of the OpenAPI document."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    """The HTTP method."""
    path: str = Field(max_length=1024)
    """Where it is served below `/api`, with names in braces."""
    access: Access
    """Who may call it."""
    input: InputsDef = InputsDef()
    """What it takes; all of it lands in one `input`."""
    rules: Items[RuleDef] = ()
    """What has to be true of the input as a whole; each failure is named in one 422."""
    middleware: Items[UseDef] = ()
    """Chains that run before its steps, in order."""
    skip: Items[Name] = ()
    """Middleware of the whole project that doesn't run here."""
    timeout: float = Field(default=TIMEOUT, gt=0, le=300)
    """Seconds that a request may take."""
    body_limit: int = Field(default=1024 * 1024, ge=1, le=32 * 1024 * 1024)
    """The most bytes of a body."""
    body_types: Items[Literal["json", "form", "text"]] = Field(default=("json",), min_length=1)
    """What a body may be: of a form each field is a text, and a text is taken where `input.body` is `any`, or raw."""
    raw_body: bool = False
    """Whether rules see the body as it came, the text `request.body`."""
    max_bytes: MaxBytes = MAX_BYTES
    """The most bytes of an answer."""
    isolation: Literal["read committed", "serializable"] = "read committed"
    """How its transaction is kept apart from others."""
    responses: Annotated[dict[Status, ResponseDef], BeforeValidator(_texts)] = Field(default_factory=dict)
    """Answers by their status, for the OpenAPI document."""

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Give whom it lets in."""
        return (self.access,)

    @property
    def path_names(self) -> tuple[str, ...]:
        """Name the parts of the path that stand in braces, in order."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @model_validator(mode="after")
    def _path_fits(self) -> Self:
        segments = self.path.removeprefix("/").split("/")
        if not self.path.startswith("/") or not all(SEGMENT.fullmatch(s) and s not in {".", ".."} for s in segments):
            msg = "a path looks like /documents/{record_id}/submit: letters, digits, - _ . ~ and names in braces"
            raise ValueError(msg)
        names = self.path_names
        if len(set(names)) != len(names):
            msg = "a name stands twice in the path"
            raise ValueError(msg)
        if set(names) != set(self.input.path):
            msg = f"the path names {sorted(names)} and input.path declares {sorted(self.input.path)}: they must agree"
            raise ValueError(msg)
        if self.input.body and self.method not in BODY_METHODS:
            msg = f"{self.method} takes no body: declare the input in query, or use POST"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _bodies_fit(self) -> Self:
        if self.raw_body and self.method not in BODY_METHODS:
            msg = f"{self.method} takes no body: leave raw_body out, or use POST"
            raise ValueError(msg)
        fields = {} if isinstance(self.input.body, str) else self.input.body
        if fields and "text" in self.body_types:
            msg = "a text has no fields: leave text out of body_types, or say input: {body: any}"
            raise ValueError(msg)
        nested = [name for name, field in fields.items() if field.type in ("object", "list")]
        if nested and "form" in self.body_types:
            msg = f"a form holds texts: leave form out of body_types, or {', '.join(nested)} out of the body"
            raise ValueError(msg)
        return self

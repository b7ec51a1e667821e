"""What the token route takes: JSON as GoTrue's clients send it, or the form of OAuth2 (RFC 6749, 4.3 and 6)."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import RootModel

from app.auth.passwords import SentPassword
from app.errors import RowgateError
from app.http.fixed_bodies import UNREADABLE, Body, read_json, read_known
from app.http.fixed_routes import InputInvalid, body_schema, refuses
from app.http.json_body import check_texts

FORM = "application/x-www-form-urlencoded"
_KNOWN = frozenset({"username", "email", "password", "refresh_token"})


class GrantUnsupported(RowgateError):
    """A grant type that isn't served."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.grant_unsupported"


class PasswordBody(Body):
    """What GoTrue's clients send to sign in; `data`, which the Python client sends along, changes nothing."""

    email: str
    password: SentPassword
    data: dict[str, Any] | None = None
    gotrue_meta_security: dict[str, object] | None = None


class RefreshBody(Body):
    """What auth-js sends to refresh."""

    refresh_token: str


class PkceBody(Body):
    """What auth-js sends to exchange the code of a flow."""

    auth_code: str
    code_verifier: str


class IdTokenBody(Body):
    """What auth-js sends to sign in by a provider's ID token; `nonce` is what the provider was told the SHA-256 of.

    `link_identity` links it to the account that is signed in.
    """

    provider: str
    id_token: str
    access_token: str | None = None
    nonce: str | None = None
    link_identity: bool = False
    gotrue_meta_security: dict[str, object] | None = None


class TokenBody(RootModel[PasswordBody | RefreshBody | PkceBody | IdTokenBody]):
    """What either grant sends."""


class GrantForm(Body):
    """The form that OAuth2's clients send, such as Swagger's Authorize button."""

    grant_type: str = "password"
    username: str | None = None
    password: SentPassword | None = None
    refresh_token: str | None = None


class Grant(NamedTuple):
    """The grant type, and what came with it."""

    kind: str | None
    fields: dict[str, Any]


@refuses(*UNREADABLE, InputInvalid)
@dataclass(frozen=True, slots=True)
class GrantBody:
    """A dependency that reads the body of the token route."""

    async def __call__(self, request: Request, grant_type: str | None = None) -> Grant:
        """Read it, by its content type."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == FORM:
            return await _form(request, grant_type)
        value = await read_json(request)
        if not isinstance(value, dict):
            raise InputInvalid("The body has to be a JSON object.")
        return Grant(grant_type, value)

    required: ClassVar[bool] = True

    @property
    def content(self) -> dict[str, Any]:
        """Give what is taken, by media type, as OpenAPI has it."""
        return {"application/json": {"schema": body_schema(TokenBody)}, FORM: {"schema": body_schema(GrantForm)}}


async def _form(request: Request, grant_type: str | None) -> Grant:
    form = await read_form(request)
    kind = form.pop("grant_type", None) or grant_type or "password"
    renamed = {"username": "email"}
    return Grant(kind, {renamed.get(name, name): value for name, value in form.items() if name in _KNOWN})


async def read_form(request: Request) -> dict[str, str]:
    """Read a form, in which each field stands once."""
    raw = await read_known(request, limit=8192, media_types={FORM})
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise InputInvalid("The body is no form.") from None
    check_texts([value for _, value in pairs])
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InputInvalid("A field stands twice.")
    return form

"""Providers by which people sign in: OpenID Connect issuers that say who somebody is, once, at the sign-in."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.definitions.auth_issuers import IssuerUrl
from app.definitions.expression_text import ExpressionText
from app.definitions.names import Definition, Items, Name
from app.definitions.secret_names import NAMED_LIKE

_SCOPE = re.compile(r"[!#-\[\]-~]{1,100}")
_OPENID = "openid"


def _scopes(said: tuple[str, ...]) -> tuple[str, ...]:
    if _OPENID not in said or len(set(said)) < len(said):
        msg = "the scopes are said once each, openid among them: without it a provider tells nothing about anybody"
        raise ValueError(msg)
    for one in said:
        if not _SCOPE.fullmatch(one):
            msg = "a scope is a text of ASCII characters without spaces, such as profile"
            raise ValueError(msg)
    return said


class ProviderDef(Definition):
    """A provider: its ID tokens sign people in, and make the account of who comes for the first time."""

    name: Name
    """What clients call it, as in `signInWithOAuth({provider: "acme"})`."""
    issuer: IssuerUrl
    """The `iss` of its ID tokens; its keys and addresses are found by OpenID Connect Discovery."""
    client_id: str = Field(min_length=1, max_length=255)
    """What it calls this backend, which has to stand in `aud`."""
    client_secret: Annotated[str, StringConstraints(pattern=NAMED_LIKE)] | None = None
    """The name of the secret by which this backend shows the provider who it is; without one it has PKCE alone."""
    scopes: Annotated[Items[str], AfterValidator(_scopes)] = (_OPENID, "email", "profile")
    """What the provider is asked to tell, when somebody signs in through the browser."""
    columns: Mapping[str, ExpressionText] = {}
    """Columns of `users` that are taken from `claims` at the first sign-in."""
    trust_email: bool = False
    """Whether an address that it calls verified joins the account that has verified the same one."""

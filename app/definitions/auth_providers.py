"""Providers by which people sign in: OpenID Connect issuers that say who somebody is, once, at the sign-in."""

from collections.abc import Mapping

from pydantic import Field

from app.definitions.auth_issuers import IssuerUrl
from app.definitions.expression_text import ExpressionText
from app.definitions.names import Definition, Name


class ProviderDef(Definition):
    """A provider: its ID tokens sign people in, and make the account of who comes for the first time."""

    name: Name
    """What clients call it, as in `signInWithIdToken({provider: "acme", …})`."""
    issuer: IssuerUrl
    """The `iss` of its ID tokens; its keys are found by OpenID Connect Discovery."""
    client_id: str = Field(min_length=1, max_length=255)
    """What it calls this backend, which has to stand in `aud`."""
    columns: Mapping[str, ExpressionText] = {}
    """Columns of `users` that are taken from `claims` at the first sign-in."""
    trust_email: bool = False
    """Whether an address that it calls verified joins the account that has verified the same one."""

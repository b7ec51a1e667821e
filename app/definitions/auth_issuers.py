"""Issuers whose tokens are taken as they are, and who their people are here."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from app.definitions.expression_text import ExpressionText, OptionalExpression
from app.definitions.names import Definition, Items, Name

_ISSUER = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_LIFE = re.compile(r"([1-9][0-9]{0,3})([mh])")
_LONGEST_HOURS = 24


def _issuer(text: str) -> str:
    if len(text) > 500 or not _ISSUER.fullmatch(text) or "/../" in f"{urlsplit(text).path}/":
        msg = (
            "an issuer is an address as its tokens have it, such as https://id.example.com, without query and fragment"
        )
        raise ValueError(msg)
    return text


def _life(text: str) -> str:
    if _LIFE.fullmatch(text) is None or life_seconds(text) > _LONGEST_HOURS * 3600:
        msg = "a time is a number and m or h, such as 30m or 1h, and at most 24h"
        raise ValueError(msg)
    return text


def life_seconds(text: str) -> int:
    """Give the seconds of a time that was checked."""
    return int(text[:-1]) * (60 if text.endswith("m") else 3600)


IssuerUrl = Annotated[str, AfterValidator(_issuer)]


class IssuerDef(Definition):
    """Somebody else who says who people are: their access tokens count here, if they are for this audience."""

    issuer: IssuerUrl
    """The `iss` of the tokens; its keys are found by OpenID Connect Discovery."""
    audience: str = Field(min_length=1, max_length=255)
    """What has to stand in `aud`."""
    user: ExpressionText = "claims.sub"
    """Whom a token is about: a text that is never given to another person."""
    roles: OptionalExpression = None
    """The groups that a token tells, as a list of texts, such as `claims.groups`."""
    grants: Items[Name] = ()
    """The roles that may come from there; a group of another name opens nothing."""
    aal2: OptionalExpression = None
    """When a token counts as two factors, such as `claims.acr == 'mfa'` or `'mfa' in claims.amr`; else it is one."""
    create: bool = False
    """Whether who comes for the first time gets an account; else only who is known is let in."""
    max_age: Annotated[str, AfterValidator(_life)] = "1h"
    """How long a token counts from its `iat` on, even if its `exp` is later."""

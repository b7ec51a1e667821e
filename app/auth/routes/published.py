"""What anybody may read to verify access tokens: the public keys, and where they are."""

from typing import Any, ClassVar

from fastapi import Response

from app.auth.auth_server import AuthServerDep
from app.auth.signing_keys import PUBLISHED_SECONDS
from app.auth.tokens import AUDIENCE
from app.errors import RowgateError
from app.http.fixed_routes import Declared, answer, refuses

_KEPT = {"Cache-Control": f"public, max-age={PUBLISHED_SECONDS}"}


class PublicUrlMissing(RowgateError):
    """What is asked for names addresses of this server, which it doesn't know."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "auth.no_public_url"


class KeySet(Declared):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, Any]]


class Discovery(Declared):
    """Where the public keys are, and what tokens say (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    jwks_uri: str
    token_endpoint: str
    userinfo_endpoint: str
    audience: str
    response_types_supported: list[str]
    subject_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]


async def jwks(server: AuthServerDep) -> Response:
    """Publish the public keys that tokens are verified with: none while they are signed with a shared secret."""
    return answer(KeySet(keys=server.auth.tokens.published()), headers=_KEPT)


@refuses(PublicUrlMissing)
async def openid_configuration(server: AuthServerDep) -> Response:
    """Say who issues tokens, and where the keys are."""
    base = server.settings.public_url
    if base is None:
        raise PublicUrlMissing(
            "This server doesn't know its own address.", hint="Set ROWGATE_PUBLIC_URL, and start it again."
        )
    tokens, routes = server.auth.tokens, f"{base}/auth/v1"
    document = Discovery(
        issuer=tokens.issuer,
        jwks_uri=f"{routes}/.well-known/jwks.json",
        token_endpoint=f"{routes}/token",
        userinfo_endpoint=f"{routes}/user",
        audience=AUDIENCE,
        response_types_supported=[],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=sorted({key["alg"] for key in tokens.published()}),
    )
    return answer(document, headers=_KEPT)

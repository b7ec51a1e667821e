"""The authorization code flow towards a provider (OpenID Connect Core 1.0, 3.1): where to ask, what a code proves."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from app.auth.flows import Question
from app.auth.foreign_keys import ForeignKeys, IssuerUnreachable, Metadata
from app.auth.identity import ANONYMOUS
from app.auth.providers import IdTokenRefused, Proven, Provider, proven
from app.database.pool import Pool
from app.errors import RowgateError
from app.outward.calls import OutwardCall, bound_hosts, refuse_bad_status
from app.outward.failures import CallFailed
from app.outward.urls import read_url
from app.secrets.sealed import Secret, load_secrets
from app.secrets.uses import audit_uses

_CODES = re.compile(r"[a-z_]{1,50}")
_TOLD = 300  # characters of a provider's own words


class CodeExchangeFailed(RowgateError):
    """The provider gives no ID token for the code that it gave before; told where the sign-in ends."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "auth.code_exchange_failed"

    def __init__(self) -> None:
        """Say one sentence for every cause; the log has which it is."""
        super().__init__("The provider gave nothing for its code.", hint="Sign in at the provider again.")


class ProviderRefused(RowgateError):
    """The provider signs nobody in this time, such as when its question is declined; told where the sign-in ends."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.provider_refused"

    def __init__(self, error: str, description: str) -> None:
        """Take the provider's code (RFC 6749, 4.1.2.1) and its words."""
        self.error = error if _CODES.fullmatch(error) else "access_denied"
        told = "".join(one for one in description[:_TOLD] if one.isprintable())
        super().__init__(told or "The provider has signed nobody in.")


def authorization_url(
    keys: ForeignKeys, metadata: Metadata, provider: Provider, asked: Question, more: Mapping[str, str]
) -> str:
    """Give where a browser asks the provider who somebody is; raises IssuerUnreachable where it tells no such place."""
    said, place = provider.said, _endpoint(keys, metadata, "authorization_endpoint")
    query = {
        "response_type": "code", "client_id": said.client_id, "redirect_uri": asked.back,
        "scope": " ".join(said.scopes), "state": asked.state, "nonce": asked.nonce,
        "code_challenge": asked.challenge, "code_challenge_method": "S256", **more,
    }  # fmt: skip
    return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"


def hold_issuer(metadata: Metadata, issuer: str, told: str | None) -> None:
    """Refuse an answer of another issuer than the one that was asked (RFC 9207); raises IdTokenRefused."""
    tells = metadata.members.get("authorization_response_iss_parameter_supported") is True
    if told != issuer and (told is not None or tells):
        raise IdTokenRefused


async def proven_by_code(
    keys: ForeignKeys, pool: Pool, provider: Provider, code: str, asked: Question, now: float
) -> Proven:
    """Exchange a code for an ID token and verify that; no connection is held while the provider is asked.

    Raises CodeExchangeFailed, IdTokenRefused, IssuerUnreachable, or what opening the secret raises.
    """
    metadata = await keys.metadata(provider.said.issuer)
    secrets = await _opened(keys, pool, provider)
    try:
        answer = await keys.outward.send(_call(keys, metadata, provider, secrets, code, asked))
        refuse_bad_status(answer)
    except CallFailed:
        raise CodeExchangeFailed from None
    token = answer.body.get("id_token") if isinstance(answer.body, Mapping) else None
    if not isinstance(token, str):
        raise CodeExchangeFailed
    return await proven(keys, provider, token, asked.nonce, now)


async def _opened(keys: ForeignKeys, pool: Pool, provider: Provider) -> Mapping[str, Secret]:
    name, place = provider.said.client_secret, f"auth/providers/{provider.said.name}"
    if name is None:
        return {}
    uses = keys.outward.uses
    async with pool.lease() as connection, connection.transaction():
        found = await load_secrets(connection, keys.outward.key, [name])
        if due := uses.due([name], place, ANONYMOUS):
            await audit_uses(connection, due, ANONYMOUS, place)
    uses.written(due)
    return found


def takes_basic(metadata: Metadata) -> bool:
    """Say whether a provider takes the secret in a header, as it does where it lists no ways."""
    ways = metadata.members.get("token_endpoint_auth_methods_supported")
    return not isinstance(ways, list) or "client_secret_basic" in ways


def _call(
    keys: ForeignKeys, metadata: Metadata, provider: Provider, secrets: Mapping[str, Secret], code: str, asked: Question
) -> OutwardCall:
    """Make the call (RFC 6749, 4.1.3): the secret stands in its header, or in its body where only that is taken."""
    client_id = provider.said.client_id
    form: dict[str, Any] = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": asked.back, "code_verifier": asked.verifier,
    }  # fmt: skip
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    secret = next(iter(secrets.values()), None)
    if secret is not None and takes_basic(metadata):
        pair = f"{quote(client_id, safe='')}:{quote(secret.value, safe='')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client_id, **({} if secret is None else {"client_secret": secret.value})}
    return OutwardCall(
        "POST", _endpoint(keys, metadata, "token_endpoint"), tuple(headers.items()), urlencode(form).encode(),
        allow=keys.allowed(), bound=bound_hosts(secrets),
    )  # fmt: skip


def _endpoint(keys: ForeignKeys, metadata: Metadata, name: str) -> str:
    """Give a place that the issuer names, over https unless the document allows its host."""
    url = metadata.members.get(name)
    try:
        target = read_url(url)
    except CallFailed:
        raise IssuerUnreachable from None
    if target.scheme != "https" and not target.is_named(keys.allowed()):
        raise IssuerUnreachable
    return target.url

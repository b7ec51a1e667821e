"""Passkeys (WebAuthn): added by who is signed in, and a way in without a password; only this file knows webauthn."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from app.database.clearing import clear_few
from app.database.connection import Connection
from app.errors import RowgateError

METHOD = "webauthn"
CHALLENGE_SECONDS = 300
_CLEAR = clear_few("rowgate.passkey_challenges")
MOST = 20  # passkeys of one person
_CHALLENGE_BYTES = 32
_HOLD_OWNER = """
SELECT user_id FROM rowgate.accounts
WHERE user_id = (SELECT p.user_id FROM rowgate.passkeys p WHERE p.credential_id = $1) AND disabled_at IS NULL
FOR NO KEY UPDATE
"""
_HOLD_PASSKEY = """
SELECT id, user_id, public_key, sign_count FROM rowgate.passkeys WHERE credential_id = $1 AND user_id = $2 FOR UPDATE
"""


class PasskeysOff(RowgateError):
    """The document doesn't say `passkeys: true`, or nothing says where the pages are that they are for."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.passkeys_off"


class PasskeyRefused(RowgateError):
    """What came answers no challenge that goes on, or isn't signed by a passkey that is known here."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.passkey_refused"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("The passkey isn't right, or its challenge is over.", hint="Begin again.")


class PasskeyChallengeGone(PasskeyRefused):
    """The challenge was answered before, is over, or never was; which of them isn't told."""


class PasskeyNotFound(RowgateError):
    """There is no such passkey of one's own."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "auth.passkey_not_found"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("There is no such passkey.")


class TooManyPasskeys(RowgateError):
    """Nobody needs more of them."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.too_many_passkeys"


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys are for: the host that they are bound to, and the origins of pages that may ask for one."""

    name: str
    host: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PasskeyAsked:
    """A challenge, and what `navigator.credentials` is given."""

    id: str
    options: dict[str, Any]
    ends: datetime


def _webauthn() -> Any:
    import webauthn  # noqa: PLC0415 - 6 MB, for who uses passkeys

    return webauthn


def site_of(name: str | None, site_url: str | None, origins: Sequence[str]) -> Site:
    """Give where passkeys are for: the site's host, and its pages and those of its subdomains that may call.

    Raises PasskeysOff where nothing says it.
    """
    parts = urlsplit(site_url or "")
    if not parts.hostname:
        raise PasskeysOff("Passkeys need auth.site_url or ROWGATE_PUBLIC_URL: they are bound to its host.")
    host, own = parts.hostname, f"{parts.scheme}://{parts.netloc}"
    beside = [one for one in origins if _is_within(urlsplit(one).hostname or "", host)]
    return Site(name or host, host, tuple(dict.fromkeys([own, *beside])))


def _is_within(host: str, site: str) -> bool:
    return host == site or host.endswith(f".{site}")


async def ask_to_add(connection: Connection, site: Site, user_id: str, email: str) -> PasskeyAsked:
    """Begin to add a passkey, inside a transaction; raises TooManyPasskeys."""
    known = await connection.fetch("SELECT credential_id FROM rowgate.passkeys WHERE user_id = $1", user_id)
    if len(known) >= MOST:
        raise TooManyPasskeys(f"There are {MOST} passkeys already.", hint="Take one away first.")
    webauthn, challenge = _webauthn(), secrets.token_bytes(_CHALLENGE_BYTES)
    structs = webauthn.helpers.structs
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=site.name,
        user_id=user_id.encode(),
        user_name=email,
        challenge=challenge,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in known],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
    )
    return await _asked(connection, user_id, challenge, webauthn.options_to_json(options))


async def ask_to_sign_in(connection: Connection, site: Site) -> PasskeyAsked:
    """Begin to sign in, inside a transaction, by whichever passkey the person chooses."""
    webauthn, challenge = _webauthn(), secrets.token_bytes(_CHALLENGE_BYTES)
    structs = webauthn.helpers.structs
    options = webauthn.generate_authentication_options(
        rp_id=site.host, challenge=challenge, user_verification=structs.UserVerificationRequirement.REQUIRED
    )
    return await _asked(connection, None, challenge, webauthn.options_to_json(options))


async def _asked(connection: Connection, user_id: str | None, challenge: bytes, options: str) -> PasskeyAsked:
    await connection.execute(_CLEAR)
    made = await connection.fetchrow(
        "INSERT INTO rowgate.passkey_challenges (user_id, challenge, expires_at)"
        f" VALUES ($1, $2, now() + interval '{CHALLENGE_SECONDS} seconds') RETURNING id, expires_at",
        user_id,
        challenge,
    )
    return PasskeyAsked(made["id"], json.loads(options), made["expires_at"])


async def take_challenge(connection: Connection, challenge_id: str, user_id: str | None) -> bytes:
    """Take a challenge, outside of the transaction that its answer needs: a wrong answer uses it up as well.

    Raises PasskeyChallengeGone.
    """
    found: bytes | None = await connection.fetchval(
        "DELETE FROM rowgate.passkey_challenges"
        " WHERE id = $1 AND user_id IS NOT DISTINCT FROM $2 AND expires_at > now() RETURNING challenge",
        challenge_id,
        user_id,
    )
    if found is None:
        raise PasskeyChallengeGone
    return found


def _verified(
    verify: Callable[..., Any], site: Site, challenge: bytes, credential: dict[str, Any], **known: object
) -> Any:
    """Let webauthn verify what came, with the person's own verification; raises PasskeyRefused.

    Whatever webauthn raises of a stranger's bytes, it didn't find them right; it raises more than it says that it does.
    """
    try:
        return verify(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=list(site.origins),
            require_user_verification=True,
            **known,
        )
    except Exception as error:
        raise PasskeyRefused from error


async def add(
    connection: Connection, site: Site, user_id: str, challenge: bytes, credential: dict[str, Any], name: str
) -> Any:
    """Keep a passkey that answers a challenge of this person, inside a transaction; raises PasskeyRefused."""
    made = _verified(_webauthn().verify_registration_response, site, challenge, credential)
    kept = await connection.fetchrow(
        "INSERT INTO rowgate.passkeys (user_id, credential_id, public_key, sign_count, name)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id, name, created_at, last_used_at",
        user_id,
        made.credential_id,
        made.credential_public_key,
        made.sign_count,
        name,
    )
    if kept is None:
        raise PasskeyRefused
    return kept


async def use(connection: Connection, site: Site, challenge: bytes, credential: dict[str, Any]) -> str:
    """Give whose passkey answers the challenge, inside a transaction; raises PasskeyRefused.

    One whose count goes back was copied (WebAuthn, 7.2), and is refused.
    """
    try:
        raw = _webauthn().base64url_to_bytes(str(credential.get("rawId") or credential.get("id") or ""))
    except ValueError:
        raise PasskeyRefused from None
    # The account first, as whoever disables it or takes its passkeys away has it: each would wait for the other.
    user_id = await connection.fetchval(_HOLD_OWNER, raw)
    row = None if user_id is None else await connection.fetchrow(_HOLD_PASSKEY, raw, user_id)
    if row is None:
        raise PasskeyRefused
    known = {"credential_public_key": row["public_key"], "credential_current_sign_count": row["sign_count"]}
    seen = _verified(_webauthn().verify_authentication_response, site, challenge, credential, **known)
    await connection.execute(
        "UPDATE rowgate.passkeys SET sign_count = $2, last_used_at = now() WHERE id = $1",
        row["id"],
        seen.new_sign_count,
    )
    return str(row["user_id"])


async def passkeys_of(connection: Connection, user_id: str) -> Sequence[Any]:
    """Read somebody's passkeys, the oldest first."""
    return await connection.fetch(
        "SELECT id, name, created_at, last_used_at FROM rowgate.passkeys WHERE user_id = $1 ORDER BY id", user_id
    )


async def rename(connection: Connection, user_id: str, passkey_id: str, name: str) -> Any:
    """Call a passkey something else; raises PasskeyNotFound."""
    row = await connection.fetchrow(
        "UPDATE rowgate.passkeys SET name = $3 WHERE id = $1 AND user_id = $2"
        " RETURNING id, name, created_at, last_used_at",
        passkey_id,
        user_id,
        name,
    )
    if row is None:
        raise PasskeyNotFound
    return row


async def remove(connection: Connection, user_id: str, passkey_id: str) -> None:
    """Take a passkey away; raises PasskeyNotFound."""
    gone = "DELETE FROM rowgate.passkeys WHERE id = $1 AND user_id = $2 RETURNING true"
    if await connection.fetchval(gone, passkey_id, user_id) is None:
        raise PasskeyNotFound

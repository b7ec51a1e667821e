"""Sign-ins under way in a browser: each step of one is handed on by a token that is good once, and kept by its hash."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from app.auth.one_time import FlowCodeInvalid, VerifierWrong, challenge_of, digest
from app.database.clearing import clear_few
from app.database.connection import Connection
from app.errors import RowgateError

# A ticket begins what somebody who is signed in has asked for; a state goes to the provider and back; a code is
# exchanged for a session. Each with the seconds that it is good for.
LIFETIMES = {"ticket": 120, "state": 600, "code": 300}
Stage = Literal["ticket", "state", "code"]
_CODE_PREFIX = "flow."  # no code of a mail's link has a dot

_COLUMNS = "provider, issuer, challenge, redirect_to, user_id::text, session_id::text, subject, email"
_KEEP = """
INSERT INTO rowgate.sign_in_flows (token, stage, browser, expires_at, provider, issuer, challenge, redirect_to, user_id,
    session_id, subject, email)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5, $6, $7, $8, $9, $10, $11, $12)
"""
_SPEND = f"""
DELETE FROM rowgate.sign_in_flows
WHERE token = $1 AND stage = $2 AND browser IS NOT DISTINCT FROM $3 AND expires_at > now() RETURNING {_COLUMNS}
"""
_CHALLENGE = "SELECT challenge FROM rowgate.sign_in_flows WHERE token = $1 AND stage = 'code' AND expires_at > now()"
_CLEAR = clear_few("rowgate.sign_in_flows", key="token")


class FlowStateInvalid(RowgateError):
    """What came back from a provider belongs to no sign-in of this browser, to one that is over, or came twice."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.flow_state_invalid"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("This sign-in was not begun in this browser, or is over.", hint="Begin again.")


class LinkNeedsPkce(RowgateError):
    """An identity is linked through the browser by the PKCE flow alone."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.link_needs_pkce"

    def __init__(self) -> None:
        """Say what to do; without a verifier whoever opens the address elsewhere would link their own identity."""
        super().__init__("An identity is linked by the PKCE flow.", hint="Make the client with flowType: 'pkce'.")


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in under way: at which provider, for whom, and where it ends.

    With a `session_id` it links an identity to the account `user_id`; once the provider has answered, `subject` and
    `email` are whom it named.
    """

    provider: str
    issuer: str
    challenge: str | None
    redirect_to: str
    user_id: str | None = None
    session_id: str | None = None
    subject: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)


def is_flow_code(code: str) -> bool:
    """Say whether a code is of a sign-in at a provider, and not of a mail's link."""
    return code.startswith(_CODE_PREFIX)


async def keep(connection: Connection, stage: Stage, flow: Flow, browser: str | None = None) -> str:
    """Keep a sign-in until its next step, and give the token that takes it there, in this browser or in any."""
    token = (_CODE_PREFIX if stage == "code" else "") + secrets.token_urlsafe(32)
    await connection.execute(_CLEAR)
    await connection.execute(
        _KEEP, digest(token), stage, None if browser is None else digest(browser), LIFETIMES[stage], flow.provider,
        flow.issuer, flow.challenge, flow.redirect_to, flow.user_id, flow.session_id, flow.subject, flow.email,
    )  # fmt: skip
    return token


async def spend(connection: Connection, stage: Stage, token: str, browser: str | None = None) -> Flow:
    """Use a token; raises FlowStateInvalid."""
    row: Any = await connection.fetchrow(_SPEND, digest(token), stage, None if browser is None else digest(browser))
    if row is None:
        raise FlowStateInvalid
    return Flow(**row)


async def spend_code(connection: Connection, code: str, verifier: str) -> Flow:
    """Use a code with its verifier, inside a transaction; raises FlowCodeInvalid or VerifierWrong."""
    challenge: str | None = await connection.fetchval(_CHALLENGE, digest(code))
    unknown = FlowCodeInvalid("The code of this flow is unknown, or was used.", hint="Begin again.")
    if challenge is None:
        raise unknown
    if not hmac.compare_digest(challenge, challenge_of(challenge.partition(":")[0], verifier)):
        raise VerifierWrong("The code verifier is not the one of this flow.")
    try:
        return await spend(connection, "code", code)
    except FlowStateInvalid:
        raise unknown from None


@dataclass(frozen=True, slots=True)
class Question:
    """What a provider is asked with, and what its answer is held against; only this server can make them again."""

    back: str
    """Where the provider sends the browser back to."""
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def of(cls, key: bytes, back: str, state: str, browser: str) -> "Question":
        """Make nonce and verifier of a state in a browser, so that neither is kept anywhere."""
        return cls(back, state, *(_bits(key, f"{what} {state} {browser}") for what in ("nonce", "verifier")))

    @property
    def challenge(self) -> str:
        """Give what the provider is told of the verifier (RFC 7636, 4.2)."""
        return challenge_of("s256", self.verifier).removeprefix("s256:")


def _bits(key: bytes, text: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).rstrip(b"=").decode()

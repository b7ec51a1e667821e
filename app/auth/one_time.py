"""Links and codes that are good for one use: drawn, kept by their hashes, and spent by whoever comes first."""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from app.database.clearing import clear_few
from app.database.connection import Connection
from app.errors import RowgateError

if TYPE_CHECKING:
    from app.auth.mailing import Mailing  # with the settings, of which who only checks has none

MAX_TRIES = 5  # wrong codes that end a code
Kind = Literal["confirmation", "recovery", "magic_link", "invite", "email_change", "reauthentication"]
# What clients call a link, and the kinds that it may be of.
TYPES: Mapping[str, tuple[Kind, ...]] = {
    "signup": ("confirmation",),
    "invite": ("invite",),
    "magiclink": ("magic_link", "confirmation"),
    "recovery": ("recovery",),
    "email_change": ("email_change",),
    "email": ("confirmation", "magic_link"),
}
_TYPE_OF: Mapping[str, str] = {
    "confirmation": "signup", "invite": "invite", "magic_link": "magiclink", "recovery": "recovery",
    "email_change": "email_change", "reauthentication": "reauthentication",
}  # fmt: skip

# Who changes tokens first holds whom they are for: two who change several of one person never wait for each other.
HOLD = "SELECT FROM data.users WHERE id = $1 FOR NO KEY UPDATE"
_HOLD_BY = """
SELECT FROM data.users WHERE id IN (SELECT user_id FROM rowgate.one_time_tokens WHERE {}) ORDER BY id FOR NO KEY UPDATE
"""
_BY_LINK = "link = $1"
_BY_ID = "id = $1"
_BY_EMAIL = "email = $1 AND kind = ANY($2)"
_OLDER = "UPDATE rowgate.one_time_tokens SET code = NULL WHERE email = $1 AND kind = $2 AND code IS NOT NULL"
_ADD = """
INSERT INTO rowgate.one_time_tokens (kind, user_id, email, new_email, link, code, exchange, challenge, redirect_to,
    password_hash, columns, expires_at, code_expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb, now() + make_interval(secs => $12),
    now() + make_interval(secs => $13))
"""
_CLEAR = clear_few("rowgate.one_time_tokens")
_END_CHANGE = "DELETE FROM rowgate.one_time_tokens WHERE user_id = $1 AND kind = 'email_change'"
_COLUMNS = "id, kind, user_id, email, new_email, challenge, redirect_to, password_hash, columns::text AS columns"
_USABLE = "user_id IS NOT NULL AND expires_at > now()"
_LOOK = f"SELECT {_COLUMNS} FROM rowgate.one_time_tokens WHERE {{}} = $1 AND {_USABLE}"
_SPEND_LINK = f"""
DELETE FROM rowgate.one_time_tokens WHERE link = $1 AND kind = ANY($2) AND {_USABLE} RETURNING {_COLUMNS}
"""
_SPEND = f"DELETE FROM rowgate.one_time_tokens WHERE id = $1 AND {_USABLE} RETURNING {_COLUMNS}"
_TRIED = f"""
UPDATE rowgate.one_time_tokens SET code_tries = code_tries + 1,
    code = CASE WHEN code_tries < {MAX_TRIES} THEN code END
WHERE email = $1 AND kind = ANY($2) AND code IS NOT NULL
"""
_SPEND_CODE = f"""
DELETE FROM rowgate.one_time_tokens WHERE email = $1 AND kind = ANY($2) AND code = ANY($3)
    AND code_expires_at > now() AND {_USABLE} RETURNING {_COLUMNS}
"""


class LinkInvalid(RowgateError):
    """A link or a code that is of no use: unknown, used, expired, of another kind or for another address."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.link_invalid"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("The link or the code is wrong, was used, or its time is over.", hint="Ask for another one.")


class FlowCodeInvalid(RowgateError):
    """The code of a PKCE flow is unknown, used or expired."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.flow_code_invalid"


class VerifierWrong(RowgateError):
    """The verifier isn't the one whose challenge began the flow; the code stays as it was."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.verifier_wrong"


@dataclass(frozen=True, slots=True)
class OneTime:
    """What a link or a code stands for; `columns` and `password_hash` wait for it to be used."""

    kind: Kind
    user_id: str | None
    email: str
    new_email: str | None = None
    challenge: str | None = None
    redirect_to: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    columns: Mapping[str, Any] | None = field(default=None, repr=False)
    id: str | None = None
    by_code: bool = False

    @classmethod
    def again(cls, kind: Kind, row: Mapping[str, Any]) -> "OneTime":
        """Give what a row stands for, so that another link stands for the same."""
        columns = row["columns"]
        return cls(kind, **{**row, "columns": None if columns is None else json.loads(columns)})

    @property
    def type(self) -> str:
        """Give what clients call it."""
        return _TYPE_OF[self.kind]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A link's token and a code, as they go into one mail and nowhere else."""

    link: str = field(repr=False)
    code: str = field(repr=False)


async def draw(connection: Connection, mailing: "Mailing", of: OneTime, lifetime: int, code_lifetime: int) -> Drawn:
    """Draw a link and a code, good for so many seconds; an older code for the address ends, an older link doesn't."""
    link, code = secrets.token_urlsafe(32), f"{secrets.randbelow(10**6):06d}"
    await hold_person(connection, of.user_id)
    await connection.execute(_OLDER, of.email, of.kind)
    await connection.execute(
        _ADD, of.kind, of.user_id, of.email, of.new_email, digest(link), _code_hash(mailing, of.kind, of.email, code),
        digest(exchange_code(mailing, link)), of.challenge, of.redirect_to, of.password_hash,
        None if of.columns is None else json.dumps(dict(of.columns)), lifetime, min(lifetime, code_lifetime),
    )  # fmt: skip
    await connection.execute(_CLEAR)
    return Drawn(link, code)


async def hold_person(connection: Connection, user_id: str | None) -> None:
    """Let nobody else change the links and codes of a person until the transaction ends."""
    await connection.execute(HOLD, user_id)


async def end_change(connection: Connection, user_id: str) -> None:
    """Take back a change of a person's address that nobody has confirmed yet, while the person is held."""
    await connection.execute(_END_CHANGE, user_id)


def digest(token: str) -> bytes:
    """Give what is kept of 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def exchange_code(mailing: "Mailing", link: str) -> str:
    """Give the code that a PKCE flow exchanges: the same for a link however often it is opened."""
    return urlsafe_b64encode(hmac.digest(mailing.exchange_key, link.encode(), "sha256")).rstrip(b"=").decode()


def _code_hash(mailing: "Mailing", kind: str, email: str, code: str) -> bytes:
    return hmac.digest(mailing.code_key, json.dumps([kind, email, code]).encode(), "sha256")


async def look(connection: Connection, link: str) -> OneTime | None:
    """Give what a link stands for, and spend nothing."""
    return _read(await connection.fetchrow(_LOOK.format("link"), digest(link)))


async def look_by_exchange(connection: Connection, code: str) -> OneTime | None:
    """Give what the code of a flow stands for, and spend nothing."""
    return _read(await connection.fetchrow(_LOOK.format("exchange"), digest(code)))


async def spend_link(connection: Connection, link: str, kinds: Sequence[str]) -> OneTime:
    """Use a link, inside a transaction; raises LinkInvalid."""
    await connection.execute(_HOLD_BY.format(_BY_LINK), digest(link))
    return _needed(_read(await connection.fetchrow(_SPEND_LINK, digest(link), list(kinds))))


async def tried(connection: Connection, email: str, kinds: Sequence[str]) -> None:
    """Raise the tries of the codes of an address, in a transaction of its own before a code is compared."""
    async with connection.transaction():
        await connection.execute(_HOLD_BY.format(_BY_EMAIL), email, list(kinds))
        await connection.execute(_TRIED, email, list(kinds))


async def spend_code(
    connection: Connection, mailing: "Mailing", email: str, kinds: Sequence[str], code: str
) -> OneTime:
    """Use a code, inside a transaction; raises LinkInvalid."""
    hashes = [_code_hash(mailing, kind, email, code) for kind in kinds]
    await connection.execute(_HOLD_BY.format(_BY_EMAIL), email, list(kinds))
    spent = _needed(_read(await connection.fetchrow(_SPEND_CODE, email, list(kinds), hashes)))
    return replace(spent, by_code=True)


async def spend_exchange(connection: Connection, code: str, verifier: str) -> OneTime:
    """Use the code of a flow with its verifier, inside a transaction; raises FlowCodeInvalid or VerifierWrong."""
    found = await look_by_exchange(connection, code)
    if found is None or found.challenge is None:
        raise FlowCodeInvalid("The code of this flow is unknown, or was used.", hint="Begin again.")
    if not hmac.compare_digest(found.challenge, challenge_of(found.challenge.partition(":")[0], verifier)):
        raise VerifierWrong("The code verifier is not the one of this flow.")
    await connection.execute(_HOLD_BY.format(_BY_ID), found.id)
    spent = _read(await connection.fetchrow(_SPEND, found.id))
    if spent is None:
        raise FlowCodeInvalid("The code of this flow is unknown, or was used.", hint="Begin again.")
    return spent


def kept_challenge(challenge: str | None, method: str | None) -> str | None:
    """Give a challenge with its method as it is kept; None for a flow without one."""
    return None if not challenge else f"{(method or 'plain').lower()}:{challenge}"


def challenge_of(method: str, verifier: str) -> str:
    """Give the challenge of a verifier as it is kept: `s256` is hashed, and any other method is the verifier itself."""
    if method == "s256":
        hashed = hashlib.sha256(verifier.encode()).digest()
        return f"s256:{urlsafe_b64encode(hashed).rstrip(b'=').decode()}"
    return f"{method}:{verifier}"


def _needed(found: OneTime | None) -> OneTime:
    if found is None:
        raise LinkInvalid
    return found


def _read(row: Any) -> OneTime | None:
    if row is None:
        return None
    said = {**row, "columns": None if row["columns"] is None else json.loads(row["columns"])}
    return OneTime(**said)

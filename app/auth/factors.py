"""Second factors: codes of an authenticator by time (RFC 6238), and codes on paper for when that is lost."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import pyotp

from app.auth.failures import Kind, TooManyFailures
from app.auth.identity import Identity
from app.auth.sessions import OpenedSession, end_weaker, step_up
from app.database.connection import Connection
from app.definitions.auth import AAL2, AuthDef, SessionsDef
from app.errors import RowgateError
from app.limits.limit import parse_limit
from app.secrets.rotation import factor_name
from app.secrets.sealing import Sealed, SealingKey

TOTP = "totp"
RECOVERY_CODE = "recovery_code"
MOST = 10  # factors of one person
CHALLENGE_SECONDS = 300
RECOVERY_CODES = 10
TAKEN_AWAY = "a second factor was taken away"  # as a notice says it
SOON = parse_limit("5/15 minutes")  # wrong codes of one person, from wherever: who tries knows the password
LATER = parse_limit("20/day")
_STEP_SECONDS = 30
_DRIFT = 1  # steps that a clock may be off, before and behind
_RECOVERY = re.compile(r"[a-z2-7]{24}")
_IN_TURN = "SELECT pg_advisory_xact_lock(1919907683, hashtext($1::text))"
_READ = f"""
SELECT f.id, f.verified_at, f.last_step, f.key_id, f.nonce, f.ciphertext,
    floor(extract(epoch FROM clock_timestamp()))::bigint / {_STEP_SECONDS} AS step
"""
_CHALLENGED = f"""
{_READ} FROM rowgate.factors f JOIN rowgate.factor_challenges c ON c.factor_id = f.id
WHERE f.id = $1 AND f.user_id = $2 AND c.id = $3 AND c.expires_at > now() FOR UPDATE OF f
"""


@dataclass(frozen=True, slots=True)
class _FactorTables:
    """Where the factors of one kind of people are, their recovery codes and their tries, and the column of whose."""

    owner: str
    factors: str
    codes: str
    tries: str


_WHERE: dict[Kind, _FactorTables] = {
    "user": _FactorTables("user_id", "rowgate.factors", "rowgate.recovery_codes", "rowgate.factor_tries"),
    "admin": _FactorTables(
        "admin_id", "rowgate.admin_factors", "rowgate.admin_recovery_codes", "rowgate.admin_factor_tries"
    ),
}


class FactorsOff(RowgateError):
    """The document says `second_factor: off`, or the factor is of another kind than those that there are."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.factors_off"


class FactorNotFound(RowgateError):
    """There is no such factor of one's own."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "auth.factor_not_found"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("There is no such factor.")


class FactorNameTaken(RowgateError):
    """A verified factor of one's own is called so."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.factor_name_taken"


class TooManyFactors(RowgateError):
    """Nobody needs more of them."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.too_many_factors"


class ChallengeExpired(RowgateError):
    """The challenge is over, was used, or is of another factor."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.challenge_expired"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("The challenge is over.", hint="Ask for another one.")


class FactorCodeWrong(RowgateError):
    """The code is wrong, or counted before."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.factor_code_wrong"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("The code is wrong, or was used before.", hint="Wait for the next one.")


class SecondFactorNeeded(RowgateError):
    """The session was begun by one factor, and this takes two."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.second_factor_needed"

    def __init__(self) -> None:
        """Say how there are two."""
        hint = "Enroll one at /auth/v1/factors if there is none, and verify a code of it."
        super().__init__("This takes a session by two factors.", hint=hint)


@dataclass(frozen=True, slots=True)
class EnrolledFactor:
    """A factor that was just made, with its secret, this once."""

    id: str
    name: str
    secret: str = field(repr=False)


def hold_required(said: AuthDef, identity: Identity) -> None:
    """Raise SecondFactorNeeded for a session, or another issuer's token, by one factor where the document wants two.

    Keys and strangers have none to show, and who is only rehearsed has signed in nowhere.
    """
    if said.second_factor != "required":
        return
    has_signed_in = identity.session_id is not None or identity.env["claims"] is not None
    if has_signed_in and identity.aal != AAL2:
        raise SecondFactorNeeded


async def has_verified(connection: Connection, owner_id: str, kind: Kind = "user") -> bool:
    """Say whether somebody has a second factor in force."""
    at = _WHERE[kind]
    sql = f"SELECT EXISTS(SELECT FROM {at.factors} WHERE {at.owner} = $1 AND verified_at IS NOT NULL)"
    return bool(await connection.fetchval(sql, owner_id))


async def enroll(
    connection: Connection, sealing: SealingKey, owner_id: str, name: str, *, kind: Kind = "user"
) -> EnrolledFactor:
    """Make a factor, inside a transaction; it counts once a code of it was right.

    One of the same name that was never verified goes, and so do those of a day ago. Raises FactorNameTaken or
    TooManyFactors.
    """
    at = _WHERE[kind]
    await connection.execute(_IN_TURN, owner_id)
    await connection.execute(
        f"DELETE FROM {at.factors} WHERE {at.owner} = $1 AND verified_at IS NULL"
        " AND (name = $2 OR created_at < now() - interval '1 day')",
        owner_id,
        name,
    )
    names = [
        row["name"] for row in await connection.fetch(f"SELECT name FROM {at.factors} WHERE {at.owner} = $1", owner_id)
    ]
    if name and name in names:
        raise FactorNameTaken("There is a factor of this name.", hint="Give it another one.")
    if len(names) >= MOST:
        raise TooManyFactors(f"There are {MOST} factors already.", hint="Take one away first.")
    secret = pyotp.random_base32()
    factor_id = await connection.fetchval("SELECT rowgate.uuid7()")
    sealed = sealing.seal(secret.encode(), factor_name(factor_id))
    await connection.execute(
        f"INSERT INTO {at.factors} (id, {at.owner}, kind, name, key_id, nonce, ciphertext)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        factor_id, owner_id, TOTP, name, sealed.key_id, sealed.nonce, sealed.ciphertext,
    )  # fmt: skip
    return EnrolledFactor(factor_id, name, secret)


async def challenge(connection: Connection, user_id: str, factor_id: str) -> tuple[str, datetime]:
    """Give the id of a challenge and its end; those that are over go. Raises FactorNotFound."""
    await _hold_owned(connection, _WHERE["user"], user_id, factor_id)
    await connection.execute(
        "DELETE FROM rowgate.factor_challenges WHERE factor_id = $1 AND expires_at <= now()", factor_id
    )
    made = await connection.fetchrow(
        "INSERT INTO rowgate.factor_challenges (factor_id, expires_at)"
        f" VALUES ($1, now() + interval '{CHALLENGE_SECONDS} seconds') RETURNING id, expires_at",
        factor_id,
    )
    return made["id"], made["expires_at"]


async def _hold_owned(connection: Connection, at: _FactorTables, owner_id: str, factor_id: str) -> None:
    owned = f"SELECT id FROM {at.factors} WHERE id = $1 AND {at.owner} = $2"
    if await connection.fetchval(owned, factor_id, owner_id) is None:
        raise FactorNotFound


async def count_try(connection: Connection, owner_id: str, kind: Kind = "user") -> None:
    """Count a code before it is looked at, in a transaction of its own; raises TooManyFailures."""
    at = _WHERE[kind]
    async with connection.transaction():
        await connection.execute(_IN_TURN, owner_id)
        tried = await connection.fetchrow(
            "SELECT count(*) FILTER (WHERE at > statement_timestamp() - $2 * interval '1 second') AS soon,"
            f" count(*) AS later FROM {at.tries}"
            f" WHERE {at.owner} = $1 AND at > statement_timestamp() - $3 * interval '1 second'",
            owner_id, SOON.period, LATER.period,
        )  # fmt: skip
        if tried["soon"] >= SOON.amount or tried["later"] >= LATER.amount:
            raise TooManyFailures(SOON.period)
        await connection.execute(
            f"INSERT INTO {at.tries} ({at.owner}, at) VALUES ($1, statement_timestamp())", owner_id
        )


async def _forget_tries(connection: Connection, at: _FactorTables, owner_id: str) -> None:
    await connection.execute(f"DELETE FROM {at.tries} WHERE {at.owner} = $1", owner_id)


async def verify(
    connection: Connection, sealing: SealingKey, user_id: str, factor_id: str, challenge_id: str, code: str
) -> bool:
    """Take a code, inside a transaction, once; says whether the factor is in force only now.

    A code counts once, and none that is older than the newest that counted (RFC 6238, 5.2). Raises FactorNotFound,
    ChallengeExpired or FactorCodeWrong.
    """
    at = _WHERE["user"]
    row = await connection.fetchrow(_CHALLENGED, factor_id, user_id, challenge_id)
    if row is None:
        await _hold_owned(connection, at, user_id, factor_id)
        raise ChallengeExpired
    await _take(connection, sealing, at, user_id, [row], code)
    await connection.execute("DELETE FROM rowgate.factor_challenges WHERE id = $1", challenge_id)
    return row["verified_at"] is None


async def confirm(
    connection: Connection, sealing: SealingKey, kind: Kind, owner_id: str, factor_id: str, code: str
) -> bool:
    """Take a code of a factor as `verify` does, without a challenge."""
    at = _WHERE[kind]
    owned = f"{_READ} FROM {at.factors} f WHERE f.id = $1 AND f.{at.owner} = $2 FOR UPDATE OF f"
    row = await connection.fetchrow(owned, factor_id, owner_id)
    if row is None:
        raise FactorNotFound
    await _take(connection, sealing, at, owner_id, [row], code)
    return row["verified_at"] is None


async def show_any(connection: Connection, sealing: SealingKey, kind: Kind, owner_id: str, code: str) -> str:
    """Take a code of any factor in force, or a recovery code, inside a transaction, once; gives the method.

    Raises FactorCodeWrong.
    """
    at = _WHERE[kind]
    in_force = f"{_READ} FROM {at.factors} f WHERE f.{at.owner} = $1 AND f.verified_at IS NOT NULL ORDER BY f.id"
    rows = await connection.fetch(f"{in_force} FOR UPDATE OF f", owner_id)
    if _RECOVERY.fullmatch(_plain(code)):
        await use_recovery_code(connection, owner_id, code, kind)
        return RECOVERY_CODE
    await _take(connection, sealing, at, owner_id, rows, code)
    return TOTP


async def _take(
    connection: Connection, sealing: SealingKey, at: _FactorTables, owner_id: str, rows: Iterable[Any], code: str
) -> None:
    """Let a code of one of the factors count; raises FactorCodeWrong."""
    for row in rows:
        secret = sealing.open(Sealed.of(row), factor_name(row["id"])).decode()
        step = _step_of(secret, code, row["step"])
        if step is not None and (row["last_step"] is None or step > row["last_step"]):
            await connection.execute(
                f"UPDATE {at.factors} SET last_step = $2, verified_at = coalesce(verified_at, now()),"
                " updated_at = now() WHERE id = $1",
                row["id"],
                step,
            )
            await _forget_tries(connection, at, owner_id)
            return
    raise FactorCodeWrong


def _step_of(secret: str, code: str, now: int) -> int | None:
    """Find the step of a code; every step is compared, so that time tells nothing."""
    totp, found = pyotp.TOTP(secret), None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode("utf-8", "replace")):
            found = step
    return found


async def stepped_up(
    connection: Connection,
    identity: Identity,
    client: tuple[str | None, str],
    said: SessionsDef,
    *,
    method: str,
    first: bool,
) -> OpenedSession | None:
    """Open the session by two factors; with the `first` factor of somebody, sessions by one end everywhere."""
    opened = await step_up(connection, str(identity.session_id), *client, said, method=method)
    if opened is not None and first:
        await end_weaker(connection, opened.user_id, opened.id)
    return opened


async def unenroll(connection: Connection, owner_id: str, factor_id: str, *, by_two: bool, kind: Kind = "user") -> bool:
    """Take a factor away, inside a transaction; with the last one the recovery codes go. Says whether it was in force.

    Raises FactorNotFound, or SecondFactorNeeded where it is in force and the session isn't `by_two`.
    """
    at = _WHERE[kind]
    row = await connection.fetchrow(
        f"DELETE FROM {at.factors} WHERE id = $1 AND {at.owner} = $2 RETURNING verified_at IS NOT NULL AS in_force",
        factor_id,
        owner_id,
    )
    if row is None:
        raise FactorNotFound
    if row["in_force"] and not by_two:
        raise SecondFactorNeeded
    if not await has_verified(connection, owner_id, kind):
        await connection.execute(f"DELETE FROM {at.codes} WHERE {at.owner} = $1", owner_id)
    return bool(row["in_force"])


async def unenroll_all(connection: Connection, owner_id: str, kind: Kind) -> bool:
    """Take every factor and every recovery code away, inside a transaction; says whether one was in force."""
    at = _WHERE[kind]
    in_force = await has_verified(connection, owner_id, kind)
    for table in (at.factors, at.codes, at.tries):
        await connection.execute(f"DELETE FROM {table} WHERE {at.owner} = $1", owner_id)
    return in_force


async def new_recovery_codes(connection: Connection, owner_id: str, kind: Kind = "user") -> list[str]:
    """Draw codes that each stand in once for a factor, inside a transaction; those of before end."""
    at = _WHERE[kind]
    drawn = [base64.b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(RECOVERY_CODES)]
    await connection.execute(f"DELETE FROM {at.codes} WHERE {at.owner} = $1", owner_id)
    await connection.execute(
        f"INSERT INTO {at.codes} ({at.owner}, digest) SELECT $1, unnest($2::bytea[])",
        owner_id,
        [_digest(code) for code in drawn],
    )
    return ["-".join(code[start : start + 4] for start in range(0, 24, 4)) for code in drawn]


async def recovery_codes_left(connection: Connection, owner_id: str, kind: Kind = "user") -> int:
    """Count the codes that weren't used."""
    at = _WHERE[kind]
    return int(await connection.fetchval(f"SELECT count(*) FROM {at.codes} WHERE {at.owner} = $1", owner_id))


async def use_recovery_code(connection: Connection, owner_id: str, code: str, kind: Kind = "user") -> None:
    """Take a code, inside a transaction, once; raises FactorCodeWrong."""
    at, plain = _WHERE[kind], _plain(code)
    used = _RECOVERY.fullmatch(plain) and await connection.fetchval(
        f"DELETE FROM {at.codes} WHERE {at.owner} = $1 AND digest = $2 RETURNING true", owner_id, _digest(plain)
    )
    if not used:
        raise FactorCodeWrong
    await _forget_tries(connection, at, owner_id)


def _plain(code: str) -> str:
    """Give a recovery code as it was drawn, however it is typed."""
    return code.replace("-", "").replace(" ", "").lower()


def _digest(code: str) -> bytes:
    """Give what is kept: of 120 random bits the digest needs no salt."""
    return hashlib.sha256(code.encode()).digest()

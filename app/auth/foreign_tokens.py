"""Access tokens of somebody else's: whom they are about here, which roles they bring, and for how long."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from app.auth.foreign_keys import ForeignKeys, read_token
from app.auth.identities import Stranger, find_user, make_user, verified_email
from app.auth.identity import SignIn
from app.auth.sign_up_hooks import SignUpHooks
from app.auth.tokens import LAST_SECOND, TokenExpired, TokenInvalid, TokenRefused
from app.database.pool import Pool
from app.definitions.auth import AAL1, AAL2
from app.definitions.auth_issuers import IssuerDef, life_seconds
from app.expressions.evaluate import EvaluationError, compile_value
from app.expressions.scope import Scope
from app.expressions.types import BOOL, DYN, STRING
from app.relations.findings import Findings

MAX_CACHED = 2048
MAX_SUBJECT = 255
SKEW_SECONDS = 60  # that an issuer's clock may be ahead
_SCOPE = Scope({"claims": DYN})


class ForeignUserUnknown(TokenRefused):
    """The token holds, and nobody here is whom it is about."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.foreign_user_unknown"

    def __init__(self) -> None:
        """Say who can."""
        super().__init__("There is no account here for this person.", hint="Ask an admin.")


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer as run: what is said of it, and what reads the person and the groups from claims."""

    said: IssuerDef
    user: Callable[[Mapping[str, Any]], Any]
    roles: Callable[[Mapping[str, Any]], Any] | None
    aal2: Callable[[Mapping[str, Any]], Any] | None = None

    def sign_in(self, claims: Mapping[str, Any]) -> SignIn:
        """Give what rules see of a sign-in by this token: by two factors only where the document reads that of it."""
        by_two = self.aal2 is not None and _value(self.aal2, claims) is True
        return SignIn(AAL2 if by_two else AAL1, (), self.said.issuer, None, claims)

    def subject(self, claims: Mapping[str, Any]) -> str:
        """Give whom a token is about; raises TokenInvalid for one that doesn't say."""
        found = _value(self.user, claims)
        if not isinstance(found, str) or not 0 < len(found) <= MAX_SUBJECT:
            raise TokenInvalid
        return found

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Give the roles that a token brings: those of its groups that this issuer may grant."""
        found = None if self.roles is None else _value(self.roles, claims)
        listed = found if isinstance(found, list | tuple) else [found]
        return frozenset(one for one in listed if isinstance(one, str)) & frozenset(self.said.grants)


def _value(read: Callable[[Mapping[str, Any]], Any], claims: Mapping[str, Any]) -> Any:
    try:
        return read({"claims": claims})
    except EvaluationError:
        return None


def compile_issuers(
    said: Sequence[IssuerDef], roles: Sequence[str], required: Sequence[str], allowed: Sequence[str], findings: Findings
) -> dict[str, Issuer]:
    """Give the issuers by their names, with findings.

    `roles` are those that there are, `required` the columns of users that nobody gives, `allowed` what may be called.
    """
    found: dict[str, Issuer] = {}
    for number, one in enumerate(said):
        place = f"auth.issuers.{number}"
        if any(one.issuer == other.issuer for other in said[:number]):
            findings.report(f"{place}.issuer", "this issuer is said twice", "say it once")
        check_address(f"{place}.issuer", one.issuer, allowed, findings)
        for role in one.grants:
            if role not in roles:
                findings.unknown(f"{place}.grants", "role", role, list(roles))
        if one.create and required:
            message = f"nobody who comes from there gives {', '.join(required)} of users, which a new account needs"
            findings.report(f"{place}.create", message, "give these columns a default, or say create: false")
        user = findings.expression(f"{place}.user", one.user, _SCOPE, STRING)
        groups = None if one.roles is None else findings.expression(f"{place}.roles", one.roles, _SCOPE)
        by_two = None if one.aal2 is None else findings.expression(f"{place}.aal2", one.aal2, _SCOPE, BOOL)
        if user is not None:
            compiled = [None if read is None else compile_value(read) for read in (groups, by_two)]
            found[one.issuer] = Issuer(one, compile_value(user), *compiled)
    return found


def check_address(place: str, issuer: str, allowed: Sequence[str], findings: Findings) -> None:
    """Report an issuer that would be asked over plain http, unless it may be."""
    host = issuer.partition("//")[2].partition("/")[0]
    if issuer.startswith("http:") and host not in allowed:
        findings.report(place, "an issuer is asked over https", f"or list {host} in project.http_allow")


@dataclass(frozen=True, slots=True)
class ForeignCaller:
    """Whom a verified token is about, what it brings, and its last moment in Unix seconds."""

    user_id: str
    issuer: str
    until: float
    roles: frozenset[str]
    by: SignIn = field(repr=False)


class ForeignTokens:
    """The issuers in force, and the bounded cache of their tokens that were verified."""

    def __init__(self, pool: Pool, keys: ForeignKeys | None, clock: Callable[[], float], hooks: SignUpHooks) -> None:
        """Begin without issuers; `clock` gives Unix seconds."""
        self.keys = keys
        self._hooks = hooks
        self._pool = pool
        self._clock = clock
        self._issuers: Mapping[str, Issuer] = {}
        self._cache: OrderedDict[str, ForeignCaller] = OrderedDict()

    def follow(self, issuers: Mapping[str, Issuer]) -> None:
        """Put these issuers in force, and no others."""
        if issuers != self._issuers:
            self._issuers = issuers
            self._cache.clear()

    def known(self, token: str) -> ForeignCaller | None:
        """Give what is remembered of a token; raises TokenExpired where its time is over."""
        found = self._cache.get(token)
        if found is not None and self._clock() >= found.until:
            del self._cache[token]
            raise TokenExpired
        return found

    def forget(self, user_id: str) -> None:
        """Forget every token of a person, who has changed."""
        for token in [token for token, one in self._cache.items() if one.user_id == user_id]:
            del self._cache[token]

    def is_foreign(self, token: str) -> bool:
        """Say whether a token that isn't ours may be one of an issuer's."""
        return bool(self._issuers) and token.count(".") == 2

    async def read(self, token: str) -> ForeignCaller:
        """Verify a token and find or make its person.

        Raises TokenInvalid, TokenExpired, ForeignUserUnknown, SignUpRefused or IssuerUnreachable; a bad token costs no
        connection.
        """
        _, unverified = read_token(token)
        named = unverified.get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if self.keys is None or issuer is None or not _has_audience(unverified, issuer.said.audience):
            raise TokenInvalid
        claims = await self.keys.verified(token, issuer.said.issuer)
        until, subject = self._until(claims, issuer), issuer.subject(claims)
        user_id = await self._person(issuer, subject, claims)
        caller = ForeignCaller(user_id, issuer.said.issuer, until, issuer.granted(claims), issuer.sign_in(claims))
        if self._issuers.get(issuer.said.issuer) is not issuer:
            raise TokenInvalid  # it was taken back meanwhile
        self._cache[token] = caller
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        return caller

    def _until(self, claims: Mapping[str, Any], issuer: Issuer) -> float:
        now = self._clock()
        issued, expires = begun(claims, now), moment(claims.get("exp"))
        until = min(expires, issued + life_seconds(issuer.said.max_age))
        if now >= until:
            raise TokenExpired
        return until

    async def _person(self, issuer: Issuer, subject: str, claims: Mapping[str, Any]) -> str:
        name = issuer.said.issuer
        async with self._pool.lease() as connection:
            found = await find_user(connection, name, subject)
            if found is None and issuer.said.create:
                async with connection.transaction():
                    stranger = Stranger(name, name, subject, verified_email(claims))
                    found = await make_user(connection, self._hooks, stranger)
        if found is None:
            raise ForeignUserUnknown
        return found


def _has_audience(claims: Mapping[str, Any], audience: str) -> bool:
    said = claims.get("aud")
    return said == audience or (isinstance(said, list) and audience in said)


def begun(claims: Mapping[str, Any], now: float) -> float:
    """Give when a token was issued, in Unix seconds; raises TokenInvalid for one that doesn't count yet (`nbf`)."""
    issued = moment(claims.get("iat"))
    begins = moment(claims["nbf"]) if "nbf" in claims else issued
    if max(issued, begins) > now + SKEW_SECONDS:
        raise TokenInvalid
    return issued


def moment(value: object) -> float:
    """Give a moment of a claim in Unix seconds; raises TokenInvalid."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= LAST_SECOND:
        raise TokenInvalid
    return float(value)

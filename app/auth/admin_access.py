"""Who may use the admin API: admins by their tokens, and API keys that have an admin role."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from app.audit.writing import audit
from app.auth.api_keys import PREFIX
from app.auth.auth_server import AuthServerDep
from app.auth.identify import CREDENTIAL_REFUSALS, AuthContext
from app.database.connection import Connection
from app.database.pool import Pool
from app.errors import RowgateError
from app.http.challenge import ADMINS, challenge
from app.http.fixed_bodies import confirm_behind_body
from app.http.fixed_routes import refuses

Role = Literal["owner", "editor", "viewer"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")

_LONGEST = 200
_BEARER = HTTPBearer(scheme_name="admin", auto_error=False)
_APIKEY = APIKeyHeader(name="apikey", scheme_name="apikey", auto_error=False)
_ADMIN = """
SELECT a.id, a.email, a.role,
    EXISTS(SELECT FROM rowgate.admin_factors f WHERE f.admin_id = a.id AND f.verified_at IS NOT NULL) AS by_two
FROM rowgate.admin_sessions s JOIN rowgate.admins a ON a.id = s.admin_id
WHERE s.id = $1 AND a.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND a.disabled_at IS NULL
"""


class AdminRequired(RowgateError):
    """Nobody is signed in to the admin API, or not as an admin."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "admin.sign_in_required"

    def __init__(self) -> None:
        """Say how to sign in."""
        super().__init__("Sign in as an admin.", hint="POST /admin/v1/sign-in.", headers=challenge(realm=ADMINS))


class AdminFactorNeeded(RowgateError):
    """ROWGATE_ADMIN_SECOND_FACTOR is `required`, and the admin has none yet."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "admin.second_factor_needed"

    def __init__(self) -> None:
        """Say where one is added."""
        hint = "Add one: POST /admin/v1/account/factors, or Your account in the console."
        super().__init__("Admins need a second factor here.", hint=hint, headers=challenge(realm=ADMINS))


class AdminRoleMissing(RowgateError):
    """The admin's role doesn't reach so far."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "admin.role_missing"

    def __init__(self, detail: str) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__(detail, headers=challenge("insufficient_scope", realm=ADMINS))


async def has_admin(connection: Connection) -> bool:
    """Say whether there is an admin at all."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM rowgate.admins)"))


@dataclass(frozen=True, slots=True)
class Admin:
    """Who configures: an admin, or an API key with an admin role; `actor` is what the audit log says.

    `by_two` says that the admin has a second factor, and has shown it.
    """

    role: Role
    actor: str
    id: str | None = None
    session_id: str | None = None
    by_two: bool = False


@refuses(AdminRequired, *CREDENTIAL_REFUSALS)
async def _anyhow(
    request: Request,
    server: AuthServerDep,
    _bearer: Annotated[object, Depends(_BEARER)],
    _apikey: Annotated[object, Depends(_APIKEY)],
) -> Admin:
    again = partial(_whose, server.auth, server.pool, _credential(request))
    admin = await again()
    confirm_behind_body(request, admin, again)
    return admin


AdminAnyhow = Annotated[Admin, Depends(_anyhow)]
"""An admin who may still have to add a second factor: for the routes by which that is done, and for signing out."""


@refuses(AdminFactorNeeded)
async def _admin(server: AuthServerDep, admin: AdminAnyhow) -> Admin:
    return _held(server.auth, admin)


async def admin_of(context: AuthContext, pool: Any, credential: str) -> Admin:
    """Give whose credential it is, as the database has it now; a forged one costs no query.

    Raises AdminRequired, AdminFactorNeeded, or the 401 of what is no such credential.
    """
    return _held(context, await _whose(context, pool, credential))


def _held(context: AuthContext, admin: Admin) -> Admin:
    # Who has a factor in force has shown it: every other session ended when it came into force.
    if context.admins_need_two and admin.id is not None and not admin.by_two:
        raise AdminFactorNeeded
    return admin


async def _whose(context: AuthContext, pool: Any, credential: str) -> Admin:
    if credential.startswith(PREFIX):
        state = await context.keys.load(context.keys.digest_of(credential))
        if state.admin_role is None:
            raise AdminRequired
        return Admin(role_of(state.admin_role), f"key:{state.name}")
    claims = context.admin_tokens.verify(credential)
    async with pool.lease() as connection:
        row: Any = await connection.fetchrow(_ADMIN, claims.session_id, claims.user_id)
    if row is None:
        raise AdminRequired
    return Admin(role_of(row["role"]), f"admin:{row['email']}", row["id"], claims.session_id, by_two=row["by_two"])


def _credential(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise AdminRequired
    if given:
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer" or not token.strip().isascii():
            raise AdminRequired
        return token.strip()
    key = request.headers.get("apikey")
    if key is None or not key.isascii():
        raise AdminRequired
    return key


def role_of(text: str) -> Role:
    """Give the rank that is called so; the database holds no other."""
    return next(role for role in ROLES if role == text)


async def hold_rank(request: Request, pool: Pool, admin: Admin, rank: str | None, detail: str) -> None:
    """Refuse, and have it in the audit log, what takes a higher rank than the admin's; None is no rank at all.

    This is the one place where ranks are compared: `rank` is what a route needs, or that of the admin or the key which
    it makes, changes or takes away. Call it outside of a transaction, since the audit row has to stay.
    """
    if rank is None or ROLES.index(admin.role) >= ROLES.index(role_of(rank)):
        return
    async with pool.lease() as connection:
        target = f"{request.method} {request.url.path[:_LONGEST]}"
        await audit(connection, admin.actor, "admin.denied", target, {"role": admin.role})
    raise AdminRoleMissing(detail)


def _at_least(role: Role) -> Any:
    @refuses(*(() if role == ROLES[0] else (AdminRoleMissing,)))
    async def check(request: Request, server: AuthServerDep, admin: Annotated[Admin, Depends(_admin)]) -> Admin:
        await hold_rank(request, server.pool, admin, role, f"Only an admin who is at least {role} may do this.")
        return admin

    return Depends(check)


VIEWER = _at_least("viewer")  # for routes that need not know who reads
EDITOR = _at_least("editor")
OWNER = _at_least("owner")
Viewer = Annotated[Admin, VIEWER]
Editor = Annotated[Admin, EDITOR]
Owner = Annotated[Admin, OWNER]

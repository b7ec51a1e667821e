"""Who may use the admin API: admins by their tokens, and API keys that have an admin role."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from app.audit.writing import audit
from app.auth.api_keys import PREFIX
from app.auth.auth_server import AuthServerDep
from app.auth.identify import CREDENTIAL_REFUSALS, AuthContext
from app.database.pool import Pool
from app.errors import RowgateError
from app.http.challenge import ADMINS, challenge
from app.http.fixed_routes import refuses

Role = Literal["owner", "editor", "viewer"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")

_LONGEST = 200
_BEARER = HTTPBearer(scheme_name="admin", auto_error=False)
_APIKEY = APIKeyHeader(name="apikey", scheme_name="apikey", auto_error=False)
_ADMIN = """
SELECT a.id, a.email, a.role FROM rowgate.admin_sessions s JOIN rowgate.admins a ON a.id = s.admin_id
WHERE s.id = $1 AND a.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND a.disabled_at IS NULL
"""


class AdminRequired(RowgateError):
    """Nobody is signed in to the admin API, or not as an admin."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "admin.sign_in_required"

    def __init__(self) -> None:
        """Say how to sign in."""
        super().__init__("Sign in as an admin.", hint="POST /admin/v1/sign-in.", headers=challenge(realm=ADMINS))


class AdminRoleMissing(RowgateError):
    """The admin's role doesn't reach so far."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "admin.role_missing"

    def __init__(self, detail: str) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__(detail, headers=challenge("insufficient_scope", realm=ADMINS))


@dataclass(frozen=True, slots=True)
class Admin:
    """Who configures: an admin, or an API key with an admin role; `actor` is what the audit log says."""

    role: Role
    actor: str
    id: str | None = None
    session_id: str | None = None


@refuses(AdminRequired, *CREDENTIAL_REFUSALS)
async def _admin(
    request: Request,
    server: AuthServerDep,
    _bearer: Annotated[object, Depends(_BEARER)],
    _apikey: Annotated[object, Depends(_APIKEY)],
) -> Admin:
    return await admin_of(server.auth, server.pool, _credential(request))


async def admin_of(context: AuthContext, pool: Any, credential: str) -> Admin:
    """Give whose credential it is, as the database has it now; a forged one costs no query.

    Raises AdminRequired, or the 401 of what is no such credential.
    """
    if credential.startswith(PREFIX):
        state = await context.keys.load(context.keys.digest_of(credential))
        if state.admin_role is None:
            raise AdminRequired
        return Admin(_role(state.admin_role), f"key:{state.name}")
    claims = context.admin_tokens.verify(credential)
    async with pool.lease() as connection:
        row: Any = await connection.fetchrow(_ADMIN, claims.session_id, claims.user_id)
    if row is None:
        raise AdminRequired
    return Admin(_role(row["role"]), f"admin:{row['email']}", row["id"], claims.session_id)


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


def _role(text: str) -> Role:
    return next(role for role in ROLES if role == text)


async def hold_rank(request: Request, pool: Pool, admin: Admin, rank: str | None, detail: str) -> None:
    """Refuse, and have it in the audit log, what takes a higher rank than the admin's; None is no rank at all.

    This is the one place where ranks are compared: `rank` is what a route needs, or that of the admin or the key which
    it makes, changes or takes away. Call it outside of a transaction, since the audit row has to stay.
    """
    if rank is None or ROLES.index(admin.role) >= ROLES.index(_role(rank)):
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
Viewer = Annotated[Admin, VIEWER]
Editor = Annotated[Admin, EDITOR]
Owner = Annotated[Admin, _at_least("owner")]

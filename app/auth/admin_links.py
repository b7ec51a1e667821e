"""Links that are an admin's way in: an invitation, and the way back of who has forgotten the password."""

import secrets
from datetime import timedelta

from sqlalchemy import func
from sqlmodel import col

from app.auth.admin_access import Role
from app.auth.one_time import LinkInvalid, digest
from app.database.clearing import clear_few
from app.database.connection import Connection
from app.store.admin_rows import AdminLinkRow
from app.store.by_model import Which, added, first, found, removed

INVITE, RECOVERY = "invite", "recovery"
LIFETIMES = {INVITE: timedelta(days=7), RECOVERY: timedelta(hours=1)}
_CLEAR = clear_few("rowgate.admin_links")
_TURN = "SELECT pg_advisory_xact_lock(1919907684, hashtext($1))"


async def invite(connection: Connection, email: str, role: Role, *, actor: str) -> tuple[str, AdminLinkRow]:
    """Draw the token of an invitation, inside a transaction; one of before to this address ends."""
    await connection.execute(_TURN, email)  # of two at once the later one counts
    await removed(connection, AdminLinkRow, _kind(INVITE), col(AdminLinkRow.email) == email)
    return await _drawn(connection, INVITE, email, role=role, invited_by=actor)


async def way_back(connection: Connection, email: str, admin_id: str | None) -> str:
    """Draw the token of a way back; it opens nothing where the address is no admin's."""
    token, _ = await _drawn(connection, RECOVERY, email, admin_id=admin_id)
    return token


async def _drawn(connection: Connection, kind: str, email: str, **more: str | None) -> tuple[str, AdminLinkRow]:
    token = secrets.token_urlsafe(32)
    await connection.execute(_CLEAR)
    until = func.now() + LIFETIMES[kind]
    row = await added(connection, AdminLinkRow, kind=kind, digest=digest(token), email=email, expires_at=until, **more)
    return token, row


async def invites(connection: Connection) -> list[AdminLinkRow]:
    """List the invitations that can be taken up, by their address."""
    return await found(connection, AdminLinkRow, _kind(INVITE), _holds(), order=[col(AdminLinkRow.email)])


async def revoke_invite(connection: Connection, invite_id: str) -> AdminLinkRow | None:
    """End an invitation; None where there is none."""
    gone = await removed(connection, AdminLinkRow, _kind(INVITE), _holds(), col(AdminLinkRow.id) == invite_id)
    return gone[0] if gone else None


async def revoke_invites_by(connection: Connection, actor: str) -> None:
    """End the invitations of who may invite nobody any more."""
    await removed(connection, AdminLinkRow, _kind(INVITE), col(AdminLinkRow.invited_by) == actor)


async def look(connection: Connection, kind: str, token: str) -> AdminLinkRow:
    """Give what a link stands for, and spend nothing; raises LinkInvalid."""
    return _needed(await first(connection, AdminLinkRow, *_usable(kind, token)))


async def spend(connection: Connection, kind: str, token: str) -> AdminLinkRow:
    """Use a link, inside a transaction; raises LinkInvalid."""
    spent = await removed(connection, AdminLinkRow, *_usable(kind, token))
    return _needed(spent[0] if spent else None)


def _usable(kind: str, token: str) -> tuple[Which, ...]:
    whose = col(AdminLinkRow.admin_id).is_not(None) if kind == RECOVERY else col(AdminLinkRow.role).is_not(None)
    return _kind(kind), _holds(), whose, col(AdminLinkRow.digest) == digest(token)


def _needed(row: AdminLinkRow | None) -> AdminLinkRow:
    if row is None:
        raise LinkInvalid
    return row


def _kind(kind: str) -> Which:
    return col(AdminLinkRow.kind) == kind


def _holds() -> Which:
    return col(AdminLinkRow.expires_at) > func.now()

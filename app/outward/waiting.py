"""The outbox as admins see it: which calls wait or were given up, tried again, dropped."""

from sqlalchemy import func
from sqlmodel import col

from app.database.connection import Connection
from app.store.by_model import changed, found, removed
from app.store.rows import OutboxRow


async def listed(connection: Connection, *, dead: bool, limit: int) -> list[OutboxRow]:
    """List calls that wait, or that were given up, the oldest first."""
    given_up = col(OutboxRow.dead_at)
    which = given_up.is_not(None) if dead else given_up.is_(None)
    order = [col(OutboxRow.created_at), col(OutboxRow.id)]
    return await found(connection, OutboxRow, which, order=order, limit=limit)


async def retry(connection: Connection, call_id: str) -> list[OutboxRow]:
    """Try a call again from the beginning; gives it, if there is one."""
    again = {"attempts": 0, "next_at": func.now(), "dead_at": None}
    return await changed(connection, OutboxRow, col(OutboxRow.id) == call_id, **again)


async def drop(connection: Connection, call_id: str) -> list[OutboxRow]:
    """Give a call up for good; gives it, if there was one."""
    return await removed(connection, OutboxRow, col(OutboxRow.id) == call_id)

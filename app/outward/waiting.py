"""The outbox and the mailbox as admins see them: what waits or was given up, tried again, dropped."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func
from sqlmodel import col

from app.database.connection import Connection
from app.store.by_model import changed, found, removed
from app.store.mail_rows import MailRow
from app.store.rows import OutboxRow

# Mail to nobody is dead from the beginning, so that it takes as long as another: it tells nothing that is to be seen.
_GIVEN_UP = "dead_at > created_at"
_WAITS = "sent_at IS NULL AND dead_at IS NULL"
_STANDING = f"""
SELECT (SELECT count(*) FROM rowgate.outbox WHERE dead_at IS NULL) AS calls,
 (SELECT min(created_at) FROM rowgate.outbox WHERE dead_at IS NULL) AS first_call,
 (SELECT count(*) FROM rowgate.outbox WHERE dead_at IS NOT NULL) AS dead_calls,
 (SELECT count(*) FROM rowgate.mail WHERE {_WAITS}) AS mail,
 (SELECT min(created_at) FROM rowgate.mail WHERE {_WAITS}) AS first_mail,
 (SELECT count(*) FROM rowgate.mail WHERE {_GIVEN_UP}) AS dead_mail
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits to be sent and since when, and how much was given up."""

    waiting: int
    oldest: datetime | None
    dead: int


async def standing(connection: Connection) -> tuple[Queue, Queue]:
    """Say how much waits in the outbox and in the mailbox."""
    (row,) = await connection.fetch(_STANDING)
    calls = Queue(row["calls"], row["first_call"], row["dead_calls"])
    return calls, Queue(row["mail"], row["first_mail"], row["dead_mail"])


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


async def mail_listed(connection: Connection, *, dead: bool, limit: int) -> list[MailRow]:
    """List mail that waits, or that was given up within a day, the oldest first."""
    order = [col(MailRow.created_at), col(MailRow.id)]
    which = col(MailRow.dead_at) > col(MailRow.created_at) if dead else _mail_waits()
    return await found(connection, MailRow, which, order=order, limit=limit)


async def retry_mail(connection: Connection, mail_id: str) -> list[MailRow]:
    """Have mail that waits sent now; gives it, if there is one. What was given up is wiped, and can't be sent."""
    return await changed(connection, MailRow, col(MailRow.id) == mail_id, _mail_waits(), next_at=func.now())


def _mail_waits() -> ColumnElement[bool]:
    return col(MailRow.sent_at).is_(None) & col(MailRow.dead_at).is_(None)

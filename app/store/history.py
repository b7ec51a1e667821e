"""What was: the revisions, who changed the definitions when and how, and the events of the audit log."""

from sqlalchemy import func
from sqlmodel import col

from app.database.connection import Connection
from app.store.by_model import first, found
from app.store.rows import AuditRow, RevisionRow

_LARGEST = 2**63 - 1


async def revisions(connection: Connection, limit: int, before: int | None) -> list[RevisionRow]:
    """List revisions before a number, the newest first."""
    number = col(RevisionRow.number)
    earlier = [] if before is None else [number < before]
    return await found(connection, RevisionRow, *earlier, order=[number.desc()], limit=limit)


async def revision_numbered(connection: Connection, number: int) -> RevisionRow | None:
    """Give one revision; None where there is none."""
    if not 0 < number <= _LARGEST:
        return None
    return await first(connection, RevisionRow, col(RevisionRow.number) == number)


async def events(connection: Connection, limit: int, before: int | None, about: str = "") -> list[AuditRow]:
    """List events of the audit log before an id, the newest first; `about` is a part of what they say."""
    number = col(AuditRow.id)
    which = [] if before is None else [number < before]
    if about:
        told = func.concat_ws(" ", col(AuditRow.actor), col(AuditRow.action), col(AuditRow.target))
        which.append(func.strpos(func.lower(told), func.lower(about)) > 0)
    return await found(connection, AuditRow, *which, order=[number.desc()], limit=limit)

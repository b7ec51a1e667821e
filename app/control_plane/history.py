"""What was: the revisions, the way back to one, and the audit log."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Response

from app.auth.admin_access import VIEWER, Editor
from app.changes.apply import CHANGE_REFUSALS
from app.control_plane.document import BackendDocument, Edited, OptionsDep, PlanAnswer, make_live
from app.control_plane.named import NotThere
from app.control_plane.server import ServerDep
from app.database.connection import Connection
from app.http.fixed_routes import NO_NUL, Declared, FixedRouter, answer, refuses
from app.store.active import load_revision
from app.store.history import events, revision_numbered, revisions
from app.store.rows import RevisionRow

router = FixedRouter(tags=["document"])
Limit = Annotated[int, Query(ge=1, le=1000)]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
About = Annotated[str, Query(max_length=200, pattern=NO_NUL)]


class RevisionAnswer(Declared):
    """One revision: who made it, when, and the changes."""

    number: int
    created_at: datetime
    author: str
    comment: str | None
    changes: list[str]


class WholeRevision(RevisionAnswer):
    """One revision with the whole document as it was."""

    document: BackendDocument


class EventAnswer(Declared):
    """One event of the audit log."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str | None
    detail: dict[str, Any]


@router.get("/revisions", dependencies=[VIEWER], response_model=list[RevisionAnswer])
async def list_revisions(server: ServerDep, limit: Limit = 100, before: Before = None) -> Response:
    """List revisions, the newest first."""
    async with server.pool.lease() as connection:
        return answer([RevisionAnswer.from_row(one) for one in await revisions(connection, limit, before)])


@router.get("/revisions/{number}", dependencies=[VIEWER], response_model=WholeRevision)
@refuses(NotThere)
async def get_revision(server: ServerDep, number: int) -> Response:
    """Give a revision with the whole document as it was."""
    async with server.pool.lease() as connection:
        found = await _revision(connection, number)
        stored = await load_revision(connection, number)
    return answer({**RevisionAnswer.from_row(found).model_dump(), "document": stored.document})


async def _revision(connection: Connection, number: int) -> RevisionRow:
    found = await revision_numbered(connection, number)
    if found is None:
        raise NotThere("revision")
    return found


@router.post("/revisions/{number}/restore", response_model=PlanAnswer)
@refuses(NotThere, *CHANGE_REFUSALS)
async def restore_revision(server: ServerDep, admin: Editor, number: int, wanted: OptionsDep) -> Response:
    """Go back to a revision, as a new one; what came since and holds data needs `destroy`, as any drop does."""
    async with server.pool.lease() as connection:
        await _revision(connection, number)
        stored = await load_revision(connection, number)
    project = stored.whole()
    commented = replace(wanted, comment=wanted.comment or f"restore revision {number}")
    made = await make_live(server, lambda _: Edited(project), admin.actor, commented)
    return answer(made.plan.shown(), headers=made.headers)


@router.get("/audit", dependencies=[VIEWER], response_model=list[EventAnswer])
async def list_audit(server: ServerDep, limit: Limit = 100, before: Before = None, about: About = "") -> Response:
    """List what admins did and who signed in, the newest first; `about` is a part of who, what or about whom."""
    async with server.pool.lease() as connection:
        return answer([EventAnswer.from_row(one) for one in await events(connection, limit, before, about)])

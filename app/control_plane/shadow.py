"""Shadow: a draft runs beside the live definitions on the requests that come, and answers none of them."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Query, Response

from app.audit.writing import audit
from app.auth.admin_access import Editor
from app.changes.apply import CHANGE_REFUSALS, apply_project
from app.compiler.compile import compile_project
from app.control_plane.document import SaidBackend, parsed
from app.control_plane.server import Server, ServerDep
from app.data_plane.seeing.shadow import Shadow
from app.definitions.project import DefinitionInvalid
from app.errors import RowgateError
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses

router = FixedRouter(tags=["seeing"])


class ShadowChangesTables(RowgateError):
    """The draft wants other tables, users' columns or roles: it can't run on the rows that there are."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "shadow.changes_tables"


class ShadowRunning(RowgateError):
    """There is a shadow already."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "shadow.running"


class ShadowNotThere(RowgateError):
    """There is no shadow in this process."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "shadow.not_found"


class ShadowAnswer(Declared):
    """What a shadow has seen: how many requests, and what differed in them."""

    state: Literal["running", "ended"]
    ended: str | None
    started_at: datetime
    sample: float
    compared: int
    differences: int
    undecided: int
    skipped: int
    by: dict[str, int]
    kept: list[dict[str, Any]]


After = Annotated[int, Query(ge=0)]


@router.post("/shadow", status_code=201, response_model=ShadowAnswer)
@refuses(ShadowRunning, ShadowChangesTables, *CHANGE_REFUSALS)
async def start_shadow(
    server: ServerDep,
    admin: Editor,
    document: SaidBackend,
    sample: Annotated[float, Query(ge=0, le=1)] = 1.0,
    seconds: Annotated[float, Query(ge=0.01, le=10)] = 0.5,
    minutes: Annotated[float, Query(gt=0, le=1440)] = 60.0,
) -> Response:
    """Start to run a draft beside the live definitions."""
    project = await asyncio.to_thread(parsed, document)
    _refuse_a_second(server.data_plane.shadow)
    runtime, findings = await asyncio.to_thread(compile_project, project)
    if runtime is None:
        raise DefinitionInvalid(findings)
    plan = await apply_project(server.engine, project, author="shadow", dry_run=True)
    if plan.sql:
        raise ShadowChangesTables(
            "The draft needs changes of the database: " + "; ".join(plan.sql)[:1000],
            hint="Apply these first, or leave them out: a shadow is about rules.",
        )
    await server.live.refresh()
    _refuse_a_second(server.data_plane.shadow)
    live, lasting = server.live.runtime, minutes * 60
    shadow = Shadow(server.pool, live, runtime, sample=sample, seconds=seconds, lasting=lasting)
    async with server.pool.lease() as connection:
        await audit(connection, admin.actor, "shadow.start", None, {"sample": sample, "minutes": minutes})
    server.data_plane.shadow = shadow
    return answer(shadow.shown(), 201)


def _refuse_a_second(shadow: Shadow | None) -> None:
    if shadow is not None and shadow.ended is None:
        raise ShadowRunning("There is a shadow already.", hint="DELETE /admin/v1/shadow ends it.")


@router.get("/shadow", response_model=ShadowAnswer)
@refuses(ShadowNotThere)
async def get_shadow(server: ServerDep, _admin: Editor, after: After = 0) -> Response:
    """Report what differed, and the differences kept behind the `after`th."""
    return answer(_shadow(server).shown(after))


@router.delete("/shadow", response_model=ShadowAnswer)
@refuses(ShadowNotThere)
async def end_shadow(server: ServerDep, admin: Editor, after: After = 0) -> Response:
    """End the shadow; the answer is its last report."""
    shadow = _shadow(server)
    async with server.pool.lease() as connection:
        await audit(connection, admin.actor, "shadow.end", None)
    shadow.ended = shadow.ended or "an admin ended it"
    server.data_plane.shadow = None
    return answer(shadow.shown(after))


def _shadow(server: Server) -> Shadow:
    if server.data_plane.shadow is None:
        raise ShadowNotThere("There is no shadow in this process.", hint="POST /admin/v1/shadow starts one.")
    return server.data_plane.shadow

"""Shadow: a draft runs beside the live definitions on the requests that come, and answers none of them."""

import asyncio
from typing import Annotated, ClassVar

from fastapi import APIRouter, Query, Request, Response

from app.audit.writing import audit
from app.auth.admin_access import Editor
from app.auth.routes.mounted import answer
from app.changes.apply import apply_project
from app.compiler.compile import compile_project
from app.control_plane.document import parsed, read_document
from app.data_plane.seeing.shadow import Shadow
from app.definitions.project import DefinitionInvalid
from app.errors import RowgateError

router = APIRouter()


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


@router.post("/shadow", status_code=201)
async def start_shadow(
    request: Request,
    admin: Editor,
    sample: Annotated[float, Query(ge=0, le=1)] = 1.0,
    seconds: Annotated[float, Query(ge=0.01, le=10)] = 0.5,
    minutes: Annotated[float, Query(gt=0, le=1440)] = 60.0,
) -> Response:
    """Start to run a draft beside the live definitions."""
    project = parsed(await read_document(request))
    state = request.app.state
    _refuse_a_second(state.data_plane.shadow)
    runtime, findings = await asyncio.to_thread(compile_project, project)
    if runtime is None:
        raise DefinitionInvalid(findings)
    plan = await apply_project(state.engine, project, author="shadow", dry_run=True)
    if plan.sql:
        raise ShadowChangesTables(
            "The draft needs changes of the database: " + "; ".join(plan.sql)[:1000],
            hint="Apply these first, or leave them out: a shadow is about rules.",
        )
    await state.live.refresh()
    _refuse_a_second(state.data_plane.shadow)
    shadow = Shadow(
        state.pool, state.live.runtime, runtime, sample=sample, seconds=seconds, lasting=minutes * 60
    )  # fmt: skip
    async with state.pool.lease() as connection:
        await audit(connection, admin.actor, "shadow.start", None, {"sample": sample, "minutes": minutes})
    state.data_plane.shadow = shadow
    return answer(shadow.shown(), 201)


def _refuse_a_second(shadow: Shadow | None) -> None:
    if shadow is not None and shadow.ended is None:
        raise ShadowRunning("There is a shadow already.", hint="DELETE /admin/v1/shadow ends it.")


@router.get("/shadow")
async def get_shadow(request: Request, _admin: Editor, after: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Report what differed, and the differences kept behind the `after`th."""
    return answer(_shadow(request).shown(after))


@router.delete("/shadow")
async def end_shadow(request: Request, admin: Editor, after: Annotated[int, Query(ge=0)] = 0) -> Response:
    """End the shadow; the answer is its last report."""
    shadow = _shadow(request)
    async with request.app.state.pool.lease() as connection:
        await audit(connection, admin.actor, "shadow.end", None)
    shadow.ended = shadow.ended or "an admin ended it"
    request.app.state.data_plane.shadow = None
    return answer(shadow.shown(after))


def _shadow(request: Request) -> Shadow:
    shadow: Shadow | None = request.app.state.data_plane.shadow
    if shadow is None:
        raise ShadowNotThere("There is no shadow in this process.", hint="POST /admin/v1/shadow starts one.")
    return shadow

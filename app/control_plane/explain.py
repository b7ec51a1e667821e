"""Explain: the SQL of a view's read as anyone, what Postgres would do for it, and the index that it lacks."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Response
from pydantic import Field

from app.auth.admin_access import Editor
from app.auth.role_names import RolesUnknown
from app.changes.apply import CHANGE_REFUSALS
from app.control_plane.document import LIMIT
from app.control_plane.findings import FindingAnswer
from app.control_plane.named import NotThere
from app.control_plane.server import Server, ServerDep
from app.control_plane.simulate import Pretended, SimulationInvalid, rehearsal_of
from app.data_plane.asgi import answered
from app.data_plane.made_request import made_request
from app.data_plane.seeing.planned import PlannedRead, sizes
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.review.missing_index import slow_reads, tables_of

router = FixedRouter(tags=["seeing"])


class Explanation(Body):
    """What is to be explained: a view, who reads it, and by which query."""

    view: str = Field(max_length=200, pattern=r"^[a-z][a-z0-9_]*$")
    as_: str | Pretended = Field(default="anonymous", alias="as")
    query: str = Field(default="", max_length=8192)
    draft: object = None


class ExplainRefusal(Declared):
    """Why there is no plan: they are refused before the view is read."""

    status: int
    code: str
    detail: str


class ExplainAnswer(Declared):
    """The statement with its parameters, its plan as `EXPLAIN (FORMAT JSON)` tells it, and what it lacks."""

    sql: str | None
    parameters: list[Any]
    plan: list[dict[str, Any]]
    findings: list[FindingAnswer]
    refusal: ExplainRefusal | None


@router.post("/explain", response_model=ExplainAnswer)
@refuses(SimulationInvalid, NotThere, RolesUnknown, *CHANGE_REFUSALS)
async def explain(
    server: ServerDep, _admin: Editor, said: Annotated[Explanation, Depends(JsonBody(Explanation, LIMIT))]
) -> Response:
    """Plan a view's read as anyone, without running it, in the time that one statement has.

    Its chain runs and is rolled back. A filter of few rows, or an order, for which a large table is read whole is a
    finding where no index begins with its columns.
    """
    request = made_request("GET", f"/rest/v1/{said.view}", said.query, {}, None)
    run = await rehearsal_of(server, PlannedRead, said.as_, request, said.draft)
    given, refusal = await answered(run)
    run.trace.leave(refusal)
    if run.found is None:
        code, detail = ("", "") if refusal is None else (refusal.code, refusal.detail)
        refused = ExplainRefusal(status=given.status, code=code, detail=detail)
        return answer(ExplainAnswer(sql=None, parameters=[], plan=[], findings=[], refusal=refused))
    return answer({
        "sql": run.found.sql,
        "parameters": _parameters(run),
        "plan": run.found.plan,
        "findings": [one.shown() for one in await _findings(server, run, said.view)],
        "refusal": None,
    })  # fmt: skip


def _parameters(run: PlannedRead) -> list[Any]:
    """Give the parameters of the statement that was planned, without what a trace hides."""
    told = [statement for stage in run.trace.shown() for statement in stage.get("statements", [])]
    return next((list(one["parameters"]) for one in told if one["sql"].startswith("EXPLAIN")), [])


async def _findings(server: Server, run: PlannedRead, view: str) -> list[Any]:
    plan = run.found.plan if run.found is not None else []
    async with server.pool.lease() as connection:
        known = await sizes(connection, sorted(tables_of(plan)))
    return await asyncio.to_thread(lambda: list(slow_reads(f"views/{view}", run.runtime.project, plan, known)))

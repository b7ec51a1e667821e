"""Policy tests and the isolation proof over HTTP: of a document, or of what is live, with the report."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.auth.admin_access import VIEWER
from app.auth.routes.mounted import answer
from app.control_plane.document import active, parsed, read_document
from app.definitions.project import Project
from app.isolation import report as isolation_report
from app.isolation.callers import asked_for
from app.isolation.prove import prove
from app.policy_tests.report import shown

router = APIRouter()
Said = Annotated[list[str], Query()]


@router.post("/test", dependencies=[VIEWER])
async def test(request: Request) -> Response:
    """Run the tests of a document, or without one those that are live; nothing of it lasts, and no live row is seen."""
    return answer(shown(await request.app.state.tests.run(await _project(request))))


@router.post("/test/isolation", dependencies=[VIEWER])
async def isolation(request: Request, role: Said = [], user: Said = [], shared: Said = []) -> Response:  # noqa: B006 - FastAPI copies it
    """Prove that one person's rows are out of another's reach; nothing of it lasts, and no live row is seen."""
    project = await _project(request)
    asked = asked_for(project, roles=role, columns=user, shared=shared)
    proof = await request.app.state.tests.alone(lambda url: prove(url, project, asked))
    return answer(isolation_report.shown(proof))


async def _project(request: Request) -> Project:
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        _, stored = await active(request)
        return stored.whole()
    return parsed(await read_document(request))

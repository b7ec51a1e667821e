"""Policy tests over HTTP: those of a document, or of what is live, with the report of each."""

from fastapi import APIRouter, Request, Response

from app.auth.admin_access import VIEWER
from app.auth.routes.router import answer
from app.control_plane.document import active, parsed, read_document
from app.policy_tests.report import shown

router = APIRouter()


@router.post("/test", dependencies=[VIEWER])
async def test(request: Request) -> Response:
    """Run the tests of a document, or without one those that are live; nothing of it lasts, and no live row is seen."""
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        _, project = await active(request)
    else:
        project = parsed(await read_document(request))
    return answer(shown(await request.app.state.tests.run(project)))

"""Recent requests, for the admin who is asked why."""

from typing import ClassVar

from fastapi import APIRouter, Request, Response

from app.auth.admin_access import VIEWER
from app.auth.routes.mounted import answer
from app.errors import RowgateError

router = APIRouter()


class RequestForgotten(RowgateError):
    """No request of this id is remembered: it was served, is too long ago, or came to another process."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "requests.not_found"


@router.get("/requests", dependencies=[VIEWER])
async def list_requests(request: Request) -> Response:
    """List recent requests, the newest first: every refusal, and a sample of the others."""
    return answer(request.app.state.recent.listed())


@router.get("/requests/{request_id}", dependencies=[VIEWER])
async def get_request(request: Request, request_id: str) -> Response:
    """Give one request by its X-Request-Id."""
    found = request.app.state.recent.find(request_id)
    if found is None:
        hint = "Simulate it: POST /admin/v1/simulate."
        raise RequestForgotten("No request of this id is remembered by this process.", hint=hint)
    return answer(found)

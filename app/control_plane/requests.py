"""Recent requests, for the admin who is asked why."""

from datetime import datetime
from typing import Any, ClassVar

from fastapi import Response
from pydantic import Field

from app.auth.admin_access import VIEWER
from app.control_plane.server import ServerDep
from app.errors import RowgateError
from app.http.fixed_routes import Declared, FixedRouter, ProblemField, answer, refuses

router = FixedRouter(tags=["seeing"])


class RequestForgotten(RowgateError):
    """No request of this id is remembered: it was served, is too long ago, or came to another process."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "requests.not_found"


class SeenCaller(Declared):
    """Who called."""

    kind: str
    id: str | None
    roles: list[str]


class SeenRequest(Declared):
    """A request as it is remembered; of one that was refused why, and of one that a step refused which."""

    request_id: str
    at: datetime
    method: str
    path: str
    query: dict[str, Any]
    status: int
    caller: SeenCaller | None
    code: str = ""
    detail: str = ""
    errors: list[ProblemField] = Field(default_factory=list)
    stage: str = ""
    step: dict[str, Any] = Field(default_factory=dict)
    steps_before: list[dict[str, Any]] = Field(default_factory=list)


@router.get("/requests", dependencies=[VIEWER], response_model=list[SeenRequest])
async def list_requests(server: ServerDep) -> Response:
    """List recent requests, the newest first: every refusal, and a sample of the others."""
    return answer(server.recent.listed())


@router.get("/requests/{request_id}", dependencies=[VIEWER], response_model=SeenRequest)
@refuses(RequestForgotten)
async def get_request(server: ServerDep, request_id: str) -> Response:
    """Give one request by its X-Request-Id."""
    found = server.recent.find(request_id)
    if found is None:
        hint = "Simulate it: POST /admin/v1/simulate."
        raise RequestForgotten("No request of this id is remembered by this process.", hint=hint)
    return answer(found)

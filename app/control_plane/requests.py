"""Recent requests, found by who asked for what and what came, for the admin who is asked why."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Depends, Query, Response
from pydantic import AwareDatetime, Field

from app.auth.admin_access import VIEWER
from app.auth.managed_users import id_of
from app.control_plane.server import ServerDep
from app.data_plane.seeing.recent import RequestsAsked
from app.errors import RowgateError
from app.http.fixed_routes import Declared, FixedRouter, ProblemField, answer, refuses

router = FixedRouter(tags=["seeing"])
_MOST = 2000


class RequestForgotten(RowgateError):
    """No request of this id is remembered: it was served, is too long ago, or came to another process."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "requests.not_found"


class SeenCaller(Declared):
    """Who called."""

    kind: str
    id: str | None
    roles: list[str]


class SeenStage(Declared):
    """A stage that the request came to, and how long it took."""

    stage: str
    milliseconds: float


class SeenStep(Declared):
    """A step that began, and how long it was until the next one or the end of its stage."""

    step: str
    name: str | None
    place: str
    milliseconds: float


class SeenRequest(Declared):
    """A request as it is remembered; of one that was refused why, and of one that a step refused which.

    `target` is the endpoint or view that was found: `endpoints/get_document`.
    """

    request_id: str
    at: datetime
    method: str
    path: str
    query: dict[str, Any]
    status: int
    caller: SeenCaller | None
    target: str | None
    milliseconds: float
    stages: list[SeenStage]
    steps: list[SeenStep]
    code: str = ""
    detail: str = ""
    errors: list[ProblemField] = Field(default_factory=list)
    stage: str = ""
    step: dict[str, Any] = Field(default_factory=dict)
    steps_before: list[dict[str, Any]] = Field(default_factory=list)


_Text = Annotated[str | None, Query(max_length=500)]


async def _asked(
    *,
    which: Literal["refused", "slow"] | None = None,
    id: Annotated[_Text, Query(description="What the X-Request-Id begins with.")] = None,  # noqa: A002 - its name
    caller: Annotated[_Text, Query(description="`anonymous`, the id of a user or key, or a user's address.")] = None,
    target: Annotated[_Text, Query(description="`endpoints/NAME` or `views/NAME`.")] = None,
    code: _Text = None,
    path: Annotated[_Text, Query(description="A part of the path.")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> RequestsAsked:
    return RequestsAsked(which, id, caller, target, code, path, since, until)


AskedDep = Annotated[RequestsAsked, Depends(_asked)]


@router.get("/requests", dependencies=[VIEWER], response_model=list[SeenRequest])
async def list_requests(
    server: ServerDep, asked: AskedDep, limit: Annotated[int, Query(ge=1, le=_MOST)] = _MOST
) -> Response:
    """List recent requests, the newest first: every refusal, what was slow, and a sample of the others."""
    if asked.caller is not None and "@" in asked.caller:
        async with server.pool.lease() as connection:
            asked = replace(asked, caller=await id_of(connection, asked.caller) or asked.caller)
    return answer(server.recent.listed(asked, limit))


@router.get("/requests/{request_id}", dependencies=[VIEWER], response_model=SeenRequest)
@refuses(RequestForgotten)
async def get_request(server: ServerDep, request_id: str) -> Response:
    """Give one request by its X-Request-Id."""
    found = server.recent.find(request_id)
    if found is None:
        hint = "Simulate it: POST /admin/v1/simulate."
        raise RequestForgotten("No request of this id is remembered by this process.", hint=hint)
    return answer(found.shown())

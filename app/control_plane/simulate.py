"""Simulate: a request as anyone, through the very function that serves, rolled back and told step by step."""

import asyncio
from dataclasses import replace
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import Depends, Response
from pydantic import Field

from app.auth.admin_access import Editor
from app.auth.identity import ANONYMOUS, Identity, sign_in_as, signed_in_by, user_identity
from app.auth.managed_users import id_of
from app.auth.role_names import RolesUnknown
from app.changes.apply import CHANGE_REFUSALS, apply_project
from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.control_plane.document import LIMIT, parsed
from app.control_plane.named import NotThere, identifier, known_roles
from app.control_plane.server import Server, ServerDep
from app.data_plane.asgi import answered
from app.data_plane.made_request import made_request
from app.data_plane.run import Plane
from app.data_plane.seeing.rehearsal import LookingLimiter, Rehearsal
from app.definitions.policy_tests import SignInDef
from app.definitions.project import DefinitionInvalid
from app.errors import RowgateError
from app.expressions.conversion import to_type
from app.expressions.operations import EvaluationError
from app.expressions.types import Record
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.http.json_body import json_or_text, plain_numbers

router = FixedRouter(tags=["seeing"])
_PREFIXES = ("/api/", "/rest/v1/", "/functions/v1/")
_NOBODYS = "00000000-0000-0000-0000-000000000000"


class SimulationInvalid(RowgateError):
    """What is to be simulated is not a request that this server could get, or its caller is described wrongly."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "simulate.invalid"


class Pretended(Body):
    """A caller: one there is, by id or email, or one who is made up of roles and columns; `sign_in` says by what."""

    user: str | None = None
    email: str | None = None
    roles: list[str] | None = None
    columns: dict[str, Any] | None = None
    sign_in: SignInDef = SignInDef()


class Simulation(Body):
    """What is to be simulated."""

    as_: str | Pretended = Field(default="anonymous", alias="as")
    method: str = Field(default="GET", pattern=r"^[A-Z]{1,16}$")
    path: str = Field(max_length=8192)
    query: str | dict[str, Any] = ""
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    draft: object = None


class SimulationAnswer(Declared):
    """What came of a simulated request, and the trace of each stage and step."""

    status: int
    headers: dict[str, str]
    body: Any
    trace: list[dict[str, Any]]


@router.post("/simulate", response_model=SimulationAnswer)
@refuses(SimulationInvalid, NotThere, RolesUnknown, *CHANGE_REFUSALS)
async def simulate(
    server: ServerDep, _admin: Editor, said: Annotated[Simulation, Depends(JsonBody(Simulation, LIMIT))]
) -> Response:
    """Run a request as anyone; the answer has its status and body, and the trace of each stage and step."""
    if not said.path.startswith(_PREFIXES) or "?" in said.path:
        raise SimulationInvalid("The path begins with /api/, /rest/v1/ or /functions/v1/, and has no query in it.")
    identity, pretended = await _caller(server, said.as_)
    draft, ddl = (None, ()) if said.draft is None else await _draft(server, said.draft)
    query = said.query if isinstance(said.query, str) else urlencode(said.query, doseq=True)
    made = made_request(said.method, said.path, query, said.headers, said.body)
    plane = server.plane
    services = replace(plane.services, limiter=LookingLimiter(plane.services.limiter))
    rehearsed = Plane(plane.live, plane.auth, plane.pool, services)
    rehearsal = Rehearsal(rehearsed, made, identity, draft=draft, ddl=ddl, pretended=pretended)
    given, refusal = await answered(rehearsal)
    rehearsal.trace.leave(refusal)
    return answer({
        "status": given.status,
        "headers": dict(given.headers),
        "body": json_or_text(given.body),
        "trace": rehearsal.trace.shown(),
    })  # fmt: skip


async def _caller(server: Server, said: str | Pretended) -> tuple[Identity, bool]:
    """Give who the request is run as, and whether it is somebody made up; raises NotThere."""
    if isinstance(said, str):
        if said == "anonymous":
            return ANONYMOUS, False
        said = Pretended(email=said) if "@" in said else Pretended(user=said)
    named = [one for one in (said.user, said.email) if one is not None]
    made_up = said.roles is not None or said.columns is not None
    if len(named) + made_up != 1:
        raise SimulationInvalid("Say who by one of: anonymous, user, email, or roles and columns.")
    user = _made_up(server, said) if made_up else await _user(server, said)
    return signed_in_by(user, sign_in_as(said.sign_in)), made_up


async def _user(server: Server, said: Pretended) -> Identity:
    id_ = None
    if said.email is not None:
        async with server.pool.lease() as connection:
            id_ = await id_of(connection, said.email)
    elif said.user is not None:
        id_ = identifier(said.user, "user")
    state = None if id_ is None else await server.auth.users.reload(id_)
    if state is None:
        raise NotThere("user")
    return state.anyone


def _made_up(server: Server, said: Pretended) -> Identity:
    roles = known_roles(server, said.roles or [])
    record = Record("auth.user", server.live.runtime.schema.tables["users"].record.fields)
    given = {"id": _NOBODYS, **(said.columns or {})}
    if unknown := sorted(set(given) - set(record.fields)):
        raise SimulationInvalid(f"A user has no such columns: {', '.join(unknown)}.")
    try:
        columns = {**dict.fromkeys(record.fields), **to_type(given, record)}
    except EvaluationError as error:
        raise SimulationInvalid(f"The caller's columns are not what users have: {error}") from None
    return user_identity(str(columns["id"]), session_id=None, roles=roles, columns=columns, version=0)


async def _draft(server: Server, document: object) -> tuple[Runtime, tuple[str, ...]]:
    """Compile a draft, and give the DDL that its tables need; raises DefinitionInvalid with every finding."""
    project = await asyncio.to_thread(parsed, plain_numbers(document))
    live = server.live.runtime
    runtime, findings = await asyncio.to_thread(compile_project, project, live.revision)
    if runtime is None:
        raise DefinitionInvalid(findings)
    plan = await apply_project(server.engine, project, author="simulate", dry_run=True)
    return runtime, plan.sql

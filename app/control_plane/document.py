"""The whole backend as one document, its revisions, and the audit log."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Query, Request, Response

from app.auth.admin_access import VIEWER, Editor
from app.auth.routes.mounted import answer
from app.changes.apply import Plan, apply_project
from app.changes.files import dump_yaml, load_text
from app.changes.standing import refused
from app.compiler.check import check_project
from app.control_plane.named import NotThere
from app.definitions.project import DefinitionInvalid, Project, parse_project
from app.definitions.stored import Stored
from app.errors import Finding, RowgateError
from app.http.json_body import parse_json, plain_numbers
from app.http.read_body import read_body
from app.store.active import load_active, load_revision

router = APIRouter()
LIMIT = 8 * 1024 * 1024
_KEYS = LIMIT  # no bound of its own: tens of thousands of endpoints in one document are plausible
_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
_DOCUMENT = _YAML | {"application/json"}


class ETagNeeded(RowgateError):
    """A destructive change says which revision it was made for."""

    status: ClassVar[int] = 428
    code: ClassVar[str] = "change.etag_needed"


class ETagMalformed(RowgateError):
    """If-Match holds no ETag of ours."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "change.revision"


def etag(revision: int | None) -> dict[str, str]:
    """Give the header that names a revision."""
    return {"ETag": f'"{revision}"'}


def expected_revision(request: Request, *, needed: bool = False) -> int | None:
    """Read If-Match; raises ETagNeeded where it is left out of what needs it."""
    given = request.headers.get("if-match")
    if given is None:
        if needed:
            hint = "Read it first, and send its ETag as If-Match."
            raise ETagNeeded("This needs If-Match, so that nobody's change is lost.", hint=hint)
        return None
    text = given.strip().removeprefix("W/").strip('"')
    if text == "*":
        return None
    if not text.isascii() or not text.isdigit():
        raise ETagMalformed("If-Match holds no ETag of these definitions.")
    return int(text)


@dataclass(frozen=True, slots=True)
class Options:
    """How a change is to be made: what it may destroy, whether it is only planned, and the revision it is made for.

    Without `allow_wider` it is refused where it lets somebody into more.
    """

    destroy: tuple[str, ...]
    dry_run: bool
    expected: int | None
    allow_wider: bool


def options(request: Request, *, etag_needed: bool = False) -> Options:
    """Read `?destroy=`, `?dry_run=true`, `?allow_wider=false` and If-Match."""
    query = request.query_params
    expected = expected_revision(request, needed=etag_needed)
    allow_wider = query.get("allow_wider") not in {"false", "0"}
    return Options(tuple(query.getlist("destroy")), query.get("dry_run") in {"true", "1"}, expected, allow_wider)


async def read_document(request: Request) -> Any:
    """Read the body as JSON or YAML, by its content type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = await read_body(request.receive, request.scope["headers"], limit=LIMIT, media_types=_DOCUMENT)
    return load_text(raw) if kind in _YAML else plain_numbers(parse_json(raw or b"null", keys=_KEYS))


def parsed(document: Any) -> Project:
    """Parse a document; raises DefinitionInvalid with every finding."""
    project, findings = parse_project(document)
    if project is None:
        raise DefinitionInvalid(findings)
    return project


async def make_live(
    request: Request,
    project: Project,
    actor: str,
    wanted: Options,
    comment: str | None = None,
    keep: Collection[tuple[str, str]] | None = None,
) -> Plan:
    """Apply a project, and serve it before the answer goes out; `keep` is that of `apply_project`."""
    state = request.app.state
    plan = await apply_project(
        state.engine, project, author=actor, destroy=wanted.destroy, dry_run=wanted.dry_run,
        expected_revision=wanted.expected, comment=comment, judge=state.tests.judge, allow_wider=wanted.allow_wider,
        keep=keep,
    )  # fmt: skip
    if not wanted.dry_run:
        await state.live.refresh()
    return plan


async def active(request: Request) -> tuple[int, Stored]:
    """Read the live revision and what is stored of it."""
    async with request.app.state.pool.lease() as connection:
        return await load_active(connection)


@router.get("/config", dependencies=[VIEWER])
async def get_config(request: Request) -> Response:
    """Give the whole backend, as YAML or JSON by Accept."""
    revision, stored = await active(request)
    accept = request.headers.get("accept", "")
    if any(kind in accept for kind in _YAML):
        return Response(dump_yaml(stored), 200, etag(revision), media_type="application/yaml")
    response = answer(stored.document)
    response.headers.update(etag(revision))
    return response


@router.put("/config")
async def put_config(request: Request, admin: Editor) -> Response:
    """Make the backend what the document says."""
    wanted = options(request)
    project = parsed(await read_document(request))
    plan = await make_live(request, project, admin.actor, wanted)
    response = answer(plan.shown())
    if plan.revision is not None:
        response.headers.update(etag(plan.revision))
    return response


@router.post("/config/plan", dependencies=[VIEWER])
async def plan_config(request: Request) -> Response:
    """List the changes that a PUT of this document would make, with their SQL and what they would destroy."""
    project = parsed(await read_document(request))
    state = request.app.state
    plan = await apply_project(state.engine, project, author="plan", dry_run=True, judge=state.tests.judge)
    return answer(plan.shown())


@router.post("/check", dependencies=[VIEWER])
async def check(request: Request) -> Response:
    """Check a document without saving it; what is stored so and would not be saved so today is a doubt."""
    project, findings = parse_project(await read_document(request))
    found: list[Finding] = findings
    if project is not None:
        findings = await asyncio.to_thread(check_project, project)
        _, stored = await active(request)
        found = await asyncio.to_thread(refused, findings, stored.project, project, lenient=False)
    doubts = [one.shown() for one in findings if one not in found]
    return answer({"valid": not found, "findings": [one.shown() for one in found], "doubts": doubts})


@router.get("/revisions", dependencies=[VIEWER])
async def list_revisions(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """List revisions, the newest first."""
    async with request.app.state.pool.lease() as connection:
        rows = await connection.fetch(
            "SELECT number, created_at, author, comment, changes FROM rowgate.revisions"
            " WHERE $2::bigint IS NULL OR number < $2 ORDER BY number DESC LIMIT $1",
            limit,
            before,
        )
    return answer([dict(row) for row in rows])


@router.get("/revisions/{number}", dependencies=[VIEWER])
async def get_revision(request: Request, number: int) -> Response:
    """Give a revision with the whole document as it was."""
    async with request.app.state.pool.lease() as connection:
        row = await _revision(connection, number)
        stored = await load_revision(connection, number)
    return answer({**dict(row), "document": stored.document})


async def _revision(connection: Any, number: int) -> Any:
    row = None
    if 0 < number < 2**63:
        row = await connection.fetchrow("SELECT * FROM rowgate.revisions WHERE number = $1", number)
    if row is None:
        raise NotThere("revision")
    return row


@router.post("/revisions/{number}/restore")
async def restore_revision(request: Request, admin: Editor, number: int) -> Response:
    """Go back to a revision, as a new one; what came since and holds data needs `destroy`, as any drop does."""
    async with request.app.state.pool.lease() as connection:
        await _revision(connection, number)
        stored = await load_revision(connection, number)
    plan = await make_live(request, stored.whole(), admin.actor, options(request), f"restore revision {number}")
    return answer(plan.shown())


@router.get("/audit", dependencies=[VIEWER])
async def list_audit(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """List what admins did and who signed in, the newest first."""
    async with request.app.state.pool.lease() as connection:
        rows = await connection.fetch(
            "SELECT id, at, actor, action, target, detail FROM rowgate.audit"
            " WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT $1",
            limit,
            before,
        )
    return answer([dict(row) for row in rows])

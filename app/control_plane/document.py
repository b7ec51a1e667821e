"""The whole backend as one document: given, planned, checked and changed."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from app.auth.admin_access import VIEWER, Editor
from app.auth.mailing import refuse_unsendable
from app.changes.apply import CHANGE_REFUSALS, Plan, RevisionChanged, apply_project
from app.changes.diff import settled
from app.changes.files import DocumentUnreadable, dump_json, dump_yaml, load_text
from app.changes.standing import refused
from app.compiler.check import check_document, findings_of_the_rest
from app.control_plane.etags import IfMatch, etag, version_in
from app.control_plane.findings import FindingAnswer
from app.control_plane.server import Server, ServerDep
from app.definitions.project import DefinitionInvalid, Project, dump_project, parse_project
from app.definitions.stored import Stored
from app.errors import RowgateError
from app.http.fixed_bodies import UNREADABLE, read_known
from app.http.fixed_routes import NO_NUL, Declared, FixedRouter, answer, body_schema, refuses
from app.http.json_body import parse_json, plain_numbers
from app.secrets.provider_secrets import refuse_secretless
from app.store.active import load_active

router = FixedRouter(tags=["document"])
LIMIT = 8 * 1024 * 1024
_COMMENT = 500
_KEYS = LIMIT  # no bound of its own: tens of thousands of endpoints in one document are plausible
_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
_DOCUMENT = _YAML | {"application/json"}


class ETagMalformed(RowgateError):
    """If-Match holds no ETag of ours."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "change.revision"


def expected_revision(if_match: str | None) -> int | None:
    """Read the revision of If-Match; None for any."""
    text = version_in(if_match)
    if text == "*":
        return None
    if not text.isascii() or not text.isdigit():
        raise ETagMalformed("If-Match holds no ETag of these definitions.")
    return int(text)


@dataclass(frozen=True, slots=True)
class Options:
    """How a change is to be made: what it may destroy, whether it is only planned, and the revision it is made for.

    Without `allow_wider` it is refused where it lets somebody into more. The `comment` is kept with the revision.
    """

    destroy: tuple[str, ...]
    dry_run: bool
    expected: int | None
    allow_wider: bool
    comment: str | None = None


@refuses(ETagMalformed)
async def _options(
    *,
    if_match: IfMatch = None,
    destroy: Annotated[Sequence[str], Query(description="Tables and `table.column`s that may lose data.")] = (),
    dry_run: Annotated[bool, Query(description="Plan the change, and make nothing of it.")] = False,
    allow_wider: Annotated[bool, Query(description="Whether somebody may get into more than before.")] = False,
    comment: Annotated[
        str | None, Query(max_length=_COMMENT, pattern=NO_NUL, description="What the revision is known by.")
    ] = None,
) -> Options:
    return Options(tuple(destroy), dry_run, expected_revision(if_match), allow_wider, comment)


OptionsDep = Annotated[Options, Depends(_options)]


@refuses(*UNREADABLE, DocumentUnreadable)
@dataclass(frozen=True, slots=True)
class DocumentBody:
    """A dependency that reads the body as JSON or YAML, by its content type; `shape` says what of a backend it is."""

    shape: type[BaseModel]
    required: bool = True

    async def __call__(self, request: Request) -> Any:
        """Read it; what it means is found by those who take it. None where none is sent that isn't required."""
        if not self.required and _has_no_body(request):
            return None
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        raw = await read_known(request, limit=LIMIT, media_types=_DOCUMENT)
        return load_text(raw) if kind in _YAML else plain_numbers(parse_json(raw or b"null", keys=_KEYS))

    @property
    def content(self) -> dict[str, Any]:
        """Give what is taken, by media type, as OpenAPI has it."""
        return {kind: {"schema": body_schema(self.shape)} for kind in ("application/json", "application/yaml")}


def _has_no_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


class BackendDocument(BaseModel):
    """The whole backend: what is left out is empty. Each section's members stand in the docs."""

    model_config = ConfigDict(extra="allow")

    rowgate: Literal[1]


SaidBackend = Annotated[Any, Depends(DocumentBody(BackendDocument))]
SaidBackendOrNone = Annotated[Any, Depends(DocumentBody(BackendDocument, required=False))]


class EffectAnswer(Declared):
    """Who gains or loses what, where, and because of what; `wider` says that somebody gets, or may get, into more."""

    where: str
    who: str
    effect: str
    what: str
    because: str
    wider: bool


class TestsAnswer(Declared):
    """How many tests the document has, and a finding for each that fails."""

    count: int
    failures: list[FindingAnswer]


class WrittenOutAnswer(Declared):
    """A condition that was said in short, such as `owner = auth.user.id`, and the full form that is kept."""

    place: str
    said: str
    full: str


class PlanAnswer(Declared):
    """What a change does: its parts, their SQL, the data that goes, and the revision that it made, if it was made."""

    changes: list[str]
    sql: list[str]
    destroys: list[str]
    holds: list[str]
    revision: int | None
    effects: list[EffectAnswer]
    tests: TestsAnswer
    written_out: list[WrittenOutAnswer]


class CheckAnswer(Declared):
    """Whether a document could be saved; `doubts` are allowed, and seldom meant."""

    valid: bool
    findings: list[FindingAnswer]
    doubts: list[FindingAnswer]
    written_out: list[WrittenOutAnswer]


def parsed(document: Any, within: Project | None = None) -> Project:
    """Parse a document, or a part of what `within` is all else of; raises DefinitionInvalid with every finding.

    What can be read is checked where not all of it can be.
    """
    project, findings = parse_project(document, within=within)
    if project is None:
        whole = document if within is None else {**dump_project(within), **document}
        raise DefinitionInvalid([*findings, *findings_of_the_rest(whole)])
    return project


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit makes of what is stored; `keep` is that of `apply_project`, None for a whole document."""

    project: Project
    keep: Collection[tuple[str, str]] | None = None


Edit = Callable[[Stored], Edited]


@dataclass(frozen=True, slots=True)
class Made:
    """What an edit did, or would do: its plan, and the project as it is then."""

    plan: Plan
    project: Project

    @property
    def headers(self) -> dict[str, str] | None:
        """Give the ETag of what it has made."""
        return None if self.plan.revision is None else etag(self.plan.revision)


async def _refuse_secretless(server: Server, project: Project) -> None:
    async with server.pool.lease() as connection:
        await refuse_secretless(connection, project)


async def make_live(server: Server, edit: Edit, actor: str, wanted: Options) -> Made:
    """Apply an edit of what is stored, and serve it before the answer goes out.

    Edits take turns, each on what the one before has left. One that was made for a revision is refused with
    RevisionChanged once that isn't live any more; any other is made again.
    """
    async with AsyncExitStack() as turn:
        if not wanted.dry_run:
            await turn.enter_async_context(server.turns.next())
        while True:
            revision, stored = await active(server)
            edited = await asyncio.to_thread(edit, stored)
            refuse_unsendable(edited.project, can_send=server.mailing.can_send)
            await _refuse_secretless(server, edited.project)
            try:
                plan = await apply_project(
                    server.engine, edited.project, author=actor, destroy=wanted.destroy, dry_run=wanted.dry_run,
                    expected_revision=revision if wanted.expected is None else wanted.expected, comment=wanted.comment,
                    judge=server.tests.judge, allow_wider=wanted.allow_wider, keep=edited.keep, committed=turn.aclose,
                )  # fmt: skip
                break
            except RevisionChanged:  # by who takes no turns: a command, or a server that starts
                if wanted.expected is not None:
                    raise
    if not wanted.dry_run:
        await server.live.refresh()
    return Made(plan, settled(plan.project))


async def active(server: Server) -> tuple[int, Stored]:
    """Read the live revision and what is stored of it."""
    async with server.pool.lease() as connection:
        return await load_active(connection)


@router.get(
    "/config",
    dependencies=[VIEWER],
    response_model=BackendDocument,
    responses={200: {"content": {"application/yaml": {"schema": {"type": "string"}}}}},
)
async def get_config(request: Request, server: ServerDep) -> Response:
    """Give the whole backend, as YAML or JSON by Accept."""
    revision, stored = await active(server)
    accept = request.headers.get("accept", "")
    if any(kind in accept for kind in _YAML):
        return Response(dump_yaml(stored), 200, etag(revision), media_type="application/yaml")
    return Response(dump_json(stored), 200, etag(revision), media_type="application/json")


@router.put("/config", response_model=PlanAnswer)
@refuses(*CHANGE_REFUSALS)
async def put_config(server: ServerDep, admin: Editor, wanted: OptionsDep, document: SaidBackend) -> Response:
    """Make the backend what the document says."""
    project = await asyncio.to_thread(parsed, document)
    made = await make_live(server, lambda _: Edited(project), admin.actor, wanted)
    return answer(made.plan.shown(), headers=made.headers)


@router.post("/config/plan", dependencies=[VIEWER], response_model=PlanAnswer)
@refuses(*CHANGE_REFUSALS)
async def plan_config(server: ServerDep, document: SaidBackend) -> Response:
    """List the changes that a PUT of this document would make, with their SQL and what they would destroy."""
    project = await asyncio.to_thread(parsed, document)
    refuse_unsendable(project, can_send=server.mailing.can_send)
    await _refuse_secretless(server, project)
    plan = await apply_project(server.engine, project, author="plan", dry_run=True, judge=server.tests.judge)
    return answer(plan.shown())


@router.post("/check", dependencies=[VIEWER], response_model=CheckAnswer)
async def check(server: ServerDep, document: SaidBackend) -> Response:
    """Check a document without saving it; what is stored so and would not be saved so today is a doubt."""
    checked, findings = await asyncio.to_thread(check_document, document)
    found, written_out = findings, [] if checked is None else [one.shown() for one in checked.written_out]
    if checked is not None:
        _, stored = await active(server)
        found = await asyncio.to_thread(refused, findings, stored.project, checked.project, lenient=False)
    doubts = [one.shown() for one in findings if one not in found]
    listed = [one.shown() for one in found]
    return answer({"valid": not found, "findings": listed, "doubts": doubts, "written_out": written_out})

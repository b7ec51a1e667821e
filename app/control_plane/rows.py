"""The rows of a table, for admins: read and written in the dialect of views, with nothing hidden, and audited."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from fastapi import Request as HttpRequest
from fastapi import Response
from pydantic import BaseModel, ConfigDict, RootModel

from app.audit.writing import audit
from app.auth.admin_access import VIEWER, Admin, Editor
from app.auth.identity import ANONYMOUS
from app.compiler.runtime import CompiledView
from app.compiler.table_rows import table_view
from app.control_plane.named import NotThere
from app.control_plane.server import Server, ServerDep
from app.data_plane.idempotency import KeyInvalid, RequestDiffers, StillRunning
from app.data_plane.request import Request
from app.data_plane.rest.dialect.headers import CSV, SINGLE, preferences
from app.data_plane.rest.dialect.refusals import QueryRefused
from app.data_plane.rest.wanted import wanted_of
from app.data_plane.retries import serve_with_retries
from app.data_plane.run import Plane, Run
from app.data_plane.stages.accept import REST
from app.database.faults import WRITE_REFUSALS, AnswerTooLarge, Contended
from app.errors import RowgateError
from app.http.fixed_bodies import UNREADABLE
from app.http.fixed_routes import FixedRouter, body_schema, refuses
from app.http.json_body import BadText
from app.relations.query import Condition
from app.steps.refusals import InputRefused
from app.steps.running import Answer, Call

router = FixedRouter(tags=["rows"])
PATH = "/tables/{name}/rows"
_LONGEST = 500  # characters of a query in the audit log


class RowsUnnamed(RowgateError):
    """A change of rows that names none would be one of all."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "rows.unnamed"


class RowsOfUsers(RowgateError):
    """A row of users without an account is nobody who can sign in."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "rows.users"


class TableRow(BaseModel):
    """One row: its columns by their names."""

    model_config = ConfigDict(extra="allow")


class RowsBody(RootModel[TableRow | list[TableRow]]):
    """A row, or a list of rows that have the same columns."""


_READ = (NotThere, AnswerTooLarge, BadText, InputRefused, QueryRefused, *QueryRefused.__subclasses__())
_WRITTEN = (*_READ, *WRITE_REFUSALS, Contended, *UNREADABLE, KeyInvalid, RequestDiffers, StillRunning)


def _rows(description: str | None = None) -> dict[str, Any]:
    """Give the forms of rows beside a JSON list; with a description, of a status besides the usual one."""
    forms = {"content": {SINGLE: {"schema": {"type": "object"}}, CSV: {"schema": {"type": "string"}}}}
    return forms if description is None else {**forms, "model": list[TableRow], "description": description}


_PAGE: dict[int | str, dict[str, Any]] = {200: _rows(), 206: _rows("A page of more rows, where they were counted")}
_MADE: dict[int | str, dict[str, Any]] = {201: _rows(), 200: _rows("Every row was put in the place of another")}
_CHANGED: dict[int | str, dict[str, Any]] = {200: _rows(), 204: {"description": "Done, and no rows were wanted back"}}


def _said(
    where: str, description: str, *names: str, schema: Mapping[str, Any] | None = None
) -> list[dict[str, object]]:
    schema = schema or {"type": "string"}
    return [{"name": name, "in": where, "schema": schema, "description": description} for name in names]


_DIGITS = {"type": "string", "pattern": "^[0-9]+$"}
_TEST = "A test such as eq.5, gt.5, in.(a,b), is.null, like.a*, under the name of each column that is tested."
_TESTS = [
    {
        "name": "tests", "in": "query", "style": "form", "explode": True, "description": _TEST,
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    *_said("query", "Tests joined: (status.eq.open,amount.gt.5).", "and", "or"),
]  # fmt: skip
_SELECT = _said("query", "Columns of the answer, with commas: id,title,renamed:note.", "select")
_PREFER = "count=exact tells the total; return=minimal answers a change without the rows."
_READING = [
    *_TESTS, *_SELECT, *_said("query", "Columns, with commas: amount.desc.nullslast,id.", "order"),
    *_said("query", "A page of at most 1,000 rows.", "limit", "offset", schema=_DIGITS),
    *_said("header", "The same as limit and offset: 0-99.", "Range"), *_said("header", _PREFER, "Prefer"),
]  # fmt: skip
_KEY = _said("header", "A request that comes again with its key has no second effect.", "Idempotency-Key")
_WRITING = [*_SELECT, *_said("header", _PREFER, "Prefer")]
_INSERTING = [
    *_WRITING, *_KEY,
    *_said("query", "Columns that are unique together: a row that has the values of another goes in its place, where"
           " Prefer says resolution=merge-duplicates, or nowhere, by ignore-duplicates.", "on_conflict"),
    *_said("query", "The columns that are taken of each row that is sent.", "columns"),
]  # fmt: skip


def _told(parameters: list[dict[str, Any]], body: type[BaseModel] | None = None) -> dict[str, object]:
    """Give what OpenAPI tells of a route beside its path."""
    if body is None:
        return {"parameters": parameters}
    sent = {"required": True, "content": {"application/json": {"schema": body_schema(body)}}}
    return {"parameters": parameters, "requestBody": sent}


@router.get(
    PATH, dependencies=[VIEWER], name="list_rows", response_model=list[TableRow], responses=_PAGE,
    openapi_extra=_told(_READING),
)  # fmt: skip
@refuses(*_READ)
async def read(server: ServerDep, name: str, request: HttpRequest) -> Response:
    """Read rows of a table, or of users, by id where no other order is asked for; Content-Range says which."""
    return await _answered(server, request, name, None)


@router.post(
    PATH, name="create_rows", status_code=201, response_model=list[TableRow], responses=_MADE,
    openapi_extra=_told(_INSERTING, RowsBody),
)  # fmt: skip
@refuses(*_WRITTEN, RowsOfUsers)
async def create(server: ServerDep, admin: Editor, name: str, request: HttpRequest) -> Response:
    """Make a row or a list of rows, all or none, and give them as they are."""
    return await _answered(server, request, name, admin)


@router.patch(
    PATH, name="patch_rows", response_model=list[TableRow], responses=_CHANGED,
    openapi_extra=_told([*_TESTS, *_WRITING, *_KEY], TableRow),
)  # fmt: skip
@refuses(*_WRITTEN, RowsUnnamed)
async def change(server: ServerDep, admin: Editor, name: str, request: HttpRequest) -> Response:
    """Change the columns that the body names in the rows that the query's tests name."""
    return await _answered(server, request, name, admin)


@router.delete(
    PATH, name="delete_rows", response_model=list[TableRow], responses=_CHANGED,
    openapi_extra=_told([*_TESTS, *_WRITING]),
)  # fmt: skip
@refuses(*_READ, *WRITE_REFUSALS, Contended, RowsUnnamed)
async def remove(server: ServerDep, admin: Editor, name: str, request: HttpRequest) -> Response:
    """Delete the rows that the query's tests name, and give them as they were."""
    return await _answered(server, request, name, admin)


async def _answered(server: Server, http: HttpRequest, name: str, admin: Admin | None) -> Response:
    scope = {**http.scope, "raw_path": REST + name.encode()}
    request = Request(scope, http.receive, http.state.request_id, server.settings.trusted_proxies)
    if admin is not None:
        request.address = admin.actor  # whose Idempotency-Key it is
        request.headers = [(b"prefer", _preferred(request).encode()), *request.headers]
    answer = await serve_with_retries(_TableRun(server.plane, request, name, admin))
    return Response(answer.body, answer.status, dict(answer.headers), media_type=answer.media_type)


def _preferred(request: Request) -> str:
    """Say what a write always tells: how many rows it was, and the rows themselves where that isn't declined."""
    declined = preferences(request.joined({b"prefer"}).get(b"prefer", "")).get("return") == "minimal"
    return f"count=exact, return={'minimal' if declined and request.method != 'POST' else 'representation'}"


def _tests_of(view: CompiledView, request: Request) -> Sequence[Condition]:
    """Give what a change asks of the rows that it is about."""
    return wanted_of(view, request, ANONYMOUS).query.read.conditions


class _TableRun(Run):
    """A request for rows of a table, on its way through the stages as if there were a view of all of it."""

    __slots__ = ("_admin", "_table")

    def __init__(self, plane: Plane, request: Request, table: str, admin: Admin | None) -> None:
        """Act as nobody: who may ask has been found, and no rule looks."""
        super().__init__(plane, request, ANONYMOUS)
        self._table, self._admin = table, admin

    def begin(self) -> None:
        """Begin a try on the table as it is now; raises NotThere, RowsUnnamed or RowsOfUsers."""
        super().begin()
        table = self.runtime.schema.tables.get(self._table)
        if table is None:
            raise NotThere("table")
        method = self.request.method
        if method == "POST" and table.name == "users":
            raise RowsOfUsers("A row alone makes nobody who can sign in.", hint="POST /admin/v1/users makes a person.")
        view = table_view(self.runtime, table, (self._audited,))
        if method in {"PATCH", "DELETE"} and not _tests_of(view, self.request):
            raise RowsUnnamed("This would be all rows.", hint="Say by tests which are meant: ?id=eq.…")
        self.runtime = replace(self.runtime, views={table.name: view})

    def _audited(self, call: Call) -> None:
        """Have the write in the audit log, in its transaction and behind it."""
        call.keep = partial(self._audit, call, call.keep)

    async def _audit(self, call: Call, then: Any, answer: Answer) -> None:
        count = int(dict(answer.headers)["Content-Range"].rpartition("/")[2])
        query = self.request.query.decode("latin-1")[:_LONGEST]
        done = {"POST": "create", "PATCH": "change", "DELETE": "delete"}[self.request.method]
        if then is not None:
            await then(answer)
        if self._admin is not None and count:
            actor, detail = self._admin.actor, {"rows": count, "query": query}
            await call.db.use(lambda db: audit(db, actor, f"rows.{done}", self._table, detail), writes=True)

"""`POST /users/import`: people of another system, as lines of JSON or as CSV, read as they come."""

import csv
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from fastapi import Request, Response
from pydantic import Field

from app.auth.accounts import normal_email
from app.auth.admin_access import Editor
from app.auth.auth_server import ServedDefinitions
from app.auth.imported_users import Imported, ImportedUser, insert_users
from app.auth.passwords import known_hash
from app.auth.role_names import check_roles
from app.control_plane.server import ServerDep
from app.data_plane.rest.csv_rows import csv_value
from app.definitions.column_types import read_moment, read_uuid
from app.definitions.validation import object_validator
from app.definitions.wrong import Wrong
from app.errors import RowgateError
from app.http.fixed_bodies import Body, checked, hold_caller
from app.http.fixed_routes import Declared, FixedRouter, InputInvalid, answer, body_schema, refuses
from app.http.json_body import BadText, check_text, parse_json
from app.http.read_body import BodyIncomplete, BodyTypeUnsupported, ChangedMeanwhile, media_type_of

router = FixedRouter(tags=["users"])
BATCH = 1000
LONGEST = 64 * 1024  # bytes of one row
LINES, CSV = "application/x-ndjson", "text/csv"


class RowUnreadable(RowgateError):
    """A row of an import is no JSON object, or no line of the CSV that the first one begins."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "import.unreadable"


class HashUnknown(RowgateError):
    """A hash of a kind that nothing here can check a password against, a cut one, or one that costs too much."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "import.hash_unknown"


class ImportedRow(Body):
    """A person as another system knew one: the hash of the password as that system kept it."""

    email: str
    password_hash: str | None = None
    confirmed: bool = True
    disabled: bool = False
    roles: list[str] = Field(default_factory=list, max_length=100)
    columns: dict[str, Any] = Field(default_factory=dict)
    id: str | None = None
    created_at: str | None = None


class ImportRefusal(Declared):
    """A row that made nobody, counted from 1, and why."""

    row: int
    code: str
    message: str
    email: str | None


class ImportReport(Declared):
    """How many people were made; `refusals` are the first 10,000 rows that made nobody, `refused` counts them all."""

    made: int
    refused: int
    refusals: list[ImportRefusal]


_SENT = {
    "requestBody": {
        "required": True,
        "content": {
            LINES: {"schema": body_schema(ImportedRow)},
            CSV: {"schema": {"type": "string", "title": "ImportedCsv"}},
        },
    }
}


@router.post("/users/import", name="import_users", response_model=ImportReport, openapi_extra=_SENT)
@refuses(BodyTypeUnsupported, BodyIncomplete, RowUnreadable, ChangedMeanwhile)
async def import_users(request: Request, server: ServerDep, admin: Editor) -> Response:
    """Make people with the hashes of another system, from lines of JSON or from CSV, in batches of 1,000."""
    kind = media_type_of(request.scope["headers"])
    if kind not in {LINES, CSV}:
        raise BodyTypeUnsupported("An import is of another content type.", hint=f"Send {LINES} or {CSV}.")
    cutter, done = RowCutter(kind == CSV), Imported()
    reader = RowReader(server.live.runtime, cutter)
    async for batch in _batches(request, cutter):
        users = reader.users(batch, done)
        await hold_caller(request)  # who sends for long may be an editor no longer
        async with server.pool.lease() as connection:
            await insert_users(connection, server.hooks, users, done, admin.actor)
    return answer(ImportReport(**asdict(done)))


async def _batches(request: Request, cutter: "RowCutter") -> AsyncIterator[list[bytes]]:
    waiting: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The body didn't come whole.")
        waiting += cutter.rows_in(message.get("body", b""))
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]
        if not message.get("more_body"):
            yield [*waiting, *cutter.last_row()]
            return


@dataclass(slots=True)
class RowCutter:
    """Cuts bytes into rows: lines of JSON, or of CSV the fields of each row, whose names its first line says."""

    is_csv: bool
    names: list[str] | None = None
    header: bytes = b""
    _rest: bytes = b""

    def rows_in(self, chunk: bytes) -> Iterator[bytes]:
        """Give the rows that end in this chunk of bytes; the rest waits for the next. Raises RowUnreadable."""
        lines = (self._rest + chunk).split(b"\n")
        whole, self._rest = b"", lines.pop()
        for line in lines:
            whole = whole + line + b"\n"
            if self.is_csv and whole.count(b'"') % 2 and len(whole) <= LONGEST:
                continue  # the line ends within quotes, and the row doesn't
            yield from self._row(whole)
            whole = b""
        self._rest = whole + self._rest
        if len(self._rest) > LONGEST:
            raise RowUnreadable(f"A row has more than {LONGEST} bytes.")

    def last_row(self) -> Iterator[bytes]:
        """Give what stands behind the last end of a line."""
        rest, self._rest = self._rest, b""
        return self._row(rest)

    def _row(self, row: bytes) -> Iterator[bytes]:
        if not row.strip():
            return
        if self.is_csv and self.names is None:
            self.header = row
            self.names = _csv_fields(row.removeprefix(b"\xef\xbb\xbf"))
            if "email" not in self.names or len(set(self.names)) < len(self.names):
                raise RowUnreadable("The first line names the columns, each once, and email is one of them.")
            return
        yield row


class RowReader:
    """Reads rows as people of the backend that is served."""

    def __init__(self, served: ServedDefinitions, cutter: RowCutter) -> None:
        """Take the definitions, and what cuts the rows."""
        self._served, self._cutter, self._count = served, cutter, 0
        self._fields = {column.name: column for column in served.project.users.columns}
        self._validator = object_validator(self._fields, served.keys)

    def users(self, rows: Iterable[bytes], done: Imported) -> list[ImportedUser]:
        """Read rows; what is wrong with one is told in what is done, and the row left out."""
        found = []
        for row in rows:
            self._count += 1
            email = None
            try:
                given = self._of_csv(row) if self._cutter.is_csv else self._of_json(row)
                email = given.get("email") if isinstance(given.get("email"), str) else None
                found.append(self._user(checked(given, ImportedRow)))
            except RowgateError as error:
                done.refuse(self._count, email, error.errors[0] if error.errors else error)
        return found

    def _user(self, row: ImportedRow) -> ImportedUser:
        digest = None if row.password_hash is None else known_hash(row.password_hash)
        if digest is None and row.password_hash is not None:
            raise HashUnknown("The hash is of no kind that is known, cut, or costs too much to check.")
        columns, errors = self._validator.read(row.columns)
        if errors:
            raise InputInvalid("The columns don't fit.", errors=errors)
        columns = {name: value for name, value in columns.items() if name in row.columns}
        roles = check_roles(self._served.project, row.roles)
        try:
            person = None if row.id is None else str(read_uuid(row.id))
            created = None if row.created_at is None else read_moment(row.created_at)
        except Wrong as wrong:
            raise InputInvalid("The id or the moment don't fit.", errors=wrong.errors) from None
        return ImportedUser(
            self._count, normal_email(row.email), digest, row.confirmed, row.disabled, roles, columns, person, created
        )

    def _of_json(self, row: bytes) -> Mapping[str, Any]:
        found = parse_json(row)
        if not isinstance(found, dict):
            raise RowUnreadable("A row is a JSON object.")
        return found

    def _of_csv(self, row: bytes) -> Mapping[str, Any]:
        names, texts = self._cutter.names or [], _csv_fields(row)
        if len(texts) != len(names):
            raise RowUnreadable("The row has another number of fields than the first line.")
        own: dict[str, Any] = {}
        columns: dict[str, Any] = {}
        for name, text in zip(names, texts, strict=True):
            if name in _OWN_FIELDS:
                own |= {name: _OWN_FIELDS[name](text)} if text else {}
            elif text or name not in self._fields:
                said = self._fields.get(name)
                kind = None if said is None else said.described_with(self._served.keys)
                columns[name] = csv_value(said, kind, text)
        return {**own, "columns": columns}


def _boolean(text: str) -> bool | str:
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(text.lower(), text)


# The fields of a line of CSV that are no columns of `users`; roles stand with spaces between them.
_OWN_FIELDS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("email", "password_hash", "id", "created_at"), str),
    **dict.fromkeys(("confirmed", "disabled"), _boolean),
    "roles": str.split,
}


def _csv_fields(row: bytes) -> list[str]:
    try:
        lines = list(csv.reader([check_text(row.decode("utf-8"))], strict=True))
    except (UnicodeDecodeError, csv.Error, BadText):
        raise RowUnreadable("The row is not CSV in UTF-8.") from None
    if len(lines) != 1:
        raise RowUnreadable("The row is not one line of CSV.")
    return lines[0]

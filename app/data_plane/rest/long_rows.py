"""An insert whose body is too long to be held: rows are read as they come, and written by one statement at the end."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.compiler.runtime import CompiledView, ViewWriting
from app.data_plane.request import Request
from app.data_plane.rest.csv_rows import csv_lines, csv_names, csv_objects
from app.data_plane.rest.dialect.headers import CSV, LINES
from app.data_plane.rest.dialect.refusals import KeysDiffer, QueryUnsupported
from app.data_plane.rest.sent_rows import MAX_ROWS, checked_rows, rows_of
from app.data_plane.rest.wanted import Wanted, begin_write
from app.data_plane.rest.write import ROW_BODIES, BoundWrite, WriteStatement, bind_write, insert_of
from app.data_plane.streams import stream_share
from app.database.staged_rows import NoTemporaryTables, StagedRows
from app.database.statement import Statement
from app.definitions.validation import Validator
from app.definitions.views import HELD_BODY
from app.errors import FieldError, RowgateError
from app.http.json_body import BadJson, BadText, BodyTooLarge, parse_json
from app.http.long_json import in_one_go
from app.http.read_body import BodyIncomplete, BodyTimeout, LongBody, media_type_of
from app.relations.write import rows_json
from app.steps.running import Call

AT_ONCE = 256  # rows that are read in one turn of the loop
LONGEST = 256 * 1024  # bytes of a row
ROWS_A_SECOND = 1000  # that a statement writes at least, or is given up
_IN_PIECES = frozenset({LINES, CSV})
_NOT_KEPT = (
    "The server's role may not make temporary tables, in which rows of so long a body wait: nothing was changed."
)
_GRANT = "Grant the server's role TEMPORARY on its database, or send at most 1 MiB and 10,000 rows at once."
_CUT_OFF = (BodyTooLarge, BodyIncomplete, BodyTimeout)


async def bind_rows_sent(view: CompiledView, request: Request, call: Call) -> BoundWrite:
    """Read what is to be written through a view, from a body that is held or, where that is too long, in pieces."""
    most = view.definition.body_limit
    held = min(most, HELD_BODY)
    if request.method != "POST" or media_type_of(request.headers) not in _IN_PIECES or most == held:
        try:
            return await bind_write(view, request, await request.body(held, ROW_BODIES), call.identity)
        except BodyTooLarge as error:
            if most == held:
                raise
            hint = f"Insert so many rows as lines of JSON ({LINES}) or as {CSV}."
            raise BodyTooLarge(error.detail, hint=hint, headers=error.headers) from None
    body = await request.begun_body(held, most, ROW_BODIES)
    if isinstance(body, bytes):
        if body.count(b"\n") <= MAX_ROWS:
            return await bind_write(view, request, body, call.identity)
        body = LongBody(None, body, most, more=False)
    return await _bind(view, request, body, call)


def may_be_long(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Say by the head whether the body may be one that comes in pieces."""
    if media_type_of(headers) not in _IN_PIECES:
        return False
    length = next((value for name, value in headers if name == b"content-length"), b"")
    return not length.isdigit() or len(length) > len(str(HELD_BODY)) or int(length) > HELD_BODY


async def _bind(view: CompiledView, request: Request, body: LongBody, call: Call) -> BoundWrite:
    writing, wanted = begin_write(view, request, call.identity)
    if wanted.representation:
        hint = "Send Prefer: return=minimal (count=exact says how many they are), and read them afterwards."
        raise QueryUnsupported("Rows of so long a body don't come back.", hint=hint)
    reader = _SentInPieces(view, writing, wanted, is_csv=media_type_of(request.headers) == CSV)
    try:
        staged = await call.db.staging(stream_share(call.identity, request.address))
    except NoTemporaryTables as error:
        raise BodyTooLarge(_NOT_KEPT, hint=_GRANT) from error
    try:
        await _stage(reader, body, staged)
    except RowgateError as refusal:
        await staged.close()
        if not isinstance(refusal, _CUT_OFF):
            # Whoever still sends reads the answer when all is sent.
            async for _ in body.pieces():
                pass
        raise
    call.more_seconds = staged.rows / ROWS_A_SECOND
    statement = reader.statement()
    return BoundWrite(view, "POST", wanted, WriteStatement(statement, []) if staged.rows else None)


async def _stage(reader: "_SentInPieces", body: LongBody, staged: StagedRows) -> None:
    async for piece in body.pieces():
        for rows in reader.rows_in(piece):
            await staged.add(rows)
    for rows in reader.last_rows():
        await staged.add(rows)


class _SentInPieces:
    """Makes of the pieces of a body the rows that they hold, checked as those of a body that is held."""

    def __init__(self, view: CompiledView, writing: ViewWriting, wanted: Wanted, *, is_csv: bool) -> None:
        """Begin before the first piece."""
        self._view, self._writing, self._wanted, self._is_csv = view, writing, wanted, is_csv
        self._rest = b""
        self._names: list[str] | None = None
        self._keys: frozenset[str] = frozenset()
        self._insert: tuple[Validator, Statement] | None = None
        self._first = 0  # the number of the next row

    def rows_in(self, piece: bytes) -> Iterator[list[object]]:
        """Give the rows that end in a piece, some at a time; raises what a body that is held is refused for."""
        came = self._rest + piece
        end = whole_rows(came, quoted=self._is_csv)
        self._rest = came[end:]
        yield from self._rows(came[:end])
        if len(self._rest) > LONGEST:
            raise BodyTooLarge(f"A row may have at most {LONGEST} bytes, and row {self._first} has more.")

    def last_rows(self) -> Iterator[list[object]]:
        """Give what is behind the last line's end."""
        yield from self._rows(self._rest)
        if self._is_csv and self._names is None:
            raise KeysDiffer("The body has no line that names the columns.")

    def statement(self) -> Statement:
        """Give the statement that writes the rows."""
        return self._inserting(())[1]

    def _inserting(self, keys: tuple[str, ...]) -> tuple[Validator, Statement]:
        if self._insert is None:
            self._keys = frozenset(keys)
            self._insert = insert_of(self._view, self._writing, self._wanted, keys, staged=True)
        return self._insert

    def _rows(self, text: bytes) -> Iterator[list[object]]:
        if self._is_csv:
            lines: Sequence[Any] = csv_lines(text, begins=self._names is None)
            if lines and self._names is None:
                self._names, lines = csv_names(lines[0]), lines[1:]
        else:
            lines = [line for line in text.split(b"\n") if line and not line.isspace()]
        for start in range(0, len(lines), AT_ONCE):
            yield self._checked(self._read(lines[start : start + AT_ONCE]))

    def _read(self, lines: Sequence[Any]) -> list[Any]:
        if self._names is not None:
            return csv_objects(self._writing, self._names, lines)
        return [self._line(line, number) for number, line in enumerate(lines, self._first)]

    def _line(self, line: bytes, number: int) -> Any:
        try:
            return parse_json(line)
        except (BadJson, BadText) as error:
            raise type(error)(error.detail, errors=[FieldError(("body", number), error.code, error.detail)]) from None

    def _checked(self, sent: list[Any]) -> list[object]:
        wanted = self._wanted
        rows, keys = rows_of(sent, wanted.columns, missing_is_default=wanted.prefer.get("missing") == "default")
        validator, _ = self._inserting(keys)
        if self._keys != frozenset(keys):
            hint = f"Send the same columns in each row, or name them by columns=; row {self._first} has others."
            raise KeysDiffer("All object keys must match", hint=hint)
        checked = in_one_go(checked_rows(validator, rows, rows_json, self._first))
        self._first += len(rows)
        return checked


def whole_rows(came: bytes, *, quoted: bool) -> int:
    """Give where the last whole row ends; a line that ends within quotes goes on, where rows may be `quoted`."""
    end = came.rfind(b"\n") + 1
    within = quoted and came.count(b'"', 0, end) % 2 == 1
    while within and end:
        before = came.rfind(b"\n", 0, end - 1) + 1
        within = came.count(b'"', before, end) % 2 == 0
        end = before
    return end

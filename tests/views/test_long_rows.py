"""Rows of a body that is too long to be held come in pieces, and are written as those of a body that is held."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from app.data_plane.rest import long_rows
from app.database.pool import ACQUIRE_SECONDS
from app.database.session import Session
from app.http import read_body
from tests.backend import Backend, Person
from tests.listening import listening_port
from tests.views.test_writing import TABLES, VIEWS

MIB = 1024 * 1024
COUNTED = {
    "name": "counted",
    "table": "notes",
    "columns": ["id", "title", "slug", "amount", "created_at"],
    "filter": "row.owner_user_id == auth.user.id",
    "allow": {
        "insert": {"check": "row.owner_user_id == auth.user.id && row.amount < 100"},
        "update": True, "select": True,
    },
    "presets": {"owner_user_id": "=auth.user.id"},
    "middleware": ["noted"],
}  # fmt: skip
OPEN = {**VIEWS[3], "columns": ["id", "title", "slug", "amount"], "presets": {"owner_user_id": "=params.who"}}
OPEN |= {"params": {"who": {"type": "uuid", "required": True}}}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [*TABLES, {"name": "calls", "columns": [{"name": "of", "type": "text"}]}],
    "middleware": [{"name": "noted", "steps": [{"do": "insert", "table": "calls", "set": {"of": "counted"}}]}],
    "views": [
        {**one, "body_limit": 100 * MIB} for one in (VIEWS[0], VIEWS[4], COUNTED, OPEN)
    ] + [{**VIEWS[0], "name": "plain_notes"}, {**VIEWS[0], "name": "narrow_notes", "body_limit": 100}],
}  # fmt: skip
NOTES, TYPES = "/rest/v1/my_notes", {"ndjson": "application/x-ndjson", "csv": "text/csv"}
MERGE, KEEP = "resolution=merge-duplicates", "resolution=ignore-duplicates"
SHOWN = "title,slug,amount::text,status,tags,day,data"


@contextmanager
def in_pieces(held: int = 5, piece: int = 7, at_once: int = 2) -> Iterator[list[int]]:
    """Hold next to nothing of a body, and count the rows that are staged."""
    staged: list[int] = []
    begin = Session.staging

    async def staging(self: Session, on_behalf_of: object) -> Any:
        found = await begin(self, on_behalf_of)
        add = found.add

        class Noted:
            rows = property(lambda _: found.rows)
            close = staticmethod(found.close)

            @staticmethod
            async def add(rows: Any) -> None:
                staged.append(len(rows))
                await add(rows)

        return Noted()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_rows, "HELD_BODY", held)
        patch.setattr(long_rows, "AT_ONCE", at_once)
        patch.setattr(read_body, "PIECE", piece)
        patch.setattr(Session, "staging", staging)
        yield staged


def lines(*rows: Any) -> str:
    return "\n".join(json.dumps(row) for row in rows)


async def sent(person: Person, kind: str, text: str | bytes, path: str = NOTES, prefer: str = "", **more: str) -> Any:
    content = text.encode() if isinstance(text, str) else text
    headers = {"Content-Type": TYPES.get(kind, kind), "Prefer": f"count=exact,{prefer}".strip(","), **more}
    return await person.call("POST", path, content=content, headers=headers)


@pytest.fixture
def alice_of(backend: Backend) -> Any:
    return lambda: backend.sign_up("alice")


# The body, the query, the preferences: what each comes to is the same either way.
CASES: list[tuple[str, str, str, str]] = [
    ("ndjson", lines({"title": "A", "slug": "ä"}, {"title": "B", "slug": None}, {"title": "C", "slug": "c"}), "", ""),
    ("ndjson", lines({"title": "A"}) + "\r\n\n  \n" + lines({"title": "B"}) + "\n", "", ""),
    ("ndjson", lines({"title": "A", "amount": 1.1, "tags": ["x", 'y"z'], "day": "2027-01-02", "data": {"n": [None]}}),
     "", ""),
    ("ndjson", '{"title": "A", "amount": 12345678901234567890.0123456789}\n{"title": "B", "amount": 2}', "", ""),
    ("ndjson", lines({"title": "A", "x": 1}, {"title": "B"}), "?columns=title,amount", ""),
    ("ndjson", lines({"title": "A", "amount": 1}, {"title": "B"}), "?columns=title,amount", "missing=default"),
    ("ndjson", lines({"title": "A", "slug": "a"}, {"title": "B", "slug": "b"}), "?on_conflict=slug", MERGE),
    ("ndjson", lines({"title": "A", "slug": "old"}, {"title": "B", "slug": "b"}), "?on_conflict=slug", MERGE),
    ("ndjson", lines({"title": "A", "slug": "old"}), "?on_conflict=slug", MERGE),
    ("ndjson", lines(*({"title": "A", "slug": s} for s in ["a", "old", "a", "b"])), "?on_conflict=slug", KEEP),
    ("ndjson", lines(*({"title": "A", "slug": s} for s in ["a", "b", "c", "a"])), "?on_conflict=slug", MERGE),
    ("ndjson", lines(*({"title": "A", "slug": s} for s in ["a", "b", "c", "a"])), "", ""),
    ("ndjson", lines({"title": "A", "slug": "old"}), "", ""),
    ("ndjson", lines(*[{"title": "A"}] * 3), "", "max-affected=2"),
    ("ndjson", lines(*[{"title": "A"}] * 3), "", "return=headers-only"),
    ("ndjson", lines(*[{"title": "A"}] * 3, {"title": ""}, {"title": "B"}), "", ""),
    ("ndjson", lines({"title": "A"}, {"title": "B", "slug": "b"}), "", ""),
    ("ndjson", lines({"title": "A"}, {"title": "B"}, {"title": "C", "nonsense": 1}), "", ""),
    ("ndjson", lines({"title": "A"}, [1]), "", ""),
    ("ndjson", "  \n \n      \n", "", ""),
    ("ndjson", lines({"title": "A"}), "?columns=nonsense", ""),
    ("ndjson", lines({"title": "A", "id": "x"}), "?on_conflict=title", MERGE),
    ("csv", "title,slug,amount\nA,a,1\nB,NULL,2\nC,,\n", "", ""),
    ("csv", '\ufefftitle,tags,data\r\n"a, ""b""\r\nc","{x,""y z""}","{""n"": 1}"\r\nB,{},7', "", ""),
    ("csv", "title,slug\n\n\ufeffA,\ufeffa\n\ufeffB,b\n", "", ""),
    ("csv", "title,slug,amount,status", "", ""),
    ("csv", "title,slug\nA,a\nB,b\nC", "", ""),
    ("csv", "title,title\nA,a\nB,b", "", ""),
    ("csv", 'title,slug\nA,a\n"B,b\nC,c', "", ""),
    ("csv", "title,amount\nA,1\nB,2\nC,x", "", ""),
    ("csv", "title,slug\nA,a\nB,\0\n", "", ""),
    ("csv", "title,slug\nA,a\nB,old", "?on_conflict=slug", MERGE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "query", "prefer"), CASES)
async def test_what_comes_in_pieces_is_written_as_what_is_held(
    backend: Backend, alice_of: Any, kind: str, text: str, query: str, prefer: str
) -> None:
    alice = await alice_of()
    found = []
    for is_held in (True, False):
        await backend.sql("DELETE FROM data.notes")
        await alice.post(NOTES, {"title": "Old", "slug": "old"})
        if is_held:
            answer = await sent(alice, kind, text, NOTES + query, prefer)
        else:
            with in_pieces() as staged:
                answer = await sent(alice, kind, text, NOTES + query, prefer)
            assert answer.status_code != 201 or "/0" in answer.headers["Content-Range"] or max(staged) <= 2
        told = {key: value for key, value in answer.json().items() if key != "request_id"} if answer.content else None
        if told and "hint" in told and "All object keys" in str(told):
            told["hint"] = ""  # of many rows, it says about which of them it is
        headers = [answer.headers.get(name) for name in ("content-range", "location", "preference-applied")]
        rows = (await alice.get(f"{NOTES}?select={SHOWN}&order=title,slug")).json()
        found.append((answer.status_code, told, headers, rows))
    assert found[0] == found[1]


async def test_each_way_to_cut_a_body_gives_the_same_rows(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    text = 'title,slug\n"a\nb",a\n"c""\n\n""",b\r\nd,"e\n,\n"\n"é€𐍈",f'
    rows = [["a\nb", "a"], ['c"\n\n"', "b"], ["d", "e\n,\n"], ["é€𐍈", "f"]]
    for piece in range(1, len(text.encode()) + 2):
        with in_pieces(piece=piece) as staged:
            assert (await sent(alice, "csv", text)).status_code == 201
        assert sum(staged) == len(rows)
        shown = (await alice.get(f"{NOTES}?select=title,slug&order=slug")).json()
        assert [list(row.values()) for row in shown] == rows
        await alice.call("DELETE", f"{NOTES}?title=not.is.null")


async def test_an_error_in_a_row_says_in_which(alice_of: Any) -> None:
    alice = await alice_of()
    with in_pieces() as staged:
        answer = await sent(alice, "ndjson", lines(*[{"title": "A"}] * 5) + '\n{"title": }\n' + lines({"title": "B"}))
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["body", 5]), answer.text
        assert sum(staged) == 5
        answer = await sent(alice, "ndjson", lines(*[{"title": "A"}] * 5, {"title": "A" * 21}))
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", 5, "title"])
    assert (await alice.get(NOTES)).json() == []


@pytest.mark.parametrize(
    ("path", "kind", "prefer", "status", "code"),
    [
        (NOTES, "ndjson", "return=representation", 400, "query.unsupported"),
        (NOTES, "application/json", "", 413, "input.too_large"),
        ("/rest/v1/plain_notes", "ndjson", "", 413, "input.too_large"),
        ("/rest/v1/narrow_notes", "ndjson", "", 413, "input.too_large"),
        ("/rest/v1/read_only", "ndjson", "", 405, "route.method_not_allowed"),
    ],
)
async def test_what_is_too_long_for_what_it_is_says_what_to_do(
    alice_of: Any, path: str, kind: str, prefer: str, status: int, code: str
) -> None:
    alice = await alice_of()
    row = json.dumps({"title": "A", "data": "x" * 1000}) + "\n"
    answer = await sent(alice, kind, row * 1100, path, prefer)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2].rpartition("#")[2]) == (status, code) or (
        answer.status_code == status and code in answer.text
    ), answer.text
    if path == NOTES:
        assert "ndjson" in answer.json()["hint"] or "return=minimal" in answer.json()["hint"]


async def test_a_row_that_is_too_long_is_refused(alice_of: Any) -> None:
    alice = await alice_of()
    row = json.dumps({"title": "A", "data": "x" * 300_000})
    with in_pieces(piece=65536):
        assert (await sent(alice, "ndjson", f"{row}\n{row}")).status_code == 413
    assert (await alice.get(NOTES)).json() == []


async def test_many_short_rows_come_in_pieces_too(alice_of: Any) -> None:
    alice = await alice_of()
    answer = await sent(alice, "csv", "title\n" + "A\n" * 10_001)
    assert (answer.status_code, answer.headers["content-range"]) == (201, "*/10001")


async def test_the_rules_of_the_view_hold_for_all_rows_together(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    rows = [{"title": "A", "amount": n} for n in (1, 2, 3, 100)]
    with in_pieces():
        assert (await sent(alice, "ndjson", lines(*rows), "/rest/v1/counted")).status_code == 403
        assert await backend.sql("SELECT FROM data.notes") == await backend.sql("SELECT FROM data.calls") == []
        assert (await sent(alice, "ndjson", lines(*rows[:3]), "/rest/v1/counted")).status_code == 201
        assert len(await backend.sql("SELECT FROM data.calls")) == 1
        path = f"/rest/v1/inbox?who={alice.id}"
        assert (await sent(alice, "ndjson", lines({"title": "B"}, {"title": "C"}), path)).status_code == 201
    owners = await backend.sql("SELECT owner_user_id::text AS id FROM data.notes")
    assert [row["id"] for row in owners] == [alice.id] * 5


async def test_the_same_request_again_is_answered_by_the_first_answer(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    with in_pieces():
        first, again = [
            await sent(alice, "csv", "title\nA\nB\nC", **{"Idempotency-Key": "one"}) for _ in range(2)
        ]  # fmt: skip
        other = await sent(alice, "csv", "title\nA\nB\nD", **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert "idempotency-replayed" in again.headers
    assert len(await backend.sql("SELECT FROM data.notes")) == 3


class Sender:
    """A request whose body is sent as a test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, text: str) -> None:
        data = text.encode()
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def answer(self) -> tuple[int, Any]:
        self._writer.write(b"0\r\n\r\n")
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int((head.lower() + b"content-length: 0\r\n").partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        return int(head.split()[1]), json.loads(body) if body else None

    def leave(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def sending(port: int, person: Person) -> AsyncIterator[Sender]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {NOTES} HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n"
    writer.write(f"{head}Authorization: Bearer {person.session['access_token']}\r\n\r\n".encode())
    sender = Sender(reader, writer)
    await sender.send("title\nA\nB\n")
    try:
        yield sender
    finally:
        sender.leave()


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def test_nobody_waits_for_who_sends_slowly_and_what_is_cut_off_is_not_there(
    backend: Backend, alice_of: Any
) -> None:
    alice, bob = await alice_of(), await backend.sign_up("bob")
    open_ = "SELECT FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    with in_pieces() as staged:
        async with listening_port(backend.app) as port, sending(port, alice) as one, sending(port, bob) as other:
            await until(lambda: len(staged) == 2)
            assert await backend.sql(open_) == []
            one.leave()
            await until(lambda: "request.client_gone" in {e.get("code") for e in backend.app.server.recent.listed()})
            await other.send("C\n")
            assert (await other.answer())[0] == 201
    assert len(await backend.sql("SELECT FROM data.notes")) == 3
    assert (await alice.get(NOTES)).json() == []
    await until(lambda: backend.app.server.pool.standing().used == 0)


async def test_who_sends_too_slowly_is_cut_off(
    backend: Backend, alice_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await alice_of()
    monkeypatch.setattr(read_body, "STREAM_SECONDS", 0.3)
    monkeypatch.setattr(read_body, "SLOWEST", 1e12)
    with in_pieces():
        async with listening_port(backend.app) as port, sending(port, alice) as one:
            await until(lambda: "input.timeout" in {e.get("code") for e in backend.app.server.recent.listed()})
            assert (await one.answer())[0] == 408
    await until(lambda: backend.app.server.pool.standing().used == 0)


async def test_bodies_in_pieces_share_half_of_the_connections(backend: Backend, alice_of: Any) -> None:
    alice, pool = await alice_of(), backend.app.server.pool
    pool._patience = ACQUIRE_SECONDS
    callers = [alice, *[await backend.sign_up(f"caller-{number}") for number in range(1, pool.size // 2)]]
    with in_pieces() as staged:
        async with listening_port(backend.app) as port, asyncio.TaskGroup() as group:

            async def one(caller: Person) -> int:
                async with sending(port, caller) as sender:
                    await until(lambda: len(staged) >= pool.size // 2)
                    await asyncio.sleep(ACQUIRE_SECONDS + 0.2)  # longer than the others may wait for a connection
                    return (await sender.answer())[0]

            tasks = [group.create_task(one(caller)) for caller in callers * 2]
            await until(lambda: len(staged) >= pool.size // 2)
            assert (await alice.get(NOTES)).status_code == 200
    statuses = [task.result() for task in tasks]
    assert 0 < statuses.count(201) <= pool.size // 2
    assert set(statuses) == {201, 503}


async def test_definitions_that_change_meanwhile_write_nothing(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    with in_pieces() as staged:
        async with listening_port(backend.app) as port, sending(port, alice) as one:
            await until(lambda: staged)
            changed = {**DOCUMENT["views"][0], "filter": "row.owner_user_id == auth.user.id && row.title != null"}
            await backend.apply({**DOCUMENT, "views": [changed, *DOCUMENT["views"][1:]]})
            status, problem = await one.answer()
    assert (status, problem["code"]) == (503, "request.changed"), problem
    assert await backend.sql("SELECT FROM data.notes") == []


_LOSE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%staged_rows%' AND pid <> pg_backend_pid()
"""


async def test_a_connection_that_is_lost_meanwhile_writes_nothing(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    with in_pieces() as staged:
        async with listening_port(backend.app) as port, sending(port, alice) as one:
            await until(lambda: staged)
            await backend.sql(_LOSE)
            await one.send("C\nD\nE\n")
            assert (await one.answer())[0] == 503
        assert (await sent(alice, "csv", "title\nA\nB")).status_code == 201
    assert len(await backend.sql("SELECT FROM data.notes")) == 2


async def test_the_server_never_holds_more_than_some_rows(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    row = json.dumps({"title": "A", "data": "x" * 2000}).encode() + b"\n"

    async def body() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield row * 50

    headers = {"Content-Type": "application/x-ndjson", "Prefer": "count=exact"}
    await sent(alice, "ndjson", row * 600)  # what is made once
    tracemalloc.start()
    try:
        answer = await alice.call("POST", NOTES, content=body(), headers=headers)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.headers["content-range"]) == (201, "*/8000")
    assert most < 6 * MIB < 8000 * len(row)


async def test_without_the_right_to_temporary_tables_it_says_which_right(backend: Backend, alice_of: Any) -> None:
    alice = await alice_of()
    (row,) = await backend.sql("SELECT current_database() AS name, current_user AS role")
    await backend.sql(f'REVOKE TEMPORARY ON DATABASE "{row["name"]}" FROM PUBLIC, CURRENT_USER')
    try:
        with in_pieces():
            refused = await sent(alice, "ndjson", lines({"title": "A"}, {"title": "B"}))
    finally:
        await backend.sql(f'GRANT TEMPORARY ON DATABASE "{row["name"]}" TO PUBLIC, CURRENT_USER')
    assert (refused.status_code, refused.json()["hint"]) == (
        413, "Grant the server's role TEMPORARY on its database, or send at most 1 MiB and 10,000 rows at once."
    )  # fmt: skip
    assert "temporary tables" in refused.json()["message"]
    assert (await alice.get(NOTES)).json() == []
    with in_pieces():
        assert (await sent(alice, "ndjson", lines({"title": "A"}, {"title": "B"}))).status_code == 201

"""Rows of tables over the admin API: refusals first, then pages, filters, writes, and what the audit log says."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from asyncpg import DiskFullError
from httpx import Response

from app.compiler.table_rows import table_view
from app.control_plane import rows
from app.relations.query import Query, Read
from tests.backend import Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "users": {"columns": [{"name": "plan", "type": "enum", "values": ["free", "pro"], "default": "free"}]},
    "tables": [
        {
            "name": "notes", "unique": [["slug"]],
            "columns": [
                {"name": "owner", "type": "user", "on_delete": "cascade"},
                {"name": "slug", "type": "text", "required": True, "max_length": 20},
                {"name": "amount", "type": "decimal", "precision": 12, "scale": 2, "min": 0},
            ],
        },
        {"name": "marks", "columns": [{"name": "note", "type": "reference", "table": "notes"}]},
    ],
    "views": [{"name": "none", "table": "notes", "filter": "false", "allow": ["select"]}],
}  # fmt: skip


ROWS = "/admin/v1/tables/notes/rows"


class Asking:
    """An editor, a viewer and nobody, at one server whose rows each test finds gone."""

    def __init__(self, backend: Backend, keys: dict[str, str]) -> None:
        self.backend, self.keys = backend, keys

    async def ask(
        self, method: str, path: str = ROWS, body: Any = None, who: str = "editor", **headers: str
    ) -> Response:
        sent = {**({"apikey": self.keys[who]} if who in self.keys else {}), **headers}
        return await self.backend.client.request(method, path, json=body, headers=sent)

    async def made(self, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.ask("POST", body=list(rows))
        assert answer.status_code == 201, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    async def told(self) -> list[tuple[str, str, str, Any]]:
        sql = "SELECT actor, action, target, detail FROM rowgate.audit WHERE action LIKE 'rows.%' ORDER BY id"
        return [tuple(row) for row in await self.backend.sql(sql)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(shared_url: str) -> AsyncIterator[Asking]:
    async with serving(shared_url, DOCUMENT) as backend:
        root, keys = await backend.admin(), {}
        for role in ("viewer", "editor"):
            body = {"name": role, "admin_role": role}
            keys[role] = (await backend.client.post("/admin/v1/api-keys", json=body, headers=root)).json()["key"]
        yield Asking(backend, keys)


@pytest_asyncio.fixture(loop_scope="module")
async def at(served: Asking) -> Asking:
    await served.backend.sql("TRUNCATE data.notes, data.users, rowgate.audit CASCADE")
    return served


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_only_admins_read_and_only_editors_write(at: Asking) -> None:
    row = {"slug": "a"}
    for method, body in (("GET", None), ("POST", row), ("PATCH", row), ("DELETE", None)):
        path = f"{ROWS}?slug=eq.a"
        assert (await at.ask(method, path, body, who="nobody")).status_code == 401
        answer = await at.ask(method, path if method != "POST" else ROWS, body, who="viewer")
        assert answer.status_code == (200 if method == "GET" else 403), answer.text
    assert await at.backend.sql("SELECT FROM data.notes") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/admin/v1/tables/nothing/rows", None, 404, "admin.not_found"),
        ("GET", "/admin/v1/tables/none/rows", None, 404, "admin.not_found"),
        ("GET", "/admin/v1/tables/accounts/rows", None, 404, "admin.not_found"),
        ("GET", f"{ROWS}?slog=eq.a", None, 400, "query.unknown_column"),
        ("GET", f"{ROWS}?amount=gt.many", None, 400, "query.bad_value"),
        ("GET", f"{ROWS}?select=*,marks(*)", None, 400, "query.unknown_relation"),
        ("PATCH", ROWS, {"slug": "a"}, 400, "rows.unnamed"),
        ("PATCH", f"{ROWS}?select=id", {"slug": "a"}, 400, "rows.unnamed"),
        ("DELETE", ROWS, None, 400, "rows.unnamed"),
        ("DELETE", f"{ROWS}?limit=1", None, 400, "query.unsupported"),
        ("POST", ROWS, {"slug": "a", "id": "018f0000-0000-7000-8000-00000000000a"}, 422, "input.invalid"),
        ("POST", ROWS, {"amount": "-1", "slug": "a"}, 422, "input.invalid"),
        ("POST", ROWS, {"amount": "1"}, 422, "input.invalid"),
        ("POST", ROWS, [{"slug": "a"}, {"slug": "a"}], 409, "db.unique"),
        ("POST", "/admin/v1/tables/users/rows", {"plan": "pro"}, 409, "rows.users"),
        ("PATCH", "/admin/v1/tables/users/rows?plan=eq.free", {"email": "eve@example.com"}, 422, "input.invalid"),
        ("PATCH", "/admin/v1/tables/users/rows?plan=eq.free", {"created_at": None}, 422, "input.invalid"),
    ],
)
async def test_what_is_refused_changes_nothing(
    at: Asking, method: str, path: str, body: Any, status: int, code: str
) -> None:
    await at.made({"slug": "kept"})
    answer = await at.ask(method, path, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert [row["slug"] for row in await at.backend.sql("SELECT slug FROM data.notes")] == ["kept"]
    assert len(await at.told()) == 1


async def test_rows_are_made_read_changed_and_deleted_and_each_write_is_in_the_audit_log(at: Asking) -> None:
    one, two = await at.made({"slug": "one", "amount": "1.50"}, {"slug": "two", "amount": None})
    assert one.keys() == {"id", "owner", "slug", "amount", "created_at", "updated_at"}
    read = await at.ask("GET", f"{ROWS}?slug=eq.one", who="viewer")
    assert (read.status_code, read.json(), read.headers["content-range"]) == (200, [one], "0-0/*")
    assert (await at.ask("GET", f"{ROWS}?amount=is.null&select=slug")).json() == [{"slug": "two"}]
    changed = await at.ask("PATCH", f"{ROWS}?id=eq.{two['id']}", {"amount": "2"})
    assert (changed.status_code, changed.json()[0]["amount"]) == (200, 2.00)
    quiet = await at.ask("PATCH", f"{ROWS}?slug=like.*o*", {"amount": "3"}, Prefer="return=minimal")
    assert (quiet.status_code, quiet.content, quiet.headers["content-range"]) == (204, b"", "0-1/2")
    missed = await at.ask("PATCH", f"{ROWS}?slug=eq.none", {"amount": "4"})
    assert (missed.status_code, missed.json()) == (200, [])
    gone = await at.ask("DELETE", f"{ROWS}?slug=eq.one&select=slug")
    assert (gone.status_code, gone.json()) == (200, [{"slug": "one"}])
    assert (await at.ask("GET", f"{ROWS}?select=slug,amount")).json() == [{"slug": "two", "amount": 3.00}]
    assert await at.told() == [
        ("key:editor", "rows.create", "notes", {"rows": 2, "query": ""}),
        ("key:editor", "rows.change", "notes", {"rows": 1, "query": f"id=eq.{two['id']}"}),
        ("key:editor", "rows.change", "notes", {"rows": 2, "query": "slug=like.*o*"}),
        ("key:editor", "rows.delete", "notes", {"rows": 1, "query": "slug=eq.one&select=slug"}),
    ]


async def test_a_write_whose_audit_fails_is_undone(at: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> None:
        raise DiskFullError("no space")

    monkeypatch.setattr(rows, "audit", full)
    assert (await at.ask("POST", body={"slug": "a"})).status_code == 503
    assert await at.backend.sql("SELECT FROM data.notes") == []


async def test_pages_follow_each_other_and_are_counted_where_that_is_asked(at: Asking) -> None:
    await at.made(*({"slug": f"n{n:02}"} for n in range(25)))
    first = await at.ask("GET", f"{ROWS}?select=slug&limit=10", Prefer="count=exact")
    assert (first.status_code, first.headers["content-range"]) == (206, "0-9/25")
    last = await at.ask("GET", f"{ROWS}?select=slug&order=slug", Range="20-29")
    assert [one["slug"] for one in last.json()] == [f"n{n}" for n in range(20, 25)]
    beyond = await at.ask("GET", f"{ROWS}?offset=30", Prefer="count=exact")
    assert (beyond.status_code, beyond.json()["code"]) == (416, "query.range")
    one = await at.ask("GET", f"{ROWS}?slug=eq.n07&select=slug", Accept="application/vnd.pgrst.object+json")
    assert one.json() == {"slug": "n07"}
    csv = await at.ask("GET", f"{ROWS}?slug=in.(n01,n02)&select=slug&order=slug", Accept="text/csv")
    assert csv.text == "slug\nn01\nn02"


async def test_a_page_of_a_large_table_is_found_by_its_index(at: Asking) -> None:
    fill = "INSERT INTO data.notes (slug) SELECT 'n' || n FROM generate_series(1, 20000) n"
    await at.backend.sql(fill)
    await at.backend.sql("ANALYZE data.notes")
    runtime = at.backend.app.server.live.runtime
    view = table_view(runtime, runtime.schema.tables["notes"], ())
    query = replace(Query(Read()), limit=100)
    plan = await at.backend.sql(f"EXPLAIN {view.shapes.statement(query).sql}", *query.bound(100))
    assert "Index Scan using notes_pkey" in "".join(line for (line,) in plan)


async def test_people_are_read_and_changed_as_rows_and_what_they_may_holds_at_once(at: Asking) -> None:
    alice = await at.backend.sign_up("alice")
    path = "/admin/v1/tables/users/rows?email=eq.alice@example.com"
    seen = (await at.ask("GET", path, who="viewer")).json()
    assert seen[0].keys() == {"id", "email", "created_at", "plan"}
    assert (await at.ask("PATCH", path, {"plan": "pro"})).json()[0]["plan"] == "pro"
    me = await alice.get("/auth/v1/user")
    assert me.json()["user_metadata"]["plan"] == "pro"
    assert (await at.ask("DELETE", path)).status_code == 200
    assert (await alice.get("/auth/v1/user")).status_code == 401


async def test_a_key_sent_again_has_one_effect_for_who_sent_it(at: Asking) -> None:
    again = {"Idempotency-Key": "first"}
    answers = [await at.ask("POST", body={"slug": "a"}, **again) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await at.told()) == 1
    other = await at.ask("POST", body={"slug": "b"}, **again)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.mismatch")


async def test_rows_of_a_table_that_was_just_made_or_changed_are_served(at: Asking) -> None:
    """Another instance has changed the definitions: the first try finds it, and the second runs on the new ones."""
    more = {"name": "labels", "columns": [{"name": "text", "type": "text"}]}
    await at.backend.apply({**DOCUMENT, "tables": [*DOCUMENT["tables"], more]})
    assert (await at.ask("POST", body={"slug": "a"})).status_code == 201
    made = await at.ask("POST", "/admin/v1/tables/labels/rows", {"text": "new"})
    assert (made.status_code, made.json()[0]["text"]) == (201, "new")


@pytest.mark.parametrize("form", ["text/csv", "application/vnd.pgrst.object+json", "application/json"])
async def test_rows_come_in_each_form_that_is_told(at: Asking, form: str) -> None:
    # What tells each answer's form is held to the document by the client.
    wanted, counted = {"Accept": form}, {"Accept": form, "Prefer": "count=exact"}
    one, merged = f"{ROWS}?slug=eq.b", {**wanted, "Prefer": "resolution=merge-duplicates"}
    found = [
        await at.ask("POST", ROWS, {"slug": "a"}, **wanted),
        await at.ask("POST", f"{ROWS}?on_conflict=slug", {"slug": "a"}, **merged),
        await at.ask("POST", ROWS, {"slug": "b"}, **wanted),
        await at.ask("GET", f"{ROWS}?limit=1", **counted),
        await at.ask("GET", one, **wanted),
        await at.ask("PATCH", one, {"amount": 1}, **wanted),
        await at.ask("DELETE", one, **wanted),
    ]
    page = 200 if "object" in form else 206
    assert [answer.status_code for answer in found] == [201, 200, 201, page, 200, 200, 200]
    assert {answer.headers["Content-Type"].partition(";")[0] for answer in found} == {form}


async def test_a_nul_in_the_query_is_refused(at: Asking) -> None:
    for method, body in (("GET", None), ("POST", {"slug": "a"}), ("PATCH", {"amount": 1}), ("DELETE", None)):
        answer = await at.ask(method, f"{ROWS}?slug=eq.%00&select=%00", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "input.bad_text"), method

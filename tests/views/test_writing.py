"""Writing through views: what may be set, which rows may be touched, and the answers that PostgREST's clients read."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.database.pool import connect
from app.definitions.project import parse_project
from tests.backend import Backend, Person, serving

TABLES = [
    {
        "name": "notes",
        "columns": [
            {"name": "owner_user_id", "type": "user", "required": True, "on_delete": "cascade"},
            {"name": "title", "type": "text", "required": True, "min_length": 1, "max_length": 20},
            {"name": "slug", "type": "text", "unique": True},
            {"name": "amount", "type": "decimal", "precision": 40, "scale": 10, "default": "1.50"},
            {"name": "status", "type": "enum", "values": ["draft", "done"], "default": "draft"},
            {"name": "tags", "type": "text", "array": True},
            {"name": "due", "type": "timestamp"},
            {"name": "day", "type": "date"},
            {"name": "data", "type": "json"},
            {"name": "secret", "type": "text"},
        ],
    }
]
SHOWN = ["id", "owner_user_id", "title", "slug", "amount", "status", "tags", "due", "day", "data", "created_at"]
VIEWS: list[dict[str, Any]] = [
    {
        "name": "my_notes",
        "table": "notes",
        "columns": [*SHOWN, {"name": "doubled", "value": "row.amount + row.amount"}],
        "filter": "row.owner_user_id == auth.user.id",
        "allow": ["select", "insert", "update", "delete"],
        "presets": {"owner_user_id": "=auth.user.id"},
    },
    {
        "name": "drafts",
        "table": "notes",
        "columns": ["id", "owner_user_id", "title", "status"],
        "filter": 'row.owner_user_id == auth.user.id && row.status == "draft"',
        "allow": ["select", "insert", "update"],
    },
    {
        "name": "titles",
        "table": "notes",
        "columns": ["id", "title", "slug"],
        "filter": "row.owner_user_id == auth.user.id",
        "allow": ["select", "update"],
        "writable": ["title"],
    },
    {
        "name": "inbox",
        "table": "notes",
        "columns": ["id", "title"],
        "access": "public",
        "allow": ["insert"],
        "presets": {"owner_user_id": "018f0000-0000-7000-8000-00000000000a", "secret": "=request.ip"},
    },
    {"name": "read_only", "table": "notes", "columns": ["id", "title"], "filter": "row.owner_user_id == auth.user.id"},
]
DOCUMENT: dict[str, Any] = {"rowgate": 1, "tables": TABLES, "views": VIEWS[:3] + VIEWS[4:]}
BACK = {"Prefer": "return=representation"}


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    return await backend.sign_up("alice")


@pytest_asyncio.fixture(loop_scope="module")
async def bob(backend: Backend) -> Person:
    return await backend.sign_up("bob")


async def note(person: Person, **columns: Any) -> dict[str, Any]:
    answer = await person.post("/rest/v1/my_notes", {"title": "A", **columns}, headers=BACK)
    assert answer.status_code == 201, answer.text
    (row,) = answer.json()
    return dict(row)


async def rows_of(backend: Backend, columns: str = "title") -> list[Any]:
    found = await backend.sql(f"SELECT {columns} FROM data.notes ORDER BY title, amount, id")
    return [tuple(row) if len(row) > 1 else row[0] for row in found]


async def test_a_row_is_inserted_with_presets_defaults_and_exact_values(backend: Backend, alice: Person) -> None:
    body = {
        "title": "Ünï 'q' \"d\"",
        "tags": ["a,b", '"', "\\"],
        "due": "2027-03-28T01:30:00+02:00",
        "day": "2027-01-31",
        "data": {"deep": [1, None, {"x": 0.1}]},
    }
    row = await note(alice, **body, amount="123456789012345678901234567890.0123456789")
    assert row["owner_user_id"] == alice.id
    assert row["status"] == "draft"
    assert row["tags"] == body["tags"]
    assert row["day"] == "2027-01-31"
    assert row["due"] == "2027-03-27T23:30:00+00:00"
    assert row["data"] == body["data"]
    (stored,) = await rows_of(backend, "amount::text, data::text")
    assert stored[0] == "123456789012345678901234567890.0123456789"
    again = await alice.get("/rest/v1/my_notes?select=amount,doubled")
    assert '"amount":123456789012345678901234567890.0123456789' in again.text


async def test_the_answer_of_an_insert_is_as_asked_for(alice: Person) -> None:
    plain = await alice.post("/rest/v1/my_notes", {"title": "A"})
    assert (plain.status_code, plain.content, plain.headers["content-range"]) == (201, b"", "*/*")
    headers_only = await alice.post("/rest/v1/my_notes", {"title": "B"}, headers={"Prefer": "return=headers-only"})
    assert headers_only.headers["location"].startswith("/rest/v1/my_notes?id=eq.")
    assert headers_only.headers["preference-applied"] == "return=headers-only"
    found = await alice.get(headers_only.headers["location"])
    assert [row["title"] for row in found.json()] == ["B"]
    picked = await alice.post("/rest/v1/my_notes?select=name:title", {"title": "C"}, headers=BACK)
    assert picked.json() == [{"name": "C"}]
    single = await alice.post(
        "/rest/v1/my_notes?select=title",
        {"title": "D"},
        headers={**BACK, "Accept": "application/vnd.pgrst.object+json"},
    )
    assert single.json() == {"title": "D"}


async def test_a_written_row_comes_back_without_its_nulls_where_that_is_asked_for(alice: Person) -> None:
    headers = {**BACK, "Accept": "application/vnd.pgrst.object+json;nulls=stripped"}
    for _ in range(2):
        answer = await alice.post("/rest/v1/my_notes?select=title,slug", {"title": "A"}, headers=headers)
        assert answer.json() == {"title": "A"}
    whole = await alice.post("/rest/v1/my_notes?select=title,slug", {"title": "A"}, headers=BACK)
    assert whole.json() == [{"title": "A", "slug": None}]


async def test_a_write_to_another_schema_is_refused(backend: Backend, alice: Person) -> None:
    answer = await alice.post("/rest/v1/my_notes", {"title": "A"}, headers={"Content-Profile": "rowgate"})
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST106")
    assert await rows_of(backend) == []


async def test_many_rows_are_one_write(backend: Backend, alice: Person) -> None:
    rows = [{"title": "A", "slug": "a"}, {"title": "B", "slug": "b"}]
    answer = await alice.post("/rest/v1/my_notes", rows, headers={"Prefer": "return=representation,count=exact"})
    assert [row["title"] for row in answer.json()] == ["A", "B"]
    assert answer.headers["content-range"] == "*/2"
    taken = await alice.post("/rest/v1/my_notes", [{"title": "C", "slug": "c"}, {"title": "D", "slug": "a"}])
    assert (taken.status_code, taken.json()["code"], taken.json()["rowgate_code"]) == (409, "23505", "db.unique")
    wrong = await alice.post("/rest/v1/my_notes", [{"title": "E"}, {"title": ""}, {"title": 5}])
    assert wrong.status_code == 422
    assert [error["loc"] for error in wrong.json()["errors"]] == [["body", 1, "title"], ["body", 2, "title"]]
    assert await rows_of(backend) == ["A", "B"]
    assert (await alice.post("/rest/v1/my_notes", [], headers=BACK)).json() == []


async def test_rows_have_the_same_keys_or_name_their_columns(backend: Backend, alice: Person) -> None:
    rows = [{"title": "A", "amount": 2}, {"title": "B"}]
    differing = await alice.post("/rest/v1/my_notes", rows)
    assert (differing.status_code, differing.json()["code"]) == (400, "PGRST102")
    as_null = await alice.post('/rest/v1/my_notes?columns="title","amount"', rows)
    assert as_null.status_code == 201
    as_default = await alice.post("/rest/v1/my_notes?columns=title,amount", rows, headers={"Prefer": "missing=default"})
    assert as_default.status_code == 201
    assert await rows_of(backend, "title, amount::float") == [("A", 2), ("A", 2), ("B", 1.5), ("B", None)]
    others = await alice.post("/rest/v1/my_notes?columns=title", {"title": "C", "nonsense": 1})
    assert others.status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"title": "A", "owner_user_id": "018f0000-0000-7000-8000-00000000000a"},
        {"title": "A", "id": "018f0000-0000-7000-8000-00000000000a"},
        {"title": "A", "created_at": "2020-01-01T00:00:00Z"},
        {"title": "A", "doubled": 1},
        {"title": None},
        {"status": "draft"},
        {"title": "A", "status": "gone"},
        {"title": {"$ne": ""}},
    ],
)
async def test_what_may_not_be_set_is_refused_field_by_field(backend: Backend, alice: Person, body: Any) -> None:
    answer = await alice.post("/rest/v1/my_notes", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in {"PGRST204", "23502", "22P02", "23514"}
    assert answer.json()["errors"][0]["loc"][0] == "body"
    assert await rows_of(backend) == []
    mine = await note(alice)
    if "status" not in body or body["status"] == "gone":
        patched = await alice.call("PATCH", f"/rest/v1/my_notes?id=eq.{mine['id']}", json=body)
        assert patched.status_code == 422
    assert await rows_of(backend) == ["A"]


@pytest.mark.parametrize("unknown", [{"secret": "x"}, {"nonsense": 1}, {"nonsense": 1, "secret": "x", "ctid": "x"}])
async def test_columns_that_the_view_does_not_show_are_refused_by_name(
    backend: Backend, alice: Person, unknown: dict[str, Any]
) -> None:
    for method in ("POST", "PATCH"):
        body = {"title": "A", **unknown}
        answer = await alice.call(method, "/rest/v1/my_notes", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "PGRST204")
        assert [error["loc"] for error in answer.json()["errors"]] == [["body", name] for name in unknown]
        named = await alice.call(method, f"/rest/v1/my_notes?columns={','.join(body)}", json=body)
        assert (named.status_code, named.json()["code"]) == (400, "PGRST204")
        first = next(iter(unknown))
        assert named.json()["message"] == f"Could not find the '{first}' column of 'my_notes' in the schema cache"
        assert [error["loc"] for error in named.json()["errors"]] == [[name] for name in unknown]
    assert await rows_of(backend) == []


async def test_updates_and_deletes_touch_only_rows_inside_the_filter(
    backend: Backend, alice: Person, bob: Person
) -> None:
    mine, his = await note(alice, title="mine"), await note(bob, title="his")
    patched = await alice.call("PATCH", "/rest/v1/my_notes?title=neq.x", json={"status": "done"}, headers=BACK)
    assert [row["id"] for row in patched.json()] == [mine["id"]]
    assert patched.headers["content-range"] == "0-0/*"
    other = await alice.call("PATCH", f"/rest/v1/my_notes?id=eq.{his['id']}", json={"title": "taken"})
    absent = await alice.call("PATCH", f"/rest/v1/my_notes?id=eq.{alice.id}", json={"title": "taken"})
    assert (other.status_code, other.content) == (absent.status_code, absent.content) == (204, b"")
    assert other.headers["content-range"] == absent.headers["content-range"] == "*/*"
    removed = await alice.call("DELETE", "/rest/v1/my_notes?title=neq.x", headers={"Prefer": "count=exact"})
    assert (removed.status_code, removed.headers["content-range"]) == (204, "*/1")
    assert await rows_of(backend, "title, status") == [("his", "draft")]


async def test_a_row_can_not_leave_or_be_born_outside_the_filter(backend: Backend, alice: Person, bob: Person) -> None:
    mine = await note(alice)
    moved = await alice.call("PATCH", f"/rest/v1/drafts?id=eq.{mine['id']}", json={"owner_user_id": bob.id})
    assert (moved.status_code, moved.json()["code"]) == (403, "42501")
    assert moved.json()["rowgate_code"] == "access.row_outside"
    done = await alice.call("PATCH", f"/rest/v1/drafts?id=eq.{mine['id']}", json={"status": "done"})
    assert done.status_code == 403
    born = [{"owner_user_id": alice.id, "title": "ok"}, {"owner_user_id": bob.id, "title": "not mine"}]
    assert (await alice.post("/rest/v1/drafts", born)).status_code == 403
    assert await rows_of(backend, "title, owner_user_id, status") == [("A", alice.id, "draft")]
    assert (await alice.post("/rest/v1/drafts", born[0])).status_code == 201


async def test_an_upsert_touches_no_row_that_the_caller_can_not_see(
    backend: Backend, alice: Person, bob: Person
) -> None:
    await note(alice, title="mine", slug="a", amount=7)
    await note(bob, title="his", slug="b")
    merge = {"Prefer": "resolution=merge-duplicates,return=representation"}
    rows = [{"title": "new", "slug": "a"}, {"title": "fresh", "slug": "c"}]
    merged = await alice.post("/rest/v1/my_notes?on_conflict=slug", rows, headers=merge)
    assert [(row["title"], row["amount"]) for row in merged.json()] == [("new", 7), ("fresh", 1.5)]
    hidden = await alice.post("/rest/v1/my_notes?on_conflict=slug", {"title": "stolen", "slug": "b"}, headers=merge)
    assert (hidden.status_code, hidden.json()["code"]) == (409, "23505")
    both = [{"title": "again", "slug": "a"}, {"title": "stolen", "slug": "b"}]
    assert (await alice.post("/rest/v1/my_notes?on_conflict=slug", both, headers=merge)).status_code == 409
    ignore = {"Prefer": "resolution=ignore-duplicates,return=representation"}
    told = await alice.post("/rest/v1/my_notes?on_conflict=slug", [*both, {"title": "d", "slug": "d"}], headers=ignore)
    assert (told.status_code, told.json()["code"]) == (409, "23505")
    seen = [both[0], {"title": "d", "slug": "d"}]
    ignored = await alice.post("/rest/v1/my_notes?on_conflict=slug", seen, headers=ignore)
    assert [row["title"] for row in ignored.json()] == ["d"]
    assert sorted(await rows_of(backend)) == ["d", "fresh", "his", "new"]


@pytest.mark.parametrize(
    ("method", "path", "prefer", "status"),
    [
        ("POST", "my_notes", "resolution=merge-duplicates", 400),
        ("POST", "my_notes?on_conflict=title", "resolution=merge-duplicates", 400),
        ("POST", "my_notes?on_conflict=secret", "resolution=merge-duplicates", 400),
        ("POST", "my_notes?title=eq.A", "", 400),
        ("POST", "my_notes?columns=secret", "", 400),
        ("POST", "my_notes", "handling=strict,whatever=1", 400),
        ("PUT", "my_notes?id=eq.1", "", 400),
        ("PATCH", "my_notes?secret=eq.x", "", 400),
        ("PATCH", "my_notes?limit=1", "", 400),
        ("DELETE", "my_notes?order=title", "", 400),
        ("DELETE", "my_notes?nonsense=eq.1", "", 400),
        ("DELETE", "titles", "", 405),
        ("POST", "titles", "", 405),
        ("POST", "read_only", "", 405),
        ("PATCH", "read_only", "", 405),
    ],
)
async def test_what_is_not_offered_is_refused_and_changes_nothing(
    backend: Backend, alice: Person, method: str, path: str, prefer: str, status: int
) -> None:
    await note(alice)
    answer = await alice.call(method, f"/rest/v1/{path}", json={"title": "B"}, headers={"Prefer": prefer})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await rows_of(backend) == ["A"]


async def test_writable_narrows_what_may_be_set(backend: Backend, alice: Person) -> None:
    mine = await note(alice, slug="s")
    refused = await alice.call("PATCH", f"/rest/v1/titles?id=eq.{mine['id']}", json={"slug": "t"})
    assert refused.status_code == 422
    done = await alice.call("PATCH", f"/rest/v1/titles?id=eq.{mine['id']}", json={"title": "B"}, headers=BACK)
    assert done.json() == [{"id": mine["id"], "title": "B", "slug": "s"}]
    nothing = await alice.call("PATCH", f"/rest/v1/titles?id=eq.{mine['id']}", json={})
    assert nothing.status_code == 204
    assert await rows_of(backend, "title, slug") == [("B", "s")]


async def test_more_rows_than_meant_and_one_row_that_is_none_undo_the_write(backend: Backend, alice: Person) -> None:
    await note(alice)
    await note(alice)
    limited = {"Prefer": "handling=strict,max-affected=1"}
    many = await alice.call("PATCH", "/rest/v1/my_notes?title=eq.A", json={"title": "B"}, headers=limited)
    assert (many.status_code, many.json()["code"]) == (400, "PGRST124")
    gone = await alice.call("DELETE", "/rest/v1/my_notes?title=eq.A", headers=limited)
    assert gone.status_code == 400
    single = {**BACK, "Accept": "application/vnd.pgrst.object+json"}
    two = await alice.call("PATCH", "/rest/v1/my_notes?title=eq.A", json={"title": "B"}, headers=single)
    none = await alice.call("PATCH", "/rest/v1/my_notes?title=eq.Z", json={"title": "B"}, headers=single)
    assert (two.status_code, none.status_code, two.json()["code"]) == (406, 406, "PGRST116")
    assert await rows_of(backend) == ["A", "A"]


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"title": "A", "title": "B"}', "application/json", 400),
        (b"", "application/json", 400),
        (b'"A"', "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'[{"title": "A"}, 1]', "application/json", 400),
        (b"null", "application/json", 400),
        (b"title=A", "application/x-www-form-urlencoded", 415),
        (b'{"title": "a\\u0000b"}', "application/json", 400),
        (b'{"title": "' + b"a" * 1_100_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_body_that_is_no_rows_is_refused(
    backend: Backend, alice: Person, content: bytes, media: str, status: int
) -> None:
    for method in ("POST", "PATCH"):
        answer = await alice.call(method, "/rest/v1/my_notes", content=content, headers={"Content-Type": media})
        assert answer.status_code == status, answer.text
        if b"u0000" not in content and status != 413:
            assert answer.json()["code"] == "PGRST102"
    assert await rows_of(backend) == []


async def test_a_stranger_writes_nothing_and_a_public_view_that_shows_nothing_shows_nothing(migrated_url: str) -> None:
    views = [
        {**VIEWS[3], "presets": {"owner_user_id": "=params.owner"}, "params": {"owner": {"type": "uuid"}}},
        VIEWS[0],
    ]
    async with serving(migrated_url, {**DOCUMENT, "views": views}) as backend:
        alice = await backend.sign_up("alice")
        refused = await backend.client.post("/rest/v1/my_notes", json={"title": "A"})
        assert (refused.status_code, refused.json()["code"]) == (401, "PGRST301")
        sent = await backend.client.post(f"/rest/v1/inbox?owner={alice.id}", json={"title": "hello"})
        assert (sent.status_code, sent.content) == (201, b"")
        shown = await backend.client.post(f"/rest/v1/inbox?owner={alice.id}", json={"title": "hello"}, headers=BACK)
        assert shown.status_code == 400
        assert (await backend.client.get("/rest/v1/inbox")).status_code == 405
        assert [row["title"] for row in (await alice.get("/rest/v1/my_notes")).json()] == ["hello"]


async def test_the_document_says_what_may_be_written(backend: Backend) -> None:
    paths = (await backend.client.get("/openapi.json")).json()["paths"]
    offered = {name: sorted(paths[f"/rest/v1/{name}"]) for name in ("my_notes", "titles", "read_only")}
    assert offered == {"my_notes": ["delete", "get", "patch", "post"], "titles": ["get", "patch"], "read_only": ["get"]}
    body = paths["/rest/v1/titles"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == ["title"]


async def test_a_row_given_away_meanwhile_is_not_touched(backend: Backend, alice: Person, bob: Person) -> None:
    mine = await note(alice)
    connection = await connect(backend.url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("UPDATE data.notes SET owner_user_id = $1", bob.id)
    path = f"/rest/v1/my_notes?id=eq.{mine['id']}"
    waiting = asyncio.create_task(alice.call("PATCH", path, json={"title": "late"}, headers=BACK))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await transaction.commit()
    assert (await waiting).json() == []
    await connection.close()
    assert await rows_of(backend) == ["A"]


def findings_of(view: dict[str, Any]) -> list[tuple[str, str]]:
    project, found = parse_project({**DOCUMENT, "views": [{"name": "v", "table": "notes", **view}]})
    found = found if project is None else check_project(project)
    return [(finding.place, finding.message) for finding in found]


@pytest.mark.parametrize(
    ("view", "place", "says"),
    [
        ({"allow": ["insert"], "columns": ["title"]}, "views/v.allow", "a new row of notes needs owner_user_id"),
        ({"writable": ["title"]}, "views/v.allow", "only where rows are written"),
        ({"presets": {"title": "x"}}, "views/v.allow", "only where rows are written"),
        ({"allow": ["update"], "columns": ["id"]}, "views/v.allow", "no column of this view can be updated"),
        ({"allow": ["update"], "writable": ["idd"]}, "views/v.writable", "unknown column that can be written 'idd'"),
        ({"allow": ["update"], "columns": ["title"], "writable": ["slug"]}, "views/v.writable", "'slug'"),
        ({"allow": ["update"], "presets": {"titel": "x"}}, "views/v.presets.titel", "unknown column 'titel'"),
        ({"allow": ["update"], "presets": {"id": "x"}}, "views/v.presets.id", "kept by the database"),
        ({"allow": ["update"], "presets": {"amount": "x"}}, "views/v.presets.amount", "decimal is needed"),
        ({"allow": ["update"], "presets": {"title": "=row.slug"}}, "views/v.presets.title:1:2", "there is no 'row'"),
        ({"table": "users", "allow": ["update"]}, "views/v.allow", "users can't be written through a view"),
    ],
)
def test_a_view_that_can_not_be_written_as_it_says_is_refused_when_saved(
    view: dict[str, Any], place: str, says: str
) -> None:
    found = findings_of(view)
    assert any(at == place and says in message for at, message in found), found


async def test_two_rows_of_one_upsert_that_mean_the_same_row_are_refused(backend: Backend, alice: Person) -> None:
    rows = [{"title": "A", "slug": "a"}, {"title": "B", "slug": "a"}]
    merge = {"Prefer": "resolution=merge-duplicates"}
    answer = await alice.post("/rest/v1/my_notes?on_conflict=slug", rows, headers=merge)
    assert (answer.status_code, answer.json()["code"], answer.json()["rowgate_code"]) == (422, "21000", "db.row_twice")
    assert await rows_of(backend) == []


@pytest.mark.parametrize("most", ["\u00b2", "9" * 5_000, "-1", "1e3", ""])
async def test_a_preference_whose_value_is_none_of_its_own_is_not_applied(alice: Person, most: str) -> None:
    prefer = f"max-affected={most}, return=everything, count=exact".encode("latin-1")
    answer = await alice.post("/rest/v1/my_notes", {"title": "A"}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "count=exact")
    strict = await alice.post("/rest/v1/my_notes", {"title": "A"}, headers={"Prefer": b"handling=strict, " + prefer})
    assert strict.status_code == 400


async def test_preferences_in_two_headers_both_count(backend: Backend, alice: Person) -> None:
    await note(alice)
    await note(alice)
    token = ("Authorization", f"Bearer {alice.session['access_token']}")
    headers = [token, ("Prefer", "max-affected=1"), ("Prefer", "return=minimal")]
    answer = await backend.client.request("DELETE", "/rest/v1/my_notes?title=eq.A", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST124")
    assert await rows_of(backend) == ["A", "A"]


@pytest.mark.parametrize("query", ["columns=title&columns=slug", "on_conflict=slug&on_conflict=title"])
async def test_what_stands_twice_is_refused(backend: Backend, alice: Person, query: str) -> None:
    answer = await alice.post(f"/rest/v1/my_notes?{query}", {"title": "A"})
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST100")
    assert await rows_of(backend) == []


@pytest.mark.parametrize(("method", "body"), [("POST", []), ("PATCH", {})])
async def test_a_write_of_nothing_is_not_one_row(alice: Person, method: str, body: Any) -> None:
    single = {**BACK, "Accept": "application/vnd.pgrst.object+json"}
    answer = await alice.call(method, "/rest/v1/my_notes", json=body, headers=single)
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")


ACCOUNTS: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "accounts",
            "columns": [
                {"name": "owner", "type": "user", "required": True},
                {"name": "locked", "type": "boolean", "default": False},
                {"name": "note", "type": "text"},
            ],
        }
    ],
    "middleware": [
        {
            "name": "not_locked",
            "steps": [
                {"do": "fetch", "from": "accounts", "where": "item.owner == auth.user.id", "as": "account"},
                {"do": "require", "that": "!account.locked"},
            ],
        }
    ],
    "views": [
        {
            "name": "my_account", "table": "accounts", "columns": ["id", "note"],
            "filter": "row.owner == auth.user.id", "allow": ["select", "update"], "middleware": ["not_locked"],
        }
    ],
}  # fmt: skip


async def test_what_the_middleware_of_a_view_checked_is_still_true_when_the_view_writes(migrated_url: str) -> None:
    async with serving(migrated_url, ACCOUNTS) as backend:
        alice = await backend.sign_up("alice")
        await backend.sql("INSERT INTO data.accounts (owner, note) VALUES ($1, 'old')", alice.id)
        other = await connect(backend.url)
        try:
            await other.execute("BEGIN; UPDATE data.accounts SET locked = true")
            write = asyncio.create_task(alice.call("PATCH", "/rest/v1/my_account", json={"note": "new"}))
            for _ in range(500):
                if write.done() or await backend.sql("SELECT FROM pg_locks WHERE NOT granted"):
                    break
                await asyncio.sleep(0.02)
            await other.execute("COMMIT")
            answer = await write
        finally:
            await other.close()
        assert (answer.status_code, answer.json()["rowgate_code"]) == (403, "chain.refused")
        assert [row["note"] for row in await backend.sql("SELECT note FROM data.accounts")] == ["old"]


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("", {"title": "a", "slug": "one"}, 405, "PGRST105"),
        ("?title=eq.a", {"title": "a"}, 405, "PGRST105"),
        ("?slug=eq.one&title=eq.a", {"title": "a", "slug": "one"}, 405, "PGRST105"),
        ("?slug=eq.one&slug=eq.one", {"title": "a", "slug": "one"}, 405, "PGRST105"),
        ("?slug=neq.one", {"title": "a", "slug": "one"}, 405, "PGRST105"),
        ("?or=(slug.eq.one,slug.eq.two)", {"title": "a", "slug": "one"}, 405, "PGRST105"),
        ("?slug=eq.one", {"title": "a", "slug": "two"}, 400, "PGRST115"),
        ("?slug=eq.one", {"title": "a"}, 400, "PGRST115"),
        ("?slug=eq.one", [{"title": "a", "slug": "two"}], 400, "PGRST115"),
        ("?slug=eq.one", [{"title": "a", "slug": "one"}] * 2, 400, "PGRST102"),
        ("?slug=eq.one", [], 400, "PGRST115"),
        ("?slug=eq.one&limit=1", {"title": "a", "slug": "one"}, 400, "PGRST114"),
        ("?slug=eq.one&offset=1", {"title": "a", "slug": "one"}, 400, "PGRST114"),
    ],
)
async def test_a_put_that_names_no_row_is_refused(
    backend: Backend, alice: Person, query: str, body: Any, status: int, code: str
) -> None:
    answer = await alice.call("PUT", f"/rest/v1/my_notes{query}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert status != 405 or answer.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert await rows_of(backend) == []


async def test_a_put_makes_one_row_what_it_says(backend: Backend, alice: Person) -> None:
    bob = await backend.sign_up("bobby")
    for title in ("first", "second"):
        headers = {"Prefer": "return=representation"}
        body = {"title": title, "slug": "put"}
        answer = await alice.call("PUT", "/rest/v1/my_notes?slug=eq.put&select=title,slug", json=body, headers=headers)
        assert (answer.status_code, answer.json()) == (201 if title == "first" else 200, [body])
        assert "content-range" not in answer.headers
    assert (await alice.call("PUT", "/rest/v1/my_notes?slug=eq.put", json=body)).status_code == 204
    # What somebody else has under that name is not touched, and not shown.
    taken = await bob.call("PUT", "/rest/v1/my_notes?slug=eq.put", json={"title": "stolen", "slug": "put"})
    assert (taken.status_code, taken.json()["code"]) == (409, "23505")
    shown = await backend.sql("SELECT title FROM data.notes WHERE slug = 'put'")
    assert [row["title"] for row in shown] == ["second"]


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"title": "b"}), ("DELETE", None)])
async def test_a_text_search_that_is_none_is_refused_as_of_a_read(alice: Person, method: str, body: Any) -> None:
    await alice.post("/rest/v1/my_notes", {"title": "a"})
    answer = await alice.call(method, "/rest/v1/my_notes?title=fts.a b", **({} if body is None else {"json": body}))

    assert (answer.status_code, answer.json()["code"]) == (400, "22P02")

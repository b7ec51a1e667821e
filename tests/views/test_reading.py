"""Views over HTTP, in the PostgREST dialect: what can't be had first."""

from typing import Any

import pytest
import pytest_asyncio

from app.relations.query_sql import MAX_QUERIES
from tests.backend import Backend, Person

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "notes",
            "columns": [
                {"name": "owner", "type": "user"},
                {"name": "title", "type": "text"},
                {"name": "secret", "type": "text"},
                {"name": "size", "type": "bigint"},
                {"name": "price", "type": "decimal"},
                {"name": "ratio", "type": "float"},
                {"name": "done", "type": "boolean"},
                {"name": "kind", "type": "enum", "values": ["a", "b"]},
                {"name": "at", "type": "timestamp"},
                {"name": "day", "type": "date"},
                {"name": "tags", "type": "text", "array": True},
                {"name": "extra", "type": "json"},
            ],
        }
    ],
    "views": [
        {
            "name": "my_notes",
            "table": "notes",
            "columns": [
                "id", "title", "size", "price", "ratio", "done", "kind", "at", "day", "tags",
                "extra", {"name": "loud", "value": "row.title + '!'"},
            ],
            "filter": "row.owner == auth.user.id",
            "order": ["size desc nullslast", "title"],
            "max_rows": 50,
        },
        {
            "name": "not_mine",
            "table": "notes",
            "columns": ["title"],
            "filter": "row.owner != auth.user.id",
            "access": "public",
        },
        {
            "name": "searched",
            "table": "notes",
            "columns": ["title"],
            "filter": "row.title.startsWith(params.q)",
            "params": {"q": {"type": "text", "required": True}},
            "access": "public",
        },
    ],
}  # fmt: skip
ROWS = """
INSERT INTO data.notes (owner, title, secret, size, price, ratio, done, kind, at, day, tags, extra) VALUES
 ($1, 'apple', 'x', 9007199254740993, 0.10, 1.5, true, 'a', '2026-01-01T10:00:00Z', '2026-01-01', '{r,s}',
  '{"a": 1.0}'),
 ($1, 'Banana', 'y', 2, 12345678901234567890.123456789, 'NaN', false, 'b', 'infinity', '2026-02-01', '{}',
  'null'),
 ($1, '50% "quoted", (odd)', 'z', NULL, NULL, NULL, NULL, NULL, '0044-03-15 00:00:00+00 BC', NULL, NULL, NULL),
 (NULL, 'nobodys', 'n', 1, 1, 1, true, 'a', now(), now(), '{}', '{}')
"""


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    return await with_rows(backend)


async def with_rows(backend: Backend) -> Person:
    person = await backend.sign_up("alice")
    await backend.sql(ROWS, person.id)
    return person


async def titles(person: Person, query: str) -> list[str]:
    answer = await person.get(f"/rest/v1/my_notes?select=title&{query}")
    assert answer.status_code in (200, 206), answer.text
    return [row["title"] for row in answer.json()]


@pytest.mark.parametrize(
    "query",
    ["select=secret", "select=x:secret", "secret=eq.x", "order=secret", "or=(secret.eq.x,title.eq.a)",
     "owner=is.null",
     "select=title,owner", "not.and=(secret.like.x*)", "nothing=eq.1", "select=SECRET", 'select="secret"'],
)  # fmt: skip
async def test_a_column_that_is_not_shown_can_be_named_nowhere(alice: Person, query: str) -> None:
    answer = await alice.get(f"/rest/v1/my_notes?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"42703", "PGRST100"}
    assert "apple" not in answer.text


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("title=apple", 400, "PGRST100"),
        ("title=foo.apple", 400, "PGRST100"),
        ("title=xfts.apple", 400, "PGRST100"),
        ("size=eq.x", 400, "22P02"),
        ("size=eq.99999999999999999999", 400, "22P02"),
        ("at=gt.yesterdayish", 400, "22P02"),
        ("done=is.perhaps", 400, "PGRST100"),
        ("title=in.apple", 400, "PGRST100"),
        ("select=title,,size", 400, "PGRST100"),
        ("select=title->>x", 400, "PGRST100"),
        ("select=owner(email)", 400, "PGRST200"),
        ("select=title::int", 400, "22P02"),
        ("order=title.up", 400, "PGRST100"),
        ("order=title;drop table notes", 400, "42703"),
        ("limit=-1", 416, "PGRST103"),
        ("limit=1&limit=2", 400, "PGRST100"),
        ("offset=1e3", 416, "PGRST103"),
        ("or=(title.eq.a", 400, "PGRST100"),
        ("columns=title", 400, "PGRST100"),
        ("title=eq.%00", 400, "input.bad_text"),
        ("title=eq.%ff", 400, "input.bad_text"),
    ],
)
async def test_what_is_not_understood_is_refused_and_never_dropped(
    alice: Person, query: str, status: int, code: str
) -> None:
    answer = await alice.get(f"/rest/v1/my_notes?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert {"message", "details", "hint", "code"} <= answer.json().keys()


async def test_a_stranger_sees_no_row_of_a_rule_about_nobody(backend: Backend, alice: Person) -> None:
    assert (await backend.client.get("/rest/v1/not_mine")).json() == []
    assert (await backend.client.get("/rest/v1/my_notes")).status_code == 401
    assert [row["title"] for row in (await alice.get("/rest/v1/not_mine")).json()] == []


async def test_no_query_shows_another_persons_rows(backend: Backend, alice: Person) -> None:
    bob = await backend.sign_up("bob")
    for query in (
        "",
        "?or=(title.eq.apple,title.not.is.null)",
        "?title=not.eq.x",
        "?limit=1000",
        "?offset=0&order=title",
    ):
        answer = await bob.get(f"/rest/v1/my_notes{query}", headers={"Prefer": "count=exact"})
        assert (answer.json(), answer.headers["content-range"]) == ([], "*/0")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["apple", "Banana", '50% "quoted", (odd)']),
        ("order=title.asc", ['50% "quoted", (odd)', "Banana", "apple"]),
        ("order=size.asc.nullsfirst&limit=2", ['50% "quoted", (odd)', "Banana"]),
        ("order=title.desc&offset=1", ["Banana", '50% "quoted", (odd)']),
        ("title=eq.apple", ["apple"]),
        ("title=neq.apple", ["Banana", '50% "quoted", (odd)']),
        ("size=gt.2", ["apple"]),
        ("size=gte.2&size=lt.5", ["Banana"]),
        ("size=lte.2", ["Banana"]),
        ("size=is.null", ['50% "quoted", (odd)']),
        ("size=not.is.null", ["apple", "Banana"]),
        ("done=is.true", ["apple"]),
        ("done=not.is.true", ["Banana", '50% "quoted", (odd)']),
        ("kind=in.(a,b)", ["apple", "Banana"]),
        ("kind=in.()", []),
        ('title=in.("50% \\"quoted\\", (odd)",apple)', ["apple", '50% "quoted", (odd)']),
        ("title=like.*an*", ["Banana"]),
        ("title=ilike.b*", ["Banana"]),
        ("title=like.50*", ['50% "quoted", (odd)']),
        ("or=(size.eq.2,title.eq.apple)", ["apple", "Banana"]),
        ("or=(and(size.gt.1,size.lt.3),title.eq.nothing)", ["Banana"]),
        ("not.or=(size.eq.2,title.eq.apple)", []),
        ('or=(title.eq."50% \\"quoted\\", (odd)",size.eq.2)', ["Banana", '50% "quoted", (odd)']),
        ('and=(title.not.eq."apple",title.like."B*")', ["Banana"]),
        ("title=not.in.(apple)", ["Banana", '50% "quoted", (odd)']),
        ("price=eq.0.1", ["apple"]),
        ("at=gte.2026-01-01T10:00:00Z", ["apple", "Banana"]),
        ("day=eq.2026-01-01", ["apple"]),
        ("loud=eq.apple!", ["apple"]),
        ("tags=eq.{r,s}", ["apple"]),
    ],
)
async def test_filters_order_and_pages(alice: Person, query: str, expected: list[str]) -> None:
    assert await titles(alice, query) == expected


async def test_values_are_values_whatever_they_look_like(backend: Backend, alice: Person) -> None:
    for value in ("'; DROP TABLE data.notes; --", "$1", "{{x}}", "%27 OR 1=1", "a\\"):
        assert (await alice.get("/rest/v1/my_notes", params={"title": f"eq.{value}"})).json() == []
    assert len(await backend.sql("SELECT FROM data.notes")) == 4


async def test_numbers_stay_exact_and_odd_times_do_not_break_a_list(alice: Person) -> None:
    answer = await alice.get("/rest/v1/my_notes")
    assert b'"size":9007199254740993' in answer.content
    assert b'"price":12345678901234567890.123456789' in answer.content
    assert b'"at":"infinity"' in answer.content
    assert b'BC"' in answer.content
    assert b'"ratio":"NaN"' in answer.content
    assert b'"extra":{"a": 1.0}' in answer.content


@pytest.mark.parametrize(
    ("query", "headers", "status", "content_range", "rows"),
    [
        ("", {}, 200, "0-2/*", 3),
        ("", {"Prefer": "count=exact"}, 200, "0-2/3", 3),
        ("?limit=2", {"Prefer": "count=exact"}, 206, "0-1/3", 2),
        ("?limit=2&offset=2", {"Prefer": "count=exact"}, 206, "2-2/3", 1),
        ("?offset=3", {"Prefer": "count=exact"}, 206, "*/3", 0),
        ("?offset=9", {}, 200, "*/*", 0),
        ("?limit=0", {}, 200, "*/*", 0),
        ("", {"Range": "1-1"}, 200, "1-1/*", 1),
        ("?limit=1000", {}, 200, "0-2/*", 3),
    ],
)
async def test_the_page_says_what_it_is(
    alice: Person, query: str, headers: dict[str, str], status: int, content_range: str, rows: int
) -> None:
    answer = await alice.get(f"/rest/v1/my_notes{query}", headers=headers)
    assert (answer.status_code, answer.headers["content-range"], len(answer.json())) == (status, content_range, rows)


@pytest.mark.parametrize(
    ("headers", "query", "status", "code"),
    [
        ({"Accept-Profile": "other"}, "", 406, "PGRST106"),
        ({"Prefer": "handling=strict, anything=1"}, "", 400, "PGRST122"),
        ({"Prefer": "handling=strict, count=some"}, "", 400, "PGRST122"),
        ({"Prefer": "count=exact"}, "?offset=9", 416, "PGRST103"),
    ],
)
async def test_headers_that_ask_for_what_is_not_there_are_refused(
    alice: Person, headers: dict[str, str], query: str, status: int, code: str
) -> None:
    answer = await alice.get(f"/rest/v1/my_notes{query}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_schema_public_and_strict_preferences_that_are_known_are_fine(alice: Person) -> None:
    headers = {"Accept-Profile": "public", "Prefer": "handling=strict, count=exact"}
    assert (await alice.get("/rest/v1/my_notes", headers=headers)).headers["content-range"] == "0-2/3"


async def test_nulls_are_left_out_where_that_is_asked_for_and_nothing_else_changes(alice: Person) -> None:
    stripped = {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}
    query = "/rest/v1/my_notes?select=size,price,kind,loud"
    plain, answer = await alice.get(query), await alice.get(query, headers=stripped)
    wanted = [{name: value for name, value in row.items() if value is not None} for row in plain.json()]
    assert answer.json() == wanted != plain.json()
    assert b"12345678901234567890.123456789" in answer.content
    one = {"Accept": "application/vnd.pgrst.object+json;nulls=stripped"}
    odd = await alice.get("/rest/v1/my_notes?select=size,day,done&size=is.null", headers=one)
    assert odd.json() == {}


async def test_one_row_as_an_object_or_a_refusal(alice: Person) -> None:
    single = {"Accept": "application/vnd.pgrst.object+json"}
    answer = await alice.get("/rest/v1/my_notes?title=eq.apple&select=title,amount:size", headers=single)
    assert answer.json() == {"title": "apple", "amount": 9007199254740993}
    assert answer.headers["content-type"] == "application/vnd.pgrst.object+json; charset=utf-8"
    for query, details in (
        ("title=eq.nothing", "The result contains 0 rows"),
        ("", "The result contains more than one row"),
    ):
        refused = await alice.get(f"/rest/v1/my_notes?{query}", headers=single)
        assert (refused.status_code, refused.json()["code"]) == (406, "PGRST116")
        assert refused.json()["details"] == details


async def test_a_views_own_parameters_are_typed_and_required(backend: Backend, alice: Person) -> None:
    missing = await backend.client.get("/rest/v1/searched")
    assert (missing.status_code, missing.json()["code"]) == (422, "input.invalid")
    answer = await backend.client.get("/rest/v1/searched?q=app&order=title")
    assert answer.json() == [{"title": "apple"}]


async def test_query_shapes_share_a_bounded_number_of_statements(own_backend: Backend) -> None:
    alice = await with_rows(own_backend)
    view = own_backend.app.server.live.runtime.views["my_notes"]
    for index in range(20):
        await titles(alice, f"size=gt.{index}&kind=in.({','.join('ab' * (1 + index % 3))})".replace("ab", "a,b"))
    assert len(view.shapes) == 1


async def test_what_was_read_of_queries_is_bounded_and_gives_each_caller_the_own_rows(own_backend: Backend) -> None:
    alice, bob = await with_rows(own_backend), await own_backend.sign_up("bob")
    view = own_backend.app.server.live.runtime.views["my_notes"]
    for _ in range(2):
        assert await titles(alice, "title=eq.apple") == ["apple"]
        assert await titles(bob, "title=eq.apple") == []
    assert len(view.shapes.read) == 1
    await titles(alice, f"title=eq.{'x' * 600}")
    assert len(view.shapes.read) == 1
    for index in range(MAX_QUERIES + 20):
        await titles(alice, f"size=eq.{index}")
    assert len(view.shapes.read) == MAX_QUERIES

"""Statuses, headers and codes of PostgREST on /rest/v1, case by case as its own suite has them."""

from typing import Any

import pytest
import pytest_asyncio

from tests.backend import Backend, Person

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "language_rows",
            "columns": [
                {"name": "name", "type": "text", "unique": True, "required": True},
                {"name": "rank", "type": "integer"},
                {"name": "label", "type": "text", "default": "none"},
                {"name": "token", "type": "text", "default": "=random_token(24)"},
                {"name": "family", "type": "reference", "table": "family_rows"},
            ],
        },
        {"name": "family_rows", "columns": [{"name": "name", "type": "text"}]},
    ],
    "views": [
        {
            "name": "languages",
            "table": "language_rows",
            "access": "public",
            "order": ["rank"],
            "allow": ["select", "insert", "update", "delete"],
        },
        {"name": "families", "table": "family_rows", "access": "public"},
    ],
}
SINGLE = "application/vnd.pgrst.object+json"
LIST_TYPE, SINGLE_TYPE = (f"{media}; charset=utf-8" for media in ("application/json", SINGLE))
STRIPPED_TYPE = "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
WHOLE, MERGE = "return=representation", "resolution=merge-duplicates"
ROWS = """
WITH f AS (INSERT INTO data.family_rows (name) VALUES ('curly'), ('lonely') RETURNING id, name)
INSERT INTO data.language_rows (name, rank, family)
SELECT x.name, x.rank, (SELECT id FROM f WHERE f.name = 'curly')
FROM (VALUES ('Java', 1), ('C', 2), ('Python', 4)) x (name, rank)
"""
LANGUAGES = "/rest/v1/languages"


@pytest_asyncio.fixture(loop_scope="module")
async def caller(backend: Backend) -> Person:
    await backend.sql(ROWS)
    return await backend.sign_up("alice")


async def names(backend: Backend) -> list[str]:
    rows = await backend.sql("SELECT name, rank FROM data.language_rows ORDER BY rank")
    return [f"{row['name']} {row['rank']}" for row in rows]


THERE = ["Java 1", "C 2", "Python 4"]


@pytest.mark.parametrize("prefer", ["", "return=minimal", "return=headers-only", WHOLE])
@pytest.mark.parametrize(
    ("method", "query", "body", "rows"),
    [
        ("POST", "", [{"name": "Go"}, {"name": "Rust"}], 2),
        ("POST", "", [], 0),
        ("PATCH", "?rank=gt.1", {"rank": 9}, 2),
        ("PATCH", "?rank=gt.9", {"rank": 9}, 0),
        ("PATCH", "", {}, 0),
        ("DELETE", "?rank=gt.1", None, 2),
        ("DELETE", "?rank=gt.9", None, 0),
    ],
)
async def test_a_write_of_one_row_is_of_one_row_whatever_is_wanted_back(
    backend: Backend, caller: Person, prefer: str, method: str, query: str, body: Any, rows: int
) -> None:
    headers = {"Accept": SINGLE, "Prefer": prefer}
    answer = await caller.call(method, LANGUAGES + query, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
    # A client looks for "0 rows" in it, which 10 rows would hold too.
    assert answer.json()["details"] == (
        "The result contains more than one row" if rows else "The result contains 0 rows"
    )
    assert await names(backend) == THERE


@pytest.mark.parametrize("accept", [SINGLE, "application/vnd.pgrst.object", f"text/html, {SINGLE};q=0.5"])
async def test_a_write_of_one_row_is_done(backend: Backend, caller: Person, accept: str) -> None:
    headers = {"Accept": accept}
    assert (await caller.post(LANGUAGES, [{"name": "Go", "rank": 7}], headers=headers)).status_code == 201
    patched = await caller.call("PATCH", f"{LANGUAGES}?name=eq.Go", json={"rank": 8}, headers=headers)
    assert (patched.status_code, patched.content) == (204, b"")
    whole = {**headers, "Prefer": WHOLE}
    gone = await caller.call("DELETE", f"{LANGUAGES}?name=eq.Go&select=name,rank", headers=whole)
    assert (gone.json(), gone.headers["content-type"]) == ({"name": "Go", "rank": 8}, SINGLE_TYPE)
    assert await names(backend) == THERE


@pytest.mark.parametrize("body", [{"rank": 3}, [{"rank": 3}]])
async def test_one_row_may_come_as_a_list_of_one(backend: Backend, caller: Person, body: Any) -> None:
    whole = {"Prefer": WHOLE}
    patched = await caller.call("PATCH", f"{LANGUAGES}?name=eq.C&select=name,rank", json=body, headers=whole)
    assert patched.json() == [{"name": "C", "rank": 3}]
    row = [{"name": "C", "rank": 5}]
    for sent in (row, row[0]):
        put = await caller.call("PUT", f"{LANGUAGES}?name=eq.C&select=name,rank", json=sent, headers=whole)
        assert (put.status_code, put.json()) == (200, row)
    for empty in ("[]", "[{}]"):
        json = {"Content-Type": "application/json"}
        assert (await caller.call("PATCH", LANGUAGES, content=empty, headers=json)).headers["content-range"] == "*/*"
    two = await caller.call("PATCH", f"{LANGUAGES}?name=eq.C", json=[{"rank": 1}, {"rank": 2}])
    assert (two.status_code, two.json()["code"]) == (400, "PGRST102")
    assert await names(backend) == ["Java 1", "Python 4", "C 5"]


@pytest.mark.parametrize(
    ("prefer", "rows", "status", "names_back"),
    [
        (MERGE, [{"name": "C", "rank": 1}, {"name": "Go", "rank": 9}], 201, ["C", "Go"]),
        (MERGE, [{"name": "C", "rank": 1}, {"name": "Java", "rank": 9}], 200, ["C", "Java"]),
        (MERGE, [], 200, []),
        ("resolution=ignore-duplicates", [{"name": "C", "rank": 1}, {"name": "Go", "rank": 9}], 201, ["Go"]),
        ("resolution=ignore-duplicates", [{"name": "C", "rank": 1}], 201, []),
        ("missing=null", [], 201, []),
    ],
)
async def test_an_upsert_that_makes_no_row_is_200(
    caller: Person, prefer: str, rows: Any, status: int, names_back: list[str]
) -> None:
    for back in (WHOLE, "return=minimal"):
        headers = {"Prefer": f"{prefer}, {back}"}
        target = "" if prefer == "missing=null" else "?on_conflict=name"
        answer = await caller.post(LANGUAGES + target, rows, headers=headers)
        assert answer.headers["preference-applied"] == f"{prefer}, {back}"
        assert answer.status_code == status or (back == "return=minimal" and names_back[-1:] == ["Go"])
        if back == WHOLE:
            assert [row["name"] for row in answer.json()] == names_back


@pytest.mark.parametrize(
    ("method", "query", "prefer", "applied", "content_range"),
    [
        ("GET", "", "count=exact, return=minimal, max-affected=1", "count=exact", "0-2/3"),
        ("GET", "", "handling=lenient, anything, tx=commit", "tx=commit, handling=lenient", "0-2/*"),
        ("GET", "", "anything", None, "0-2/*"),
        ("PATCH", "?rank=gt.1", "count=exact", "count=exact", "0-1/2"),
        ("PATCH", "?rank=gt.1", "missing=default, resolution=merge-duplicates", "missing=default", "0-1/*"),
        ("PATCH", "?rank=gt.9", "count=exact", "count=exact", "*/0"),
        ("DELETE", "?rank=gt.1", "tx=commit, return=minimal", "return=minimal, tx=commit", "*/*"),
        ("DELETE", "?rank=gt.1", "count=exact", "count=exact", "*/2"),
        ("DELETE", "?rank=gt.1", "max-affected=2, handling=strict", "handling=strict, max-affected=2", "*/*"),
        ("DELETE", "?rank=gt.1", "max-affected=1, handling=lenient", "handling=lenient", "*/*"),
    ],
)
async def test_an_answer_says_which_preferences_it_follows(
    caller: Person, method: str, query: str, prefer: str, applied: str | None, content_range: str
) -> None:
    body = {"json": {"rank": 9}} if method == "PATCH" else {}
    answer = await caller.call(method, LANGUAGES + query, headers={"Prefer": prefer}, **body)
    assert answer.status_code in (200, 204), answer.text
    assert answer.headers.get("preference-applied") == applied
    assert answer.headers["content-range"] == content_range


@pytest.mark.parametrize(
    ("columns", "sent", "prefer", "row"),
    [
        ("label,rank", {"rank": 5, "nothing": 1}, "missing=null", {"label": None, "rank": 5}),
        ("label,rank", {"rank": 5}, "missing=default", {"label": "none", "rank": 5}),
        ("label,rank,token", {}, "missing=default", {"label": "none", "rank": None}),
        ("rank", {"rank": 5, "label": "x"}, "missing=default", {"label": "mine", "rank": 5}),
    ],
)
async def test_a_column_that_an_update_names_and_lacks_is_null_or_its_default(
    backend: Backend, caller: Person, columns: str, sent: Any, prefer: str, row: Any
) -> None:
    await backend.sql("UPDATE data.language_rows SET label = 'mine', token = 'old' WHERE name = 'C'")
    query = f"{LANGUAGES}?name=eq.C&columns={columns}&select=label,rank,token"
    answer = await caller.call("PATCH", query, json=sent, headers={"Prefer": f"{prefer}, {WHOLE}"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, f"{prefer}, {WHOLE}")
    (found,) = answer.json()
    assert (found.pop("token") == "old", found) == ("token" not in columns, row)


async def test_a_column_that_has_to_be_there_is_missed_by_an_update_that_names_it(caller: Person) -> None:
    for prefer in ("missing=null", "missing=default"):
        query = f"{LANGUAGES}?name=eq.C&columns=name,rank"
        answer = await caller.call("PATCH", query, json={"rank": 5}, headers={"Prefer": prefer})
        assert (answer.status_code, answer.json()["code"]) == (422, "23502")


async def test_only_a_new_row_has_a_location(caller: Person) -> None:
    headers = {"Prefer": "return=headers-only"}
    made = await caller.post(LANGUAGES, {"name": "Go"}, headers=headers)
    assert made.headers["location"].startswith(f"{LANGUAGES}?id=eq.")
    for method, sent in (("PATCH", {"rank": 5}), ("PUT", {"name": "Go"}), ("DELETE", None)):
        answer = await caller.call(method, f"{LANGUAGES}?name=eq.Go", json=sent, headers=headers)
        assert (answer.status_code, answer.headers.get("location")) == (204, None)


@pytest.mark.parametrize(
    ("select", "row"),
    [
        ("name,name", {"name": "Java"}),
        ("rank,*,name&id=is.null", None),
        ("name::TEXT,rank::Text", {"name": "Java", "rank": "1"}),
        ("count()::TEXT", {"count": "1"}),
    ],
)
async def test_select_takes_a_column_twice_and_casts_in_capitals(caller: Person, select: str, row: Any) -> None:
    answer = await caller.get(f"{LANGUAGES}?name=eq.Java&select={select}")
    assert (answer.status_code, answer.json()) == (200, [] if row is None else [row])
    twice = await caller.get(f"{LANGUAGES}?select=name,name:rank")
    assert (twice.status_code, twice.json()["code"]) == (400, "PGRST100")


async def test_more_rows_than_meant_says_how_many(backend: Backend, caller: Person) -> None:
    headers = {"Prefer": "max-affected=1"}
    answer = await caller.call("DELETE", f"{LANGUAGES}?rank=gt.1", headers=headers)
    assert (answer.status_code, answer.json()["details"]) == (400, "The query affects 2 rows")
    assert await names(backend) == THERE


@pytest.mark.parametrize(
    ("query", "span", "shown", "content_range"),
    [
        ("limit=2", "0-0", ["Java"], "0-0/*"),
        ("limit=1", "0-1", ["Java"], "0-0/*"),
        ("limit=2&offset=1", "0-", ["C", "Python"], "1-2/*"),
        ("limit=2", "1-", ["C"], "1-1/*"),
        ("offset=1", "0-1", ["C"], "1-1/*"),
        ("limit=0", "1-2", [], "*/*"),
        ("", "0-1", ["Java", "C"], "0-1/*"),
        ("", "nonsense", ["Java", "C", "Python"], "0-2/*"),
    ],
)
async def test_a_range_and_a_limit_both_hold(
    caller: Person, query: str, span: str, shown: list[str], content_range: str
) -> None:
    answer = await caller.get(f"{LANGUAGES}?select=name&{query}", headers={"Range-Unit": "items", "Range": span})
    assert [row["name"] for row in answer.json()] == shown
    assert answer.headers["content-range"] == content_range


@pytest.mark.parametrize(
    ("query", "headers", "details", "content_range"),
    [
        ("?offset=9", {"Prefer": "count=exact"}, "An offset of 9 was requested, but there are only 3 rows.", "*/3"),
        ("?limit=1", {"Range": "1-2"}, "The lower boundary must be lower than", None),
        ("", {"Range": "2-1"}, "The lower boundary must be lower than", None),
        ("?limit=-1", {}, "limit should be", None),
        ("?offset=-1", {}, "offset should be", None),
    ],
)
async def test_a_range_that_can_not_be_is_416(
    caller: Person, query: str, headers: dict[str, str], details: str, content_range: str | None
) -> None:
    answer = await caller.get(LANGUAGES + query, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (416, "PGRST103")
    assert answer.json()["message"] == "Requested range not satisfiable"
    assert answer.json()["details"].startswith(details)
    assert answer.headers.get("content-range") == content_range


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("families(name)&families.limit=0", [None, None, None]),
        ("families(name)&families.limit=5", [{"name": "curly"}] * 3),
        ("families(name)&families.offset=1", [None, None, None]),
        ("families!inner(name)&families.limit=0", []),
        ("families!inner(name)&families.offset=1", []),
        ("families!inner(name)&families.limit=1", [{"name": "curly"}] * 3),
        ("families(name)&families.limit=0&families=is.null", [None, None, None]),
        ("families:...families(families:name)&families.limit=0", None),
    ],
)
async def test_the_page_of_one_row_beside_holds(caller: Person, query: str, expected: Any) -> None:
    answer = await caller.get(f"{LANGUAGES}?select={query.replace('families:...', '...')}")
    found = [row["families"] for row in answer.json()]
    assert found == ([None] * 3 if expected is None else expected)


@pytest.mark.parametrize(
    ("query", "found"),
    [("limit=1", ["curly"]), ("limit=0", []), ("offset=2", ["curly"]), ("offset=3", [])],
)
async def test_the_page_of_many_rows_beside_says_whether_there_are_some(
    caller: Person, query: str, found: list[str]
) -> None:
    answer = await caller.get(f"/rest/v1/families?select=name,languages!inner()&languages.{query}")
    assert [row["name"] for row in answer.json()] == found


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
async def test_an_empty_embed_shows_nothing(caller: Person, accept: str) -> None:
    whole = {"Prefer": WHOLE, "Accept": accept}
    for select in ("families()", "...families()", "families(languages())"):
        shown = await caller.get(f"{LANGUAGES}?select=name,{select}&limit=1", headers={"Accept": accept})
        assert shown.text in ('[{"name":"Java"}]', "name\nJava")
        bare = await caller.get(f"{LANGUAGES}?select={select}", headers={"Accept": accept})
        assert bare.text in ("[{}, {}, {}]", "[{}, \n {}, \n {}]", "\n\n\n")
        written = await caller.call("PATCH", f"{LANGUAGES}?rank=lt.3&select={select}", json={"rank": 1}, headers=whole)
        assert written.text in ("[{},{}]", "\n\n")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", LIST_TYPE),
        ("*/*", LIST_TYPE),
        ("application/*", LIST_TYPE),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/json, text/csv", LIST_TYPE),
        ("text/csv, application/json", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, application/json", LIST_TYPE),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", LIST_TYPE),
        ("text/csv;q=0, */*;q=0.1", LIST_TYPE),
        ("application/vnd.pgrst.array+json", LIST_TYPE),
        ("application/vnd.pgrst.array+json;nulls=stripped", STRIPPED_TYPE),
        ("application/vnd.pgrst.array;nulls=stripped", STRIPPED_TYPE),
        ("APPLICATION/JSON", LIST_TYPE),
    ],
)
async def test_of_the_forms_that_are_accepted_the_one_liked_best_is_given(
    caller: Person, accept: str, media: str
) -> None:
    answer = await caller.get(LANGUAGES, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)
    written = await caller.call(
        "PATCH", f"{LANGUAGES}?select=name", json={"rank": 1}, headers={"Accept": accept, "Prefer": WHOLE}
    )
    assert (written.status_code, written.headers["content-type"]) == (200, media)
    assert written.text.startswith("name\n") == media.startswith("text/csv")


@pytest.mark.parametrize("accept", ["text/unknown", "application/vnd.pgrst.plan+json", "image/png;q=1", "text/csv;q=0"])
async def test_a_form_that_there_is_not_is_406_and_changes_nothing(
    backend: Backend, caller: Person, accept: str
) -> None:
    for method, body in (("GET", None), ("PATCH", {"rank": 9}), ("DELETE", None)):
        answer = await caller.call(method, LANGUAGES, json=body, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (406, "PGRST107")
    assert await names(backend) == THERE


async def test_the_rows_that_come_back_have_an_order(caller: Person) -> None:
    whole = {"Prefer": WHOLE}
    query = f"{LANGUAGES}?select=name&order=name.desc"
    patched = await caller.call("PATCH", query, json={"rank": 9}, headers=whole)
    assert [row["name"] for row in patched.json()] == ["Python", "Java", "C"]
    made = await caller.post(query, [{"name": "Ada"}, {"name": "Go"}], headers=whole)
    assert [row["name"] for row in made.json()] == ["Go", "Ada"]
    for more, status in (("", 400), ("&limit=1", 400)):
        refused = await caller.call("DELETE", query + more, headers=whole if more else {})
        assert (refused.status_code, refused.json()["code"]) == (status, "PGRST100")


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "nothing", 404, "PGRST205", "Could not find the table 'public.nothing' in the schema cache"),
        ("PATCH", "no?columns=x", 404, "PGRST205", "Could not find the table 'public.no' in the schema cache"),
        ("GET", "a/b/c", 404, "PGRST125", "Invalid path specified in request URL"),
        ("POST", "rpc/nothing", 404, "PGRST202", "Could not find the function public.nothing in the schema cache"),
        ("DELETE", "families", 405, "PGRST117", None),
        ("TRACE", "languages", 405, "PGRST117", None),
        ("POST", "languages?columns=helicopter", 400, "PGRST204",
         "Could not find the 'helicopter' column of 'languages' in the schema cache"),
        ("POST", "languages?columns=", 400, "PGRST100", None),
        ("GET", "languages?helicopter=eq.1", 400, "42703", None),
        ("GET", "languages?select=name,nothing(name)", 400, "PGRST200",
         "Could not find a relationship between 'languages' and 'nothing' in the schema cache"),
        ("GET", "families?order=languages(name)&select=name,languages(name)", 400, "PGRST118", None),
        ("GET", "languages?families=eq.1&select=name,families(name)", 400, "PGRST120", None),
    ],
)  # fmt: skip
async def test_what_is_not_there_has_the_code_and_the_words_that_clients_know(
    caller: Person, method: str, path: str, status: int, code: str, message: str | None
) -> None:
    answer = await caller.call(method, f"/rest/v1/{path}", json={})
    refusal = answer.json()
    assert (answer.status_code, refusal["code"]) == (status, code)
    assert message is None or refusal["message"] == message
    assert {"message", "details", "hint", "rowgate_code"} <= refusal.keys()
    assert status != 405 or "GET" in answer.headers["allow"]


@pytest.mark.parametrize("resolution", ["merge", "ignore"])
async def test_columns_of_an_upsert_that_are_not_unique_are_refused_as_postgres_does(
    backend: Backend, caller: Person, resolution: str
) -> None:
    prefer = {"Prefer": f"resolution={resolution}-duplicates"}
    answer = await caller.post(f"{LANGUAGES}?on_conflict=rank", {"name": "Ada", "rank": 9}, headers=prefer)
    assert (answer.status_code, answer.json()["code"]) == (400, "42P10")
    assert await names(backend) == THERE

"""A query that is too long for an address stands in the body of a POST, and means there what it means in an address."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from app.data_plane.rest.dialect.lexis import split
from app.data_plane.rest.dialect.refusals import QueryRefused
from tests.backend import Backend, Person

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}],
    "tables": [
        {
            "name": "note_rows",
            "columns": [{"name": "owner", "type": "user"}, {"name": "size", "type": "integer", "unique": True}],
        }
    ],
    "middleware": [{"name": "few", "steps": [{"do": "rate_limit", "limit": "2/hour"}]}],
    "views": [
        {
            "name": "notes",
            "table": "note_rows",
            "columns": ["id", "size"],
            "filter": "row.owner == auth.user.id",
            "order": ["size"],
            "allow": ["select", "insert"],
            "presets": {"owner": "=auth.user.id"},
        },
        {"name": "all_notes", "table": "note_rows", "access": {"roles": ["staff"]}},
        {"name": "box", "table": "note_rows", "columns": ["size"], "allow": ["insert"]},
        {"name": "few_notes", "table": "note_rows", "columns": ["size"], "middleware": ["few"]},
        {
            "name": "asking",
            "table": "note_rows",
            "columns": ["size"],
            "params": {"least": {"type": "integer", "required": True}},
            "filter": "row.size >= params.least",
            "order": ["size"],
        },
    ],
}
ASK = "/rest/v1/notes/query"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    person, other = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql("INSERT INTO data.note_rows (owner, size) SELECT $1, n FROM generate_series(1, 5) n", person.id)
    await backend.sql("INSERT INTO data.note_rows (owner, size) VALUES ($1, 100)", other.id)
    return person


async def asked(person: Person, query: list[tuple[str, str]], **headers: str) -> list[tuple[int, str, Any]]:
    """Ask in an address, in a form, and in an object; give what each answers."""
    named: dict[str, list[str]] = {}
    for name, text in query:
        named.setdefault(name, []).append(text)
    text = urlencode(query)
    answers = [
        await person.get(f"/rest/v1/notes?{text}", headers=headers),
        await person.call("POST", ASK, content=text, headers={**headers, **FORM}),
        await person.call("POST", ASK, json=named, headers=headers),
        await person.call("POST", f"{ASK}?{text}", headers=headers),
    ]
    wanted = ("content-range", "content-type", "preference-applied")
    return [(one.status_code, one.text, [one.headers.get(name) for name in wanted]) for one in answers]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ([("select", "size"), ("size", "gt.1"), ("size", "lt.5"), ("order", "size.desc"), ("limit", "2")], {}),
        ([("select", "size"), ("or", "(size.eq.1,size.eq.5)")], {"Prefer": "count=exact"}),
        ([("select", "size")], {"Range": "1-2", "Prefer": "count=exact"}),
        ([("select", "size"), ("size", "eq.2")], {"Accept": "application/vnd.pgrst.object+json"}),
        ([("select", "size")], {"Accept": "text/csv"}),
    ],
)
async def test_a_query_means_the_same_wherever_it_stands(alice: Person, query: Any, headers: dict[str, str]) -> None:
    first, *others = await asked(alice, query, **headers)
    assert first[0] in (200, 206)
    assert others == [first] * 3


@pytest.mark.parametrize("of", ["size", "id"])
async def test_a_list_of_10_000_is_asked_for(backend: Backend, alice: Person, of: str) -> None:
    if of == "size":
        many = [*range(3, 10_003)]
    else:
        many = [f"018f0000-0000-7000-8000-{n:012x}" for n in range(9_997)]
        many += [str(row["id"]) for row in await backend.sql("SELECT id FROM data.note_rows WHERE size IN (3, 4, 5)")]
    listed = f"in.({','.join(map(str, many))})"
    for body in ({"content": urlencode({"select": "size", of: listed}), "headers": FORM}, {"json": {of: listed}}):
        answer = await alice.call("POST", ASK, **body)
        assert [row["size"] for row in answer.json()] == [3, 4, 5]
    more = await alice.call("POST", ASK, json={of: listed[:-1] + ",1)"})
    assert (more.status_code, more.json()["code"]) == (400, "PGRST100")


async def test_a_list_and_tests_may_be_given_as_numbers_and_lists(alice: Person) -> None:
    answer = await alice.post(ASK, {"select": "size", "size": ["gt.1", "lt.4"], "limit": 1, "offset": 1})
    assert answer.json() == [{"size": 3}]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 400, "PGRST100"),
        ({"select": None}, 400, "PGRST100"),
        ({"size": {"eq": 1}}, 400, "PGRST100"),
        ({"size": [["eq.1"]]}, 400, "PGRST100"),
        ({"limit": True}, 400, "PGRST100"),
        ({"size": ["eq.1"] * 201}, 400, "PGRST100"),
        ({"owner": "not.is.null"}, 400, "42703"),
        ({"select": "size,owner"}, 400, "42703"),
        ({"limit": ["1", "2"]}, 400, "PGRST100"),
        ({"columns": "size"}, 400, "PGRST100"),
    ],
)
async def test_what_an_address_can_not_say_a_body_can_not(alice: Person, body: Any, status: int, code: str) -> None:
    answer = await alice.call("POST", ASK, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_body_that_is_none_of_these_is_refused(alice: Person) -> None:
    for content, media, status in (
        ("{", "application/json", 400),
        ("a", "text/plain", 415),
        ("a" * 1_100_000, "", 413),
    ):
        answer = await alice.call("POST", ASK, content=content, headers={"Content-Type": media or FORM["Content-Type"]})
        assert answer.status_code == status


async def test_it_has_the_access_the_methods_and_the_parameters_of_its_view(backend: Backend, alice: Person) -> None:
    assert (await backend.client.post(ASK, json={})).status_code == 401
    assert (await alice.post("/rest/v1/all_notes/query", {})).status_code == 403
    assert (await alice.post("/rest/v1/nothing/query", {})).json()["code"] == "PGRST205"
    for path, method, allowed in ((ASK, "GET", "POST, OPTIONS"), ("/rest/v1/box/query", "POST", "OPTIONS")):
        answer = await alice.call(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert (await alice.post("/rest/v1/asking/query", {})).status_code == 422
    assert (await alice.post("/rest/v1/asking/query", {"least": 5})).json() == [{"size": 5}, {"size": 100}]


async def test_its_limits_count_it_and_a_key_keeps_nothing(alice: Person) -> None:
    key = {"Idempotency-Key": "once"}
    assert len((await alice.post(ASK, {}, headers=key)).json()) == 5
    await alice.post("/rest/v1/notes", {"size": 6})
    again = await alice.post(ASK, {}, headers=key)
    assert (len(again.json()), "idempotency-replayed" in again.headers) == (6, False)
    statuses = [(await alice.post("/rest/v1/few_notes/query", {})).status_code for _ in range(2)]
    assert [*statuses, (await alice.get("/rest/v1/few_notes")).status_code] == [200, 200, 429]


async def test_it_stands_in_the_document(backend: Backend) -> None:
    paths = (await backend.client.get("/openapi.json")).json()["paths"]
    assert "/rest/v1/box/query" not in paths
    operation = paths[ASK]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert [*body["properties"]] == ["id", "size", "select", "order", "limit", "offset"]
    assert operation["responses"].keys() == paths["/rest/v1/notes"]["get"]["responses"].keys()


async def test_a_simulation_asks_so_too(backend: Backend, alice: Person) -> None:
    admin = await backend.admin()
    asking = {"method": "POST", "path": ASK, "body": {"size": "in.(1,100)"}, "as": alice.id}
    answer = await backend.client.post("/admin/v1/simulate", json=asking, headers=admin)
    assert [row["size"] for row in answer.json()["body"]] == [1]


@pytest.mark.parametrize("piece", [".{", '.{"', ',"a', '>"\\', "a("])
def test_reading_a_long_list_takes_no_more_than_its_length(piece: str) -> None:
    # What took the square of it would not end here.
    with suppress(QueryRefused):
        assert "".join(split(piece * 200_000, 1_000_000)).startswith(piece.strip(","))


def named(count: int, *, order: int = 1) -> dict[str, str]:
    return {"select": ",".join(f"n{number}:size" for number in range(count)), "order": ",".join(["size"] * order)}


@pytest.mark.parametrize(
    "asked",
    [
        named(1001),
        named(1, order=101),
        {"select": f"*,{named(1000)['select']}"},
        {"and": "(" + "and(" * 60 + "size.eq.1" + ")" * 61},
        {"size": f"in.({'(' * 60}{')' * 60})"},
    ],
)
async def test_more_than_a_row_of_postgres_has_is_refused(alice: Person, asked: dict[str, str]) -> None:
    answer = await alice.post(ASK, asked)
    assert (answer.status_code, answer.json()["code"][:5]) == (400, "PGRST"), answer.text


async def test_a_row_of_a_thousand_names_is_answered(alice: Person) -> None:
    answer = await alice.post(ASK, named(1000, order=100))
    assert (answer.status_code, {len(row) for row in answer.json()}) == (200, {1000})


def test_a_long_list_is_read_no_further_than_it_is_taken() -> None:
    with pytest.raises(QueryRefused, match="50 deep"):
        split("a(" * 51 + "b" + ")" * 51)
    with pytest.raises(QueryRefused, match="at most 3 values"):
        split("a,b,c,d(", 3)
    assert split("a,b,c", 3) == ["a", "b", "c"]

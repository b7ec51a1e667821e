"""Keys: ids of other types, ids that clients give, references to unique columns and by several columns together."""

from typing import Any
from uuid import uuid4

import pytest

from app.compiler.check import check_project
from app.definitions.project import dump_project, parse_project
from app.errors import Finding
from tests.backend import Backend, Person

ALL = ["select", "insert", "update", "delete"]
PUBLIC: dict[str, Any] = {"access": "public", "allow": ALL}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "users": {"columns": [{"name": "username", "type": "text", "unique": True, "self_editable": True}]},
    "tables": [
        {
            "name": "profile_rows",
            "id": {"type": "user", "on_delete": "cascade"},
            "columns": [{"name": "bio", "type": "text"}],
        },
        {
            "name": "page_rows",
            "id": {"type": "text", "format": "slug", "max_length": 20},
            "columns": [
                {"name": "title", "type": "text"},
                {"name": "writer", "type": "reference", "table": "users", "column": "username"},
                {"name": "checker", "type": "reference", "table": "users", "column": "username"},
                {"name": "parent", "type": "reference", "table": "page_rows"},
            ],
        },
        {
            "name": "follow_rows",
            "columns": [
                {"name": "who", "type": "reference", "table": "profile_rows", "required": True, "on_delete": "cascade"},
                {"name": "page", "type": "reference", "table": "page_rows", "required": True},
            ],
            "unique": [["who", "page"]],
        },
        {
            "name": "room_rows",
            "id": "bigint",
            "columns": [{"name": "house", "type": "text"}, {"name": "number", "type": "integer"}],
            "unique": [["house", "number"]],
        },
        {
            "name": "stay_rows",
            "columns": [
                {"name": "house", "type": "text"},
                {"name": "number", "type": "integer"},
                {"name": "guest", "type": "text"},
                {"name": "is_current", "type": "boolean", "default": False},
            ],
            "references": [
                {
                    "columns": ["house", "number"], "table": "room_rows", "to": ["house", "number"],
                    "on_delete": "cascade",
                }
            ],
            "unique": [{"columns": ["house", "number"], "where": "row.is_current"}],
        },
    ],
    "views": [
        {"name": "people", "table": "users", "columns": ["id", "username"], "access": "public"},
        {
            "name": "profiles", "table": "profile_rows", "columns": ["id", "bio"], "allow": ALL,
            "filter": "row.id == auth.user.id",
        },
        {"name": "all_profiles", "table": "profile_rows", "columns": ["id", "bio"], "access": "public"},
        {"name": "pages", "table": "page_rows", **PUBLIC},
        {"name": "follows", "table": "follow_rows", **PUBLIC},
        {
            "name": "my_pages", "table": "page_rows", "filter": "row.writer.id == auth.user.id",
            "columns": ["id", {"name": "by", "value": "row.writer.id"}],
        },
        {
            "name": "my_follows", "table": "follow_rows", "columns": ["page"],
            "filter": "row.who.id == auth.user.id && row.page.writer.id == auth.user.id",
        },
        {
            "name": "rooms", "table": "room_rows", **PUBLIC, "order": ["number"],
            "columns": ["id", "house", "number"], "writable": ["id", "house", "number"],
        },
        {"name": "stays", "table": "stay_rows", **PUBLIC, "columns": ["id", "house", "number", "guest", "is_current"]},
        {
            "name": "own_ids", "table": "stay_rows", **PUBLIC, "columns": ["id", "guest", "created_at"],
            "writable": ["id", "guest", "created_at"],
        },
    ],
    "endpoints": [
        {
            "name": "add", "method": "POST", "path": "/add", "access": "public",
            "input": {"body": {"id": {"type": "bigint"}, "writer": {"type": "reference", "table": "users",
                                                                    "column": "username"}}},
            "steps": [
                {"do": "insert", "table": "room_rows", "set": {"id": "=input.id", "house": "a"}, "as": "room"},
                {"do": "respond", "body": {"id": "=room.id", "writer": "=input.writer"}},
            ],
        },
    ],
}  # fmt: skip
BACK = {"Prefer": "return=representation"}
MERGE = {"Prefer": "resolution=merge-duplicates,return=representation"}


def project(document: Any = DOCUMENT) -> Any:
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    return parsed


def findings_of(document: Any) -> list[Finding]:
    parsed, findings = parse_project(document)
    return findings if parsed is None else check_project(parsed)


async def person(backend: Backend, name: str) -> Person:
    return await backend.sign_up(name, username=name)


async def made(backend: Backend, view: str, *rows: Any) -> list[Any]:
    answer = await backend.client.post(f"/rest/v1/{view}", json=list(rows), headers=BACK)
    assert answer.status_code == 201, answer.text
    return list(answer.json())


async def read(backend: Backend, path: str) -> Any:
    answer = await backend.client.get(f"/rest/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_is_exported_says_keys_as_they_were_said() -> None:
    said = dump_project(project())
    assert [table.get("id") for table in said["tables"]] == [
        {"type": "user", "on_delete": "cascade"},
        {"type": "text", "format": "slug", "max_length": 20},
        None,
        "bigint",
        None,
    ]
    assert said["tables"][4]["references"] == DOCUMENT["tables"][4]["references"]
    assert said["tables"][3]["unique"] == [["house", "number"]]
    assert said["tables"][4]["unique"] == DOCUMENT["tables"][4]["unique"]
    assert project(said) == project()


async def test_an_id_that_is_a_reference_is_the_others(backend: Backend) -> None:
    alice, bob = await person(backend, "alice"), await person(backend, "bob")
    answer = await alice.post("/rest/v1/profiles", {"id": alice.id, "bio": "A"}, headers=BACK)
    assert (answer.status_code, answer.json()) == (201, [{"id": alice.id, "bio": "A"}])
    stranger = await bob.post("/rest/v1/profiles", {"id": str(uuid4()), "bio": "B"})
    assert stranger.status_code in (403, 409)
    missing = await alice.post("/rest/v1/profiles", {"bio": "A"})
    assert (missing.status_code, missing.json()["errors"][0]["loc"]) == (422, ["body", "id"])
    inside = await read(backend, f"people?select=username,all_profiles(bio)&id=eq.{alice.id}")
    assert inside == [{"username": "alice", "all_profiles": {"bio": "A"}}]
    assert await read(backend, "all_profiles?select=bio,people(username)") == [
        {"bio": "A", "people": {"username": "alice"}}
    ]
    await backend.sql("DELETE FROM data.users WHERE id = $1", alice.id)
    assert await read(backend, "all_profiles") == []


async def test_a_text_id_is_given_by_who_inserts_within_its_options(backend: Backend) -> None:
    assert (await made(backend, "pages", {"id": "home", "title": "Home"}))[0]["id"] == "home"
    answer = await backend.client.post("/rest/v1/pages", json={"id": "No slug"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "input.format")
    again = await backend.client.post("/rest/v1/pages", json={"id": "home"})
    assert (again.status_code, again.json()["code"]) == (409, "23505")
    upserted = await backend.client.post("/rest/v1/pages", json={"id": "home", "title": "H"}, headers=MERGE)
    assert [row["title"] for row in upserted.json()] == ["H"]
    put = await backend.client.request(
        "PUT", "/rest/v1/pages?id=eq.home", json={"id": "home", "title": "P"}, headers=BACK
    )
    assert put.json()[0]["title"] == "P"
    assert [row["title"] for row in await read(backend, "pages")] == ["P"]


async def test_a_reference_to_a_unique_column_is_followed_both_ways(backend: Backend) -> None:
    await person(backend, "alice")
    await person(backend, "bob")
    await made(backend, "pages", {"id": "a", "writer": "alice", "checker": "bob"})
    none = await backend.client.post("/rest/v1/pages", json={"id": "b", "writer": "nobody"})
    assert (none.status_code, none.json()["code"]) == (409, "23503")
    assert await read(backend, "pages?select=id,people!writer(username)") == [
        {"id": "a", "people": {"username": "alice"}}
    ]
    by_key = "pages?select=id,people!page_rows_checker_fkey(username)"
    assert await read(backend, by_key) == [{"id": "a", "people": {"username": "bob"}}]
    assert await read(backend, "pages?select=writer(username),c:page_rows_checker_fkey(username)") == [
        {"writer": {"username": "alice"}, "c": {"username": "bob"}}
    ]
    assert await read(backend, "people?select=username,pages!checker(id)&order=username") == [
        {"username": "alice", "pages": []},
        {"username": "bob", "pages": [{"id": "a"}]},
    ]
    ambiguous = await backend.client.get("/rest/v1/pages?select=id,people(username)")
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (300, "PGRST201")
    assert "people!writer" in ambiguous.json()["hint"]


async def test_a_table_that_refers_to_itself_is_read_both_ways(backend: Backend) -> None:
    await made(backend, "pages", {"id": "top"})
    await made(backend, "pages", {"id": "below", "parent": "top"})
    assert await read(backend, "pages?select=id,parent(id)&id=eq.below") == [{"id": "below", "parent": {"id": "top"}}]
    assert await read(backend, "pages?select=id,pages!parent(id)&id=eq.top") == [
        {"id": "top", "pages": [{"id": "below"}]}
    ]


async def test_a_join_table_joins_tables_whose_ids_are_what_they_are(backend: Backend) -> None:
    alice = await person(backend, "alice")
    await alice.post("/rest/v1/profiles", {"id": alice.id, "bio": "A"})
    await made(backend, "pages", {"id": "a"}, {"id": "b"})
    await made(backend, "follows", {"who": alice.id, "page": "b"})
    assert await read(backend, "all_profiles?select=bio,pages(id)") == [{"bio": "A", "pages": [{"id": "b"}]}]


async def test_rules_follow_references_whatever_they_hold(backend: Backend) -> None:
    alice, bob = await person(backend, "alice"), await person(backend, "bob")
    await made(backend, "pages", {"id": "a", "writer": "alice"})
    await alice.post("/rest/v1/profiles", {"id": alice.id, "bio": "A"})
    await made(backend, "follows", {"who": alice.id, "page": "a"})
    assert (await alice.get("/rest/v1/my_pages")).json() == [{"id": "a", "by": alice.id}]
    assert (await alice.get("/rest/v1/my_follows")).json() == [{"page": "a"}]
    assert [(await bob.get(f"/rest/v1/{view}")).json() for view in ("my_pages", "my_follows")] == [[], []]


async def test_several_columns_refer_together(backend: Backend) -> None:
    await made(backend, "rooms", {"house": "north", "number": 1}, {"house": "north", "number": 2})
    await made(backend, "stays", {"house": "north", "number": 2, "guest": "G"})
    none = await backend.client.post("/rest/v1/stays", json={"house": "south", "number": 1})
    assert (none.status_code, none.json()["code"]) == (409, "23503")
    assert await read(backend, "stays?select=guest,rooms(house,number)") == [
        {"guest": "G", "rooms": {"house": "north", "number": 2}}
    ]
    assert await read(backend, "rooms?select=number,stays(guest)") == [
        {"number": 1, "stays": []},
        {"number": 2, "stays": [{"guest": "G"}]},
    ]
    assert await read(backend, "rooms?select=number,stays!stay_rows_house_number_fkey!inner(guest)") == [
        {"number": 2, "stays": [{"guest": "G"}]}
    ]
    await backend.client.request("DELETE", "/rest/v1/rooms?number=eq.2")
    assert await read(backend, "stays") == []


async def test_unique_among_some_rows_holds_for_those_alone(backend: Backend) -> None:
    await made(backend, "rooms", {"house": "north", "number": 1})
    one = {"house": "north", "number": 1}
    await made(backend, "stays", one, one)
    await made(backend, "stays", {**one, "is_current": True})
    taken = await backend.client.post("/rest/v1/stays", json={**one, "is_current": True})
    assert (taken.status_code, taken.json()["code"]) == (409, "23505")
    assert [error["loc"] for error in taken.json()["errors"]] == [["house"], ["number"]]
    not_whole = await backend.client.post("/rest/v1/stays?on_conflict=house,number", json=one, headers=MERGE)
    assert not_whole.status_code == 400


@pytest.mark.parametrize("view", ["rooms", "own_ids"])
async def test_ids_are_made_where_they_are_not_sent(backend: Backend, view: str) -> None:
    key = "number" if view == "rooms" else "guest"
    value: Any = 7 if view == "rooms" else "G"
    given: Any = 42 if view == "rooms" else str(uuid4())
    (row,) = await made(backend, view, {key: value})
    assert row["id"]
    (sent,) = await made(backend, view, {"id": given, key: value})
    assert sent["id"] == given
    rows = [{key: value}, {"id": str(uuid4()) if view == "own_ids" else 43, key: value}]
    default = {"Prefer": "return=representation,missing=default"}
    mixed = await backend.client.post(f"/rest/v1/{view}?columns=id,{key}", json=rows, headers=default)
    assert mixed.status_code == 201, mixed.text
    assert len({one["id"] for one in mixed.json()}) == 2
    null = await backend.client.post(f"/rest/v1/{view}", json={"id": None, key: value})
    assert (null.status_code, null.json()["errors"][0]["code"]) == (422, "input.null")


async def test_an_upsert_goes_by_the_id_where_it_names_no_columns(backend: Backend) -> None:
    (one, two) = await made(backend, "rooms", {"id": 1, "number": 1}, {"id": 2, "number": 2})
    rows = [{**one, "number": 10}, {"id": 3, "number": 30, "house": None}]
    answer = await backend.client.post("/rest/v1/rooms", json=rows, headers=MERGE)
    assert answer.status_code == 201, answer.text
    assert await read(backend, "rooms?select=id,number&order=id") == [
        {"id": 1, "number": 10}, {"id": 2, "number": 2}, {"id": 3, "number": 30},
    ]  # fmt: skip
    only = await backend.client.post("/rest/v1/rooms", json={"id": two["id"]}, headers=MERGE)
    assert [row["number"] for row in only.json()] == [2]
    ignored = {"Prefer": "resolution=ignore-duplicates,return=representation"}
    assert (await backend.client.post("/rest/v1/rooms", json={"id": 2, "number": 9}, headers=ignored)).json() == []
    without = await backend.client.post("/rest/v1/stays", json={"guest": "G"}, headers=MERGE)
    assert without.status_code == 400


async def test_a_step_may_say_the_id_of_a_new_row_and_an_input_a_key(backend: Backend) -> None:
    answer = await backend.client.post("/api/add", json={"id": 77, "writer": "alice"})
    assert answer.json() == {"id": 77, "writer": "alice"}
    assert (await backend.client.post("/api/add", json={"writer": None})).json()["id"] != 77
    assert (await backend.client.post("/api/add", json={"writer": 5})).status_code == 422


REFERENCE = {"name": "r", "type": "reference", "table": "t"}
T = {"name": "t", "columns": [{"name": "a", "type": "text"}, {"name": "u", "type": "integer", "unique": True},
                              {"name": "l", "type": "text", "array": True, "unique": True}]}  # fmt: skip
PAIR = [{"name": "a", "type": "text"}, {"name": "b", "type": "integer", "required": True}]
WRONG: dict[str, tuple[Any, str]] = {
    "unknown": ({**REFERENCE, "column": "uu"}, "unknown column 'uu'"),
    "not unique": ({**REFERENCE, "column": "a"}, "t.a is not unique"),
    "a list": ({**REFERENCE, "column": "l"}, "t.l can't be referred to"),
    "table": ({**REFERENCE, "table": "tt"}, "unknown table 'tt'"),
}
TOGETHER: dict[str, tuple[Any, str]] = {
    "table": ({"columns": ["a"], "table": "x", "to": ["a"]}, "unknown table 'x'"),
    "column": ({"columns": ["a"], "table": "t", "to": ["x"]}, "unknown column 'x'"),
    "not unique": ({"columns": ["a", "b"], "table": "t", "to": ["a", "u"]}, "a, u are not unique together in t"),
    "types": ({"columns": ["a"], "table": "t", "to": ["u"]}, "a is text, and t.u is integer"),
    "set_null": (
        {"columns": ["b"], "table": "t", "to": ["u"], "on_delete": "set_null"}, "on_delete: set_null can't empty b",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_reference_that_can_not_be_is_a_finding(case: str) -> None:
    column, message = WRONG[case]
    findings = findings_of({"rowgate": 1, "tables": [T, {"name": "o", "columns": [column]}]})
    assert any(message in finding.sentence for finding in findings), findings


@pytest.mark.parametrize("case", TOGETHER)
def test_columns_that_can_not_refer_together_are_a_finding(case: str) -> None:
    said, message = TOGETHER[case]
    findings = findings_of({"rowgate": 1, "tables": [T, {"name": "o", "columns": PAIR, "references": [said]}]})
    assert any(message in finding.sentence for finding in findings), findings


def test_ids_that_refer_to_each_other_in_a_circle_are_a_finding() -> None:
    tables = [{"name": one, "id": {"type": "reference", "table": other}} for one, other in ("ab", "ba")]
    findings = findings_of({"rowgate": 1, "tables": tables})
    assert [finding.place for finding in findings] == ["tables/a.id.column", "tables/b.id.column"]


@pytest.mark.parametrize(
    "said",
    [
        "json",
        {"type": "text", "array": True},
        {"type": "bigint", "min": 1},
        {"type": "user", "on_delete": "set_null"},
    ],
)
def test_an_id_that_can_not_be_is_a_finding(said: Any) -> None:
    findings = findings_of({"rowgate": 1, "tables": [{"name": "t", "id": said}]})
    assert findings

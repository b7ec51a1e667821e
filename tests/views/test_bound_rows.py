"""A row that a step binds tells a rule what the same rule is told in a filter; what goes out is what is shown."""

from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.definitions.project import parse_project
from app.relations.bound_row import BoundRow
from tests.backend import Backend, Person
from tests.views.test_view_columns import NOTES, OF_ROW, TABLES, UNSURE, asking

MINE = f"{OF_ROW} && item.user_id == auth.user.id"
HIDDEN = '=found.noted == null || found.noted ? "nothing" : "secret"'
OVER = {
    "name": "over",
    "table": "documents",
    "access": "public",
    "columns": [
        "title",
        {"name": "same", "one": "unsure", "where": "item.title == row.title"},
        {"name": "all", "list": "unsure", "where": "item.title == row.title"},
        # What always can be decided is told as it is shown.
        {"name": "notes", "count": "notes", "where": OF_ROW},
    ],
}
RULES = {
    "unnoted": "!{row}.noted",
    "noted": "{row}.noted",
    "none_mine": "{row}.mine == 0",
    "not_mine": "!({row}.mine > 0)",
    "nothing_small": "{row}.small == 0",
    "least_null": "{row}.least == null",
    "either": '!{row}.noted || {row}.title == "A"',
    "unless": "{row}.noted ? false : true",
}
INNER = {
    "one": "!found.same.noted",
    "has": "has(found.same.noted) && !found.same.noted",
    "list": "found.all.all(r, !r.noted)",
    "key": "found.all[0].mine == 0",
    "copied": "[found].map(r, [r.same]).all(l, !l[0].noted)",
}


def fetching(name: str, source: str, *steps: dict[str, Any]) -> dict[str, Any]:
    inputs = {"path": {"title": {"type": "text"}}}
    fetch = {"do": "fetch", "from": source, "where": "item.title == input.title", "as": "found"}
    path = f"/{name}/{{title}}"
    return {
        "name": name, "method": "GET", "path": path, "access": "public", "input": inputs, "steps": [fetch, *steps],
    }  # fmt: skip


def requiring(name: str, source: str, rule: str) -> dict[str, Any]:
    return fetching(name, source, {"do": "require", "that": rule}, {"do": "respond", "body": "=found.title"})


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [*TABLES, NOTES],
    "views": [UNSURE, OVER],
    "endpoints": [
        *({**asking(rule.format(row="item")), "name": f"f_{n}", "path": f"/f_{n}"} for n, rule in RULES.items()),
        *(requiring(f"r_{name}", "unsure", rule.format(row="found")) for name, rule in RULES.items()),
        *(requiring(f"i_{name}", "over", rule) for name, rule in INNER.items()),
        requiring("set_before", "unsure", "found.title == input.title && !found.noted"),
        fetching(
            "renamed",
            "unsure",
            {"do": "set", "values": {"banned": "=found.noted", "kept": "=found"}},
            {"do": "require", "that": "!banned || !kept.noted"},
            {"do": "respond", "body": "=found"},
        ),
        fetching(
            "looped",
            "unsure",
            {"do": "list", "from": "unsure", "where": "item.title == input.title", "as": "rows"},
            {"do": "for_each", "each": "rows", "as": "one", "steps": [{"do": "require", "that": "!one.noted"}]},
            {"do": "respond", "body": "=found"},
        ),
        fetching(
            "compared",
            "unsure",
            {"do": "list", "from": "documents", "where": "!found.noted && item.title == found.title", "as": "rows"},
            {"do": "respond", "body": "=rows.map(r, r.title)"},
        ),
        fetching("whole", "unsure", {"do": "respond", "body": "=found"}),
        fetching(
            "parts",
            "over",
            {
                "do": "respond",
                "body": {"noted": "=found.same.noted", "same": "=found.same", "all": "=found.all", "n": "=found.notes"},
            },
        ),
        fetching("hidden", "unsure", {"do": "respond", "body": HIDDEN}),
    ],
    "tests": [
        {
            "name": "who_is_not_known_is_not_let_in",
            "given": {"users": [{"id": "ann"}], "documents": [{"id": "a", "title": "A", "owner_user_id": "ann"}],
                      "notes": [{"document_id": "a", "user_id": "ann"}]},
            "request": {"path": "/api/r_unnoted/A"},
            "expect": {"status": 403},
        },
        {
            "name": "who_has_none_is_let_in",
            "as": "bob",
            "given": {"users": [{"id": "ann"}, {"id": "bob"}],
                      "documents": [{"id": "a", "title": "A", "owner_user_id": "ann"}],
                      "notes": [{"document_id": "a", "user_id": "ann"}]},
            "request": {"path": "/api/r_unnoted/A"},
            "expect": {"status": 200},
        },
    ],
}  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def people(backend: Backend) -> tuple[Person, Person]:
    """Of A ann has a note, of B nobody knows who has one, of C bob; D has none."""
    ann, bob = await backend.sign_up("ann"), await backend.sign_up("bob")
    for title, who, size in (("A", ann.id, 3), ("B", None, None), ("C", bob.id, 30), ("D", None, None)):
        add = "INSERT INTO data.documents (owner_user_id, title) VALUES ($1, $2) RETURNING id"
        ((id_,),) = await backend.sql(add, ann.id, title)
        if title != "D":
            note = "INSERT INTO data.notes (document_id, user_id, size) VALUES ($1, $2, $3)"
            await backend.sql(note, id_, who, size)
    return ann, bob


async def asked(backend: Backend, who: Person | None, path: str) -> Any:
    return await (backend.client.get(f"/api/{path}") if who is None else who.get(f"/api/{path}"))


async def let_in(backend: Backend, who: Person | None, name: str) -> list[str]:
    answers = [(title, await asked(backend, who, f"{name}/{title}")) for title in "ABCD"]
    assert {answer.status_code for _, answer in answers} <= {200, 403}
    return [title for title, answer in answers if answer.status_code == 200]


async def test_a_stranger_is_refused_what_nobody_knows_of_him(backend: Backend, people: tuple[Person, Person]) -> None:
    ann, bob = people
    for name in ("r_unnoted", "r_none_mine", "r_not_mine", "r_unless", "renamed", "looped", *(f"i_{n}" for n in INNER)):
        assert (name, await let_in(backend, None, name)) == (name, ["D"])
        assert (name, await let_in(backend, ann, name)) == (name, ["C", "D"])
        assert (name, await let_in(backend, bob, name)) == (name, ["A", "D"])


@pytest.mark.parametrize("name", RULES)
async def test_a_filter_and_a_required_rule_agree(backend: Backend, people: tuple[Person, Person], name: str) -> None:
    for who in (None, *people):
        assert await let_in(backend, who, f"r_{name}") == (await asked(backend, who, f"f_{name}")).json()


async def test_what_goes_out_is_what_is_shown(backend: Backend, people: tuple[Person, Person]) -> None:
    shown = {"title": "A", "mine": 0, "noted": False, "small": 1, "least": 3}
    assert (await asked(backend, None, "whole/A")).json() == shown
    assert (await asked(backend, None, "parts/A")).json() == {"noted": False, "same": shown, "all": [shown], "n": 1}
    # What is computed of it isn't that: it asks as a rule does.
    assert (await asked(backend, None, "hidden/A")).json() == "nothing"
    assert (await asked(backend, people[1], "hidden/A")).json() == "secret"


async def test_a_condition_over_other_rows_is_told_the_same(backend: Backend, people: tuple[Person, Person]) -> None:
    assert [(await asked(backend, None, f"compared/{title}")).json() for title in "ACD"] == [[], [], ["D"]]
    assert (await asked(backend, people[1], "compared/A")).json() == ["A"]


async def test_simulate_and_why_say_that_the_rule_saw_no_answer(
    backend: Backend, people: tuple[Person, Person]
) -> None:
    admin = await backend.admin()
    said = {"method": "GET", "path": "/api/r_unnoted/A"}
    told = (await backend.client.post("/admin/v1/simulate", json=said, headers=admin)).json()
    assert told["status"] == 403
    assert told["trace"][-1]["steps"][-1]["rules"][0]["saw"]["found.noted"] is None
    await backend.client.get("/api/r_unnoted/A", headers={"X-Request-Id": "unsure"})
    why = (await backend.client.get("/admin/v1/requests/unsure", headers=admin)).json()
    assert why["step"]["rules"][0]["saw"]["found.noted"] is None


def findings_of(source: str, value: str) -> list[tuple[str | None, bool, str]]:
    endpoint = fetching("e", source, {"do": "respond", "body": value})
    project, found = parse_project({**DOCUMENT, "endpoints": [endpoint], "tests": []})
    found = found if project is None else check_project(project)
    return [(one.code, one.stricter, one.message.partition(",")[0]) for one in found]


@pytest.mark.parametrize(
    ("source", "value", "path"),
    [
        ("unsure", '=!found.noted ? "secret" : "nothing"', "found.noted"),
        ("unsure", "=found.mine + 1", "found.mine"),
        ("over", "=found.same.mine + 1", "found.same.mine"),
    ],
)
def test_a_value_that_needs_what_nobody_may_know_is_found(source: str, value: str, path: str) -> None:
    assert findings_of(source, value) == [("expression.null", True, f"{path} may be null")]


def test_a_value_that_needs_what_is_always_known_is_sound() -> None:
    assert findings_of("over", "=found.notes + 1") == findings_of("unsure", HIDDEN) == []


def test_a_bound_row_is_read_by_name_as_it_is_told_and_walked_as_it_is_shown() -> None:
    row = BoundRow({"id": 1, "liked": False}, {"liked": None})
    assert (row["liked"], row.get("liked"), row.get("id"), row["id"], row.get("none", 2)) == (None, None, 1, 1, 2)
    assert list(row.items()) == [("id", 1), ("liked", False)]
    assert (row.shown("liked"), row.shown("id")) == (False, 1)

"""Columns of views that come from other rows: counted, summed, taken whole, in the view's one statement."""

from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.definitions.project import parse_project
from tests.backend import Backend, Person, serving
from tests.statements import captured_here

TABLES = [
    {
        "name": "documents",
        "columns": [
            {"name": "owner_user_id", "type": "user", "required": True, "on_delete": "cascade"},
            {"name": "title", "type": "text"},
            {"name": "published", "type": "boolean", "default": False},
        ],
    },
    {
        "name": "likes",
        "columns": [
            {"name": "user_id", "type": "user", "required": True, "on_delete": "cascade"},
            {"name": "document_id", "type": "reference", "table": "documents", "required": True},
            {"name": "weight", "type": "integer", "default": 1},
            {"name": "score", "type": "float"},
            {"name": "hidden", "type": "boolean", "default": False},
        ],
    },
    {
        "name": "profiles",
        "columns": [
            {"name": "user_id", "type": "user", "required": True, "unique": True},
            {"name": "name", "type": "text"},
            {"name": "phone", "type": "text"},
        ],
    },
]
BY_WEIGHT = ["weight desc"]
OF_ROW = "item.document_id == row.id"
VIEWS: list[dict[str, Any]] = [
    {
        "name": "people",
        "table": "profiles",
        "columns": [
            "user_id",
            "name",
            {"name": "documents", "count": "documents", "where": "item.owner_user_id == row.user_id"},
        ],
        "filter": 'row.name != "ghost"',
    },
    {"name": "seen_likes", "table": "likes", "columns": ["weight", "user_id"], "filter": "!row.hidden"},
    {
        "name": "feed",
        "table": "documents",
        "columns": [
            "id",
            "title",
            {"name": "likes", "count": "likes", "where": OF_ROW},
            {"name": "shown_likes", "count": "seen_likes", "where": OF_ROW},
            {"name": "liked", "exists": "likes", "where": f"{OF_ROW} && item.user_id == auth.user.id"},
            {"name": "weight", "sum": "likes", "of": "item.weight", "where": OF_ROW},
            {"name": "heaviest", "max": "likes", "of": "item.weight", "where": OF_ROW},
            {"name": "lightest", "min": "likes", "of": "item.weight + 1", "where": OF_ROW},
            {"name": "mean", "avg": "likes", "of": "item.weight", "where": OF_ROW},
            {"name": "score", "sum": "likes", "of": "item.score", "where": OF_ROW},
            {"name": "author", "one": "people", "where": "item.user_id == row.owner_user_id"},
            {"name": "phone", "one": "profiles", "value": "item.phone", "where": "item.user_id == row.owner_user_id"},
            {
                "name": "weights",
                "list": "seen_likes",
                "value": "item.weight",
                "where": OF_ROW,
                "order": ["weight desc"],
            },
            {"name": "fans", "list": "seen_likes", "where": OF_ROW, "order": ["weight"], "limit": 2},
        ],
        "filter": "row.published || row.owner_user_id == auth.user.id",
        "order": ["title"],
    },
]
ENDPOINT = {
    "name": "popular",
    "method": "GET",
    "path": "/popular",
    "access": "authenticated",
    "steps": [
        {"do": "list", "from": "feed", "where": "item.likes >= 2 && 3 in item.weights", "as": "found"},
        {"do": "fetch", "from": "feed", "where": "item.title == 'A'", "as": "one"},
        {
            "do": "respond",
            "body": {
                "titles": "=found.map(f, f.title)",
                "author": "=one.author.name",
                "own": "=one.author.documents + 1",
            },
        },
    ],
}
NOTES = {
    "name": "notes",
    "columns": [
        {"name": "document_id", "type": "reference", "table": "documents", "required": True},
        {"name": "user_id", "type": "user"},
        {"name": "size", "type": "integer"},
    ],
}
UNSURE = {
    "name": "unsure",
    "table": "documents",
    "access": "public",
    "columns": [
        "title",
        {"name": "mine", "count": "notes", "where": f"{OF_ROW} && item.user_id == auth.user.id"},
        {"name": "noted", "exists": "notes", "where": f"{OF_ROW} && item.user_id == auth.user.id"},
        {"name": "small", "sum": "notes", "of": "1", "where": f"{OF_ROW} && item.size < 10"},
        {"name": "least", "min": "notes", "of": "item.size", "where": f"{OF_ROW} && item.size < 10"},
    ],
    "order": ["title"],
}


def asking(rule: str, source: str = "unsure") -> dict[str, Any]:
    """Give the endpoint that lists the titles of which a rule holds."""
    steps = [
        {"do": "list", "from": source, "where": rule, "order": ["title"], "as": "found"},
        {"do": "respond", "body": "=found.map(f, f.title)"},
    ]
    return {"access": "public", "method": "GET", "steps": steps}


ASKED = {
    "unliked": asking("!item.liked", "feed"),
    "unnoted": asking("!item.noted"),
    "none_mine": asking("item.mine == 0"),
    "nothing_small": asking("item.small == 0"),
    "no_least": asking("item.least == null"),
}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [*TABLES, NOTES],
    "views": [*VIEWS, UNSURE],
    "endpoints": [
        ENDPOINT,
        *({"name": name, "path": f"/{name}", **endpoint} for name, endpoint in ASKED.items()),
    ],
}


@pytest_asyncio.fixture(loop_scope="module")
async def people(backend: Backend) -> tuple[Person, Person]:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql("INSERT INTO data.profiles (user_id, name, phone) VALUES ($1, 'Alice', '1')", alice.id)
    await backend.sql("INSERT INTO data.profiles (user_id, name, phone) VALUES ($1, 'ghost', '2')", bob.id)
    add = "INSERT INTO data.documents (owner_user_id, title, published) VALUES ($1, $2, $3) RETURNING id"
    ((first,),) = await backend.sql(add, alice.id, "A", True)
    await backend.sql(add, bob.id, "B", True)
    await backend.sql(add, bob.id, "hidden", False)
    like = "INSERT INTO data.likes (user_id, document_id, weight, score, hidden) VALUES ($1, $2, $3, $4, $5)"
    for person, weight, score, hidden in ((alice, 1, 0.5, False), (bob, 3, None, False), (bob, 9, 1.5, True)):
        await backend.sql(like, person.id, first, weight, score, hidden)
    return alice, bob


async def test_related_rows_are_counted_summed_and_taken(people: tuple[Person, Person]) -> None:
    alice, bob = people
    first, second = (await alice.get("/rest/v1/feed")).json()
    assert {name: first[name] for name in first if name not in ("id", "author", "fans")} == {
        "title": "A", "likes": 3, "shown_likes": 2, "liked": True, "weight": 13, "heaviest": 9, "lightest": 2,
        "mean": pytest.approx(13 / 3), "score": 2.0, "phone": "1", "weights": [3, 1],
    }  # fmt: skip
    assert first["author"] == {"user_id": alice.id, "name": "Alice", "documents": 1}
    assert first["fans"] == [{"weight": 1, "user_id": alice.id}, {"weight": 3, "user_id": bob.id}]
    # Nothing was liked, and the author's profile is outside of the filter of the view that shows it.
    assert {name: second[name] for name in ("likes", "liked", "weight", "heaviest", "mean", "author", "fans")} == {
        "likes": 0, "liked": False, "weight": 0, "heaviest": None, "mean": None, "author": None, "fans": [],
    }  # fmt: skip
    assert second["weights"] == []
    assert [row["title"] for row in (await bob.get("/rest/v1/feed?select=title")).json()] == ["A", "B", "hidden"]


async def test_they_can_be_tested_ordered_and_left_out(people: tuple[Person, Person]) -> None:
    alice, _ = people
    found = await alice.get("/rest/v1/feed?select=title,likes&likes=gte.1&liked=is.true&order=likes.desc")
    assert found.json() == [{"title": "A", "likes": 3}]
    missing = await alice.get("/rest/v1/feed?select=title&author=is.null")
    assert missing.json() == [{"title": "B"}]
    for query in ("author=eq.x", "fans=like.x", "author=in.(x)"):
        assert (await alice.get(f"/rest/v1/feed?{query}")).status_code == 400


async def test_everything_is_one_statement(people: tuple[Person, Person]) -> None:
    alice, _ = people
    await alice.get("/rest/v1/feed")
    with captured_here() as statements:
        await alice.get("/rest/v1/feed")
        await alice.get("/rest/v1/people")
    assert len(statements.seen) == 2, list(statements.seen)


async def test_steps_read_them_by_their_types(people: tuple[Person, Person]) -> None:
    alice, _ = people
    assert (await alice.get("/api/popular")).json() == {"titles": ["A"], "author": "Alice", "own": 2}


async def told(backend: Backend, name: str, person: Person | None = None) -> Any:
    path = f"/api/{name}"
    return (await (backend.client.get(path) if person is None else person.get(path))).json()


async def test_a_stranger_is_not_taken_for_somebody_of_whom_there_is_no_row(
    backend: Backend, people: tuple[Person, Person]
) -> None:
    alice, bob = people
    assert await told(backend, "unliked", alice) == ["B"]
    assert await told(backend, "unliked", bob) == ["B", "hidden"]
    # Whom the likes are to be compared with isn't known: of a document without any, nobody's is among them.
    assert await told(backend, "unliked") == ["B"]
    like = "INSERT INTO data.likes (user_id, document_id) SELECT $1, id FROM data.documents WHERE title = 'B'"
    await backend.sql(like, bob.id)
    assert await told(backend, "unliked") == []
    # What is shown of it is as it was.
    await backend.sql("INSERT INTO data.notes (document_id, user_id) SELECT id, $1 FROM data.documents", bob.id)
    shown = (await backend.client.get("/rest/v1/unsure")).json()
    assert [(row["mine"], row["noted"]) for row in shown] == [(0, False)] * 3
    assert await told(backend, "unnoted") == await told(backend, "none_mine") == []


async def test_what_cannot_be_compared_leaves_a_rule_that_counts_without_an_answer(
    backend: Backend, people: tuple[Person, Person]
) -> None:
    alice, bob = people
    note = "INSERT INTO data.notes (document_id, user_id, size) SELECT id, $2, $3 FROM data.documents WHERE title = $1"
    await backend.sql(note, "A", alice.id, 3)
    await backend.sql(note, "A", None, 30)
    await backend.sql(note, "B", bob.id, None)
    await backend.sql(note, "B", None, 30)
    assert await told(backend, "unnoted", alice) == ["hidden"]
    assert await told(backend, "none_mine", alice) == ["hidden"]
    assert await told(backend, "none_mine", bob) == ["hidden"]
    assert await told(backend, "nothing_small", alice) == ["hidden"]
    # Without an answer counts as null, as everywhere.
    assert await told(backend, "no_least", alice) == ["B", "hidden"]
    shown = (await alice.get("/rest/v1/unsure")).json()
    assert [(row["mine"], row["noted"], row["small"]) for row in shown] == [(1, True, 1), (0, False, 0), (0, False, 0)]
    await backend.sql("UPDATE data.notes SET user_id = $1", bob.id)
    assert await told(backend, "unnoted", alice) == ["A", "B", "hidden"]
    assert await told(backend, "none_mine", alice) == ["A", "B", "hidden"]


async def test_a_computed_column_never_takes_the_place_of_a_real_one_in_the_filter(migrated_url: str) -> None:
    view = {
        "name": "mine",
        "table": "documents",
        "columns": [
            "id",
            {"name": "owner_user_id", "value": "auth.user.id"},
            {"name": "title", "value": 'row.title + "!"'},
        ],
        "filter": "row.owner_user_id == auth.user.id",
    }
    async with serving(migrated_url, {"rowgate": 1, "tables": TABLES, "views": [view]}) as backend:
        alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
        for person in (alice, bob):
            await backend.sql("INSERT INTO data.documents (owner_user_id, title) VALUES ($1, 'x')", person.id)
        rows = (await alice.get("/rest/v1/mine?title=eq.x!")).json()
        assert [(row["owner_user_id"], row["title"]) for row in rows] == [(alice.id, "x!")]


def findings_of(column: dict[str, Any], *views: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    view = {"name": "v", "table": "documents", "columns": ["id", {"name": "c", **column}], **more}
    project, found = parse_project({"rowgate": 1, "tables": TABLES, "views": [*views, view], "roles": [{"name": "r"}]})
    found = found if project is None else check_project(project)
    return [(finding.place, finding.message) for finding in found]


LIKES = {"name": "w", "table": "likes", "columns": ["weight"]}


@pytest.mark.parametrize(
    ("column", "views", "place", "says"),
    [
        ({"count": "like"}, [], "views/v.columns/c", "unknown table or view 'like'"),
        ({"count": "likes", "where": "item.document == row.id"}, [], "views/v.columns/c.where:1:6", "no field"),
        ({"count": "likes", "where": "row.id"}, [], "views/v.columns/c.where:1:5", "bool is wanted"),
        ({"sum": "likes", "of": "item.hidden"}, [], "views/v.columns/c.of", "sum doesn't take bool"),
        ({"max": "likes", "of": "item.user_id"}, [], "views/v.columns/c.of", "max doesn't take uuid"),
        ({"sum": "likes", "of": "item.score * 2.0"}, [], "views/v.columns/c.of:1:1", "can't be said in SQL"),
        ({"list": "likes", "order": ["nothing"]}, [], "views/v.columns/c.order", "unknown column 'nothing'"),
        ({"count": "v"}, [], "views/v.columns/c", "in a circle: v > v"),
        (
            {"count": "w"},
            [{**LIKES, "columns": [{"name": "x", "count": "v"}]}],
            "views/v.columns/c",
            "in a circle: w > v > w",
        ),
        ({"count": "w"}, [{**LIKES, "access": {"roles": ["r"]}}], "views/v.columns/c", "is not for everybody"),
        ({"count": "w"}, [{**LIKES, "params": {"q": {"type": "text"}}}], "views/v.columns/c", "has params"),
        ({"count": "w"}, [{**LIKES, "allow": ["delete"]}], "views/v.columns/c", "no select in allow"),
    ],
)
def test_a_column_that_can_not_be_is_refused_when_saved(
    column: dict[str, Any], views: list[dict[str, Any]], place: str, says: str
) -> None:
    found = findings_of(column, *views)
    assert any(at == place and says in message for at, message in found), found


def test_a_view_for_all_can_stand_inside_one_for_few_and_not_the_other_way_round() -> None:
    for inner, outer in (("public", "authenticated"), ("authenticated", {"roles": ["r"]}), ("public", "public")):
        assert findings_of({"count": "w"}, {**LIKES, "access": inner}, access=outer) == []
    assert findings_of({"count": "w"}, {**LIKES, "access": "authenticated"}, access="public") != []


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"count": "likes", "of": "item.weight"}, "a column by count takes where, not of"),
        ({"exists": "likes", "order": ["weight"]}, "a column by exists takes where, not order"),
        ({"sum": "likes", "of": "item.weight", "value": "item.weight"}, "takes of, where, not value"),
        ({"max": "likes", "of": "item.weight", "limit": 1}, "takes of, where, not limit"),
        ({"one": "profiles", "limit": 1}, "takes value, where, order, not limit"),
        ({"list": "likes", "of": "item.weight"}, "takes value, where, order, limit, not of"),
        ({"value": "row.title", "where": "row.published"}, "a column by value takes value, not where"),
        ({"where": "row.published"}, "a plain column takes nothing more, not where"),
    ],
)
def test_a_key_that_a_column_does_not_take_is_refused_and_never_ignored(column: dict[str, Any], says: str) -> None:
    found = findings_of(column)
    assert any(says in message for _, message in found), found

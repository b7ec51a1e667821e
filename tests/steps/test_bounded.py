"""Quotas, loops and sums on a backend of their own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.limits.limit import StoreUnavailable
from tests.backend import Backend, Person, serving

MINE = "item.owner == auth.user.id"


def endpoint(name: str, steps: list[Any], **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "method": "POST",
        "path": f"/{name}",
        "access": "public",
        "input": {"body": fields},
        "steps": steps,
    }


def note(**more: Any) -> dict[str, Any]:
    return {"do": "insert", "table": "notes", "set": {"owner": "=auth.user.id", "title": "note", **more}}


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "notes",
            "columns": [
                {"name": "owner", "type": "user"},
                {"name": "title", "type": "text", "required": True, "max_length": 10},
                {"name": "size", "type": "integer"},
                {"name": "price", "type": "decimal"},
                {"name": "kind", "type": "text", "default": "plain"},
                {"name": "due", "type": "timestamp"},
            ],
        }
    ],
    "endpoints": [
        endpoint("five", [{"do": "quota", "max": 5, "from": "notes", "where": MINE}, note()]),
        endpoint(
            "five_a_day",
            [
                {
                    "do": "quota",
                    "max": 5,
                    "from": "notes",
                    "where": f'{MINE} && item.created_at > now - duration("24h")',
                    "status": 402,
                    "message": "Five a day.",
                },
                note(),
            ],
        ),
        endpoint(
            "five_at_once",
            [
                {"do": "quota", "max": 5, "from": "notes", "where": "true"},
                {
                    "do": "for_each",
                    "each": "input.looped",
                    "as": "title",
                    "steps": [
                        {"do": "quota", "max": 4, "from": "notes", "where": "item.title == title"},
                        note(title="=title"),
                    ],
                },
                {"do": "insert", "table": "notes", "rows": '=input.titles.map(t, {"title": t})'},
                {"do": "respond", "status": 201},
            ],
            titles={"type": "text", "array": True, "required": True, "default": []},
            looped={"type": "text", "array": True, "default": []},
        ),
        endpoint(
            "as_many",
            [{"do": "quota", "max": "=input.n", "from": "notes", "where": "true"}, note()],
            n={"type": "integer"},
        ),
        endpoint(
            "each",
            [
                {"do": "set", "values": {"total": 0}},
                {
                    "do": "for_each",
                    "each": "input.titles",
                    "as": "title",
                    "limit": 3,
                    "steps": [
                        {"do": "respond", "status": 202, "body": "=title", "when": 'title == "stop"'},
                        note(title="=title"),
                        {"do": "set", "values": {"total": "=total + size(title)"}},
                    ],
                },
                {"do": "respond", "body": "=total"},
            ],
            titles={"type": "text", "array": True},
        ),
        {
            **endpoint(
                "loop_locks",
                [
                    {
                        "do": "for_each",
                        "each": "[1]",
                        "as": "round",
                        "steps": [
                            {"when": "round == 2", **note()},
                            {"do": "fetch", "from": "notes", "where": 'item.title == "held"', "as": "held"},
                        ],
                    }
                ],
            ),
            "timeout": 1,
        },
        endpoint(
            "any_list",
            [{"do": "for_each", "each": "input.data", "as": "x", "steps": [note(size="=int(x)")]}],
            data={"type": "json"},
        ),
        endpoint(
            "doubled",
            [
                {
                    "do": "for_each",
                    "each": "input.ids",
                    "as": "id",
                    "steps": [
                        {
                            "do": "update",
                            "table": "notes",
                            "where": "item.id == id && item.size > 0",
                            "set": {"size": "=item.size * 2"},
                            "expect": "any",
                        }
                    ],
                },
                {
                    "do": "for_each",
                    "each": "input.lines",
                    "as": "line",
                    "steps": [note(title="=line.title", size="=line.size + 1")],
                },
            ],
            ids={"type": "list", "of": {"type": "uuid"}},
            lines={
                "type": "list",
                "of": {
                    "type": "object",
                    "fields": {
                        "title": {"type": "text", "required": True},
                        "size": {"type": "integer", "required": True},
                    },
                },
            },
        ),
        endpoint("limited", [{"do": "rate_limit", "limit": "1/minute"}]),
        endpoint("lenient", [{"do": "rate_limit", "limit": "1/minute", "on_store_failure": "allow"}]),
        endpoint("rehearsed", [{"do": "rate_limit", "limit": "1/minute", "dry_run": True}]),
        endpoint(
            "mapped",
            [
                {
                    "do": "insert",
                    "table": "notes",
                    "rows": '=input.titles.map(t, {"title": t, "size": size(t), "price": decimal(1)})',
                    "as": "made",
                },
                {"do": "respond", "body": "=made.map(m, [m.title, m.size])"},
            ],
            titles={"type": "text", "array": True, "required": True},
        ),
        endpoint(
            "given",
            [{"do": "insert", "table": "notes", "rows": "=input.notes"}],
            notes={
                "type": "list",
                "of": {
                    "type": "object",
                    "fields": {
                        "title": {"type": "text", "required": True},
                        "price": {"type": "decimal"},
                        "kind": {"type": "text"},
                        "due": {"type": "timestamp"},
                    },
                },
            },
        ),
        endpoint(
            "listed",
            [{"do": "insert", "table": "notes", "rows": [{"title": "a", "size": 1}, {"title": '="b"', "price": 2}]}],
        ),
        endpoint(
            "sums",
            [
                {
                    "do": "aggregate",
                    "from": "notes",
                    "where": 'item.title != "left out"',
                    "values": {
                        "sizes": {"sum": "item.size"},
                        "twice": {"sum": "item.price * 2"},
                        "mean": {"avg": "item.price"},
                        "last": {"max": "item.title"},
                        "least": {"min": "item.size"},
                        "rows": {"count": "true"},
                        "sized": {"count": "item.size"},
                        "large": {"count": "item.size > 1"},
                    },
                    "as": "all",
                },
                {
                    "do": "aggregate",
                    "from": "notes",
                    "group_by": ["title"],
                    "values": {"sizes": {"sum": "item.size"}},
                    "as": "by_title",
                },
                {"do": "respond", "body": {"all": "=all", "titles": "=by_title"}},
            ],
        ),
    ],
}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def call(backend: Backend, name: str, **given: Any) -> Any:
    return await backend.client.post(f"/api/{name}", json=given)


async def titles(backend: Backend) -> list[str]:
    return [row["title"] for row in await backend.sql("SELECT title FROM data.notes ORDER BY ctid")]


async def decided(person: Person, path: str) -> httpx.Response:
    """Ask again for as long as the answer is that others had the row for too long."""
    while True:
        answer = await person.post(path, {})
        if answer.status_code != 503:
            return answer
        assert answer.headers["Retry-After"]


@pytest.mark.parametrize(("name", "status"), [("five", 403), ("five_a_day", 402)])
async def test_of_many_inserts_at_once_exactly_as_many_pass_as_the_quota_allows(
    backend: Backend, name: str, status: int
) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    both = await asyncio.gather(*(decided(person, f"/api/{name}") for person in (alice, bob) for _ in range(50)))
    for answers in (both[:50], both[50:]):
        assert sorted(answer.status_code for answer in answers) == [204] * 5 + [status] * 45
    assert {answer.json()["code"] for answer in both if answer.status_code == status} == {"chain.over_quota"}
    assert len(await titles(backend)) == 10


async def test_a_request_that_inserts_several_rows_passes_no_quota(backend: Backend) -> None:
    for given in ({"titles": ["a"] * 6}, {"looped": ["a", "b"] * 3}, {"looped": ["a"] * 3, "titles": ["a"] * 2}):
        refused = await call(backend, "five_at_once", **given)
        assert (refused.status_code, refused.json()["code"]) == (403, "chain.over_quota")
        assert await titles(backend) == []
    answers = await asyncio.gather(*(call(backend, "five_at_once", titles=["a", "b"]) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [403] * 18
    assert (await call(backend, "five_at_once", titles=["c"])).status_code == 201
    assert sorted(await titles(backend)) == ["a", "a", "b", "b", "c"]


async def test_a_quota_of_what_is_not_known_refuses(backend: Backend) -> None:
    nobody = await call(backend, "five")
    assert (nobody.status_code, nobody.json()["code"]) == (403, "chain.over_quota")
    assert (await call(backend, "as_many")).status_code == 403
    assert (await call(backend, "as_many", n=1)).status_code == 204
    assert (await call(backend, "as_many", n=1)).status_code == 403
    assert await titles(backend) == ["note"]


async def test_a_loop_runs_its_steps_for_each_item_in_order(backend: Backend) -> None:
    assert (await call(backend, "each", titles=["b", "aa", "c"])).json() == 4
    assert await titles(backend) == ["b", "aa", "c"]
    assert (await call(backend, "each", titles=[])).json() == 0
    assert (await call(backend, "each")).json() == 0


async def test_a_respond_inside_a_loop_ends_it(backend: Backend) -> None:
    stopped = await call(backend, "each", titles=["a", "stop", "b"])
    assert (stopped.status_code, stopped.json()) == (202, "stop")
    assert await titles(backend) == ["a"]


async def test_a_loop_is_bounded_and_one_that_fails_leaves_nothing(backend: Backend) -> None:
    refused = await call(backend, "each", titles=["a", "b", "c", "d"])
    assert (refused.status_code, refused.json()["code"]) == (422, "step.too_many_items")
    for failing in range(3):
        given = ["a", "b", "c"]
        given[failing] = "much too long a title"
        assert (await call(backend, "each", titles=given)).status_code == 422
    assert await titles(backend) == []


async def test_what_a_loop_takes_of_a_list_has_the_type_of_its_items(backend: Backend) -> None:
    notes = "INSERT INTO data.notes (title, size) SELECT 'n' || n, n FROM generate_series(1, 3) n RETURNING id"
    ids = [str(row[0]) for row in await backend.sql(notes)]
    lines = [{"title": "more", "size": 6}]
    assert (await call(backend, "doubled", ids=[ids[0], ids[2]], lines=lines)).status_code == 204
    sizes = "SELECT title, size FROM data.notes ORDER BY title"
    assert [tuple(row) for row in await backend.sql(sizes)] == [("more", 7), ("n1", 2), ("n2", 2), ("n3", 6)]


async def test_a_loop_over_what_is_no_list_writes_nothing(backend: Backend) -> None:
    assert (await call(backend, "any_list", data=[1, 2])).status_code == 204
    for data in ("text", {"a": 1}, 7):
        failed = await call(backend, "any_list", data=data)
        assert (failed.status_code, failed.json()["code"]) == (500, "expression.failed")
    assert len(await titles(backend)) == 2


async def test_what_a_loop_reads_is_locked_where_its_next_round_writes(backend: Backend) -> None:
    await backend.sql("INSERT INTO data.notes (title) VALUES ('held')")
    assert (await call(backend, "loop_locks")).status_code == 204
    pool = backend.app.server.pool
    async with pool.lease() as connection, connection.transaction():
        await connection.execute("SELECT FROM data.notes FOR UPDATE")
        assert (await call(backend, "loop_locks")).status_code == 504


async def test_sums_of_no_rows_and_of_some(backend: Backend) -> None:
    none = (await call(backend, "sums")).json()
    assert none["titles"] == []
    assert none["all"] == {
        "sizes": 0, "twice": 0, "mean": None, "last": None, "least": None, "rows": 0, "sized": 0, "large": 0,
    }  # fmt: skip
    await backend.sql(
        "INSERT INTO data.notes (title, size, price) VALUES"
        " ('b', 2, 1.10), ('a', 1, 2.20), ('a', NULL, NULL), ('left out', 9, 9)"
    )
    some = (await call(backend, "sums")).json()
    assert some["titles"] == [
        {"title": "a", "sizes": 1},
        {"title": "b", "sizes": 2},
        {"title": "left out", "sizes": 9},
    ]
    assert some["all"] == {
        "sizes": 3, "twice": 6.6, "mean": 1.65, "last": "b", "least": 1, "rows": 3, "sized": 2, "large": None,
    }  # fmt: skip


async def test_many_rows_are_inserted_at_once_or_none(backend: Backend) -> None:
    made = await call(backend, "mapped", titles=["a", "bbb"])
    assert (made.status_code, made.json()) == (200, [["a", 1], ["bbb", 3]])
    assert (await call(backend, "mapped", titles=["c", "much too long a title"])).status_code == 422
    assert (await call(backend, "mapped", titles=[])).json() == []
    assert (await call(backend, "mapped")).status_code == 422
    too_many = await call(backend, "mapped", titles=["x"] * 1001)
    assert (too_many.status_code, too_many.json()["code"]) == (422, "step.too_many_items")
    assert await titles(backend) == ["a", "bbb"]


async def test_rows_of_an_input_keep_their_values_exact_and_take_defaults(backend: Backend) -> None:
    content = '{"notes": [{"title": "a", "price": 0.10, "due": "2027-01-31T18:00:00Z"}, {"title": "b", "kind": "x"}]}'
    headers = {"Content-Type": "application/json"}
    answer = await backend.client.post("/api/given", content=content, headers=headers)
    assert answer.status_code == 204, answer.text
    rows = await backend.sql("SELECT title, price::text, kind, due FROM data.notes ORDER BY title")
    assert [tuple(row)[:3] for row in rows] == [("a", "0.10", "plain"), ("b", None, "x")]
    assert rows[0]["due"].isoformat() == "2027-01-31T18:00:00+00:00"
    assert (await call(backend, "given", notes=[{"title": "c", "owner": "x"}])).status_code == 422


async def test_rows_that_the_definition_lists(backend: Backend) -> None:
    assert (await call(backend, "listed")).status_code == 204
    rows = await backend.sql("SELECT title, size, price::text, kind FROM data.notes ORDER BY title")
    assert [tuple(row) for row in rows] == [("a", 1, None, "plain"), ("b", None, "2", "plain")]


async def test_a_dry_run_counts_and_never_refuses(backend: Backend) -> None:
    answers = [await call(backend, "rehearsed") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204] * 3
    assert "r=0" in answers[2].headers["RateLimit"]
    assert [(await call(backend, "limited")).status_code for _ in range(2)] == [204, 429]


async def test_a_limit_that_nothing_can_count_refuses_unless_it_says_otherwise(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(type(backend.app.server.limiter), "hit", down)
    refused = await call(backend, "limited")
    assert (refused.status_code, refused.json()["code"]) == (503, "limit.store_unavailable")
    assert (await call(backend, "lenient")).status_code == 204
    assert (await call(backend, "rehearsed")).status_code == 204

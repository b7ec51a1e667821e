"""What an endpoint answers to rpc, asked as a view is: with the same rows it is the same answer."""

import copy
from typing import Any
from urllib.parse import quote

import pytest_asyncio

from app.data_plane.run import RequestTimeout, too_long
from app.database.faults import CommitUnknown
from app.database.lending import Lent
from app.database.session import Session
from tests.backend import Backend
from tests.views import every_type
from tests.views.every_type import COLUMNS, NAMES, ROWS, rows
from tests.views.test_every_type import asked, forms

SINGLE = "application/vnd.pgrst.object+json"
RPC = "/rest/v1/rpc"
AS_JSON = "c_json_list"  # a list of JSON is JSON, where a column is an array of it
LIST = {"do": "list", "from": "plain", "as": "found", "order": ["label"]}
DOCUMENT = copy.deepcopy(every_type.DOCUMENT)
DOCUMENT["tables"][1]["columns"].append({"name": "secret", "type": "text"})


def endpoint(name: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "method": "GET", "path": f"/{name}", "access": "public", "steps": list(steps), **more}


def answered(body: Any, **more: Any) -> dict[str, Any]:
    return {"do": "respond", "body": body, **more}


DOCUMENT["endpoints"] = [
    endpoint("listed", LIST, answered("=found")),
    endpoint(
        "add",
        {"do": "insert", "table": "numbered", "set": {"label": "=input.label"}, "as": "made"},
        answered("=made", status=201),
        method="POST",
        input={"body": {"label": {"type": "text"}}},
    ),
    endpoint(
        "made",
        answered([{"id": 2, "size": "=input.size", "word": "=input.q"}]),
        input={"query": {"size": {"type": "bigint", "default": 3}, "q": {"type": "text"}}},
    ),
    endpoint("one", {"do": "fetch", "from": "numbers", "where": "item.label == input.label", "as": "one",
                     "optional": True},
             answered("=one"), input={"query": {"label": {"type": "text"}}}),
    endpoint("perhaps", {"do": "fetch", "from": "numbers", "where": "item.label == 'nobody'", "as": "one",
                         "optional": True},
             answered(["=one"])),
    endpoint("sum", answered({"sum": "=1 + 2"})),
    endpoint("word", answered("nothing")),
    endpoint("open", LIST, answered({"rows": "=found"})),
    endpoint(
        "either", {"do": "respond", "body": [{"a": 1}], "when": "input.a"}, answered([{"b": 1}]),
        input={"query": {"a": {"type": "boolean", "required": True}}},
    ),
    endpoint("refused", {"do": "respond", "status": 404, "body": {"no": 1}, "when": "input.no"}, answered([{"a": 1}]),
             input={"query": {"no": {"type": "boolean", "default": False}}}),
    endpoint("short", answered([{"a": "x" * 60}]), max_bytes=100),
    endpoint("named", answered([{"a": 1, "b": 1, "no name": 2}])),
    endpoint("text", answered([{"a": 1}, {"a": "b"}])),
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def filled(backend: Backend) -> Backend:
    for statement in ROWS:
        await backend.sql(statement)
    answer = await backend.client.post("/rest/v1/plain", json=rows())
    assert answer.status_code == 201, answer.text
    return backend


async def same(backend: Backend, query: str, **headers: str) -> Any:
    """Give what a view answers, which has to be what the endpoint that answers all its rows does."""
    of_view = await backend.client.get(f"/rest/v1/plain?{query}", headers=headers)
    of_rpc = await backend.client.get(f"{RPC}/listed?{query}", headers=headers)
    told = ("content-range", "content-type", "preference-applied")
    assert of_rpc.status_code == of_view.status_code, (query, of_view.text, of_rpc.text)
    if of_view.status_code < 300:
        assert of_rpc.text == of_view.text, query
    else:
        assert of_rpc.json()["code"] == of_view.json()["code"], query
    assert [of_rpc.headers.get(name) for name in told] == [of_view.headers.get(name) for name in told], query
    return of_rpc


async def test_every_operator_finds_in_an_answer_what_it_finds_in_the_view(filled: Backend) -> None:
    found = {}
    for column in COLUMNS:
        if column["name"] == AS_JSON:
            continue
        for form in forms():
            for turned in ("", "not."):
                test = f"{column['name']}={turned}{form}.{quote(asked(column, form))}"
                answer = await same(filled, f"select=id,label&{test}&order=label")
                found[test] = len(answer.json()) if answer.status_code == 200 else 0
    assert set(found.values()) == {0, 1, 2}


QUERIES = [
    *(f"select={name}&order={name}.desc.nullslast,label" for name in NAMES if name != AS_JSON),
    *(f"{name}=not.is.null&select=x:{name}::text&order=label.desc" for name in NAMES if name != AS_JSON),
    f"order=label&select={','.join(name for name in NAMES if name != AS_JSON)}",
    "select=count(),c_integer.sum()", "select=c_boolean,count()&order=c_boolean",
    "select=c_integer_list->0&order=c_integer_list->0,label",
    "or=(label.eq.small,and(c_integer.gt.1,c_text.like.b*))&order=label&select=label",
    "select=label&limit=1&offset=1&order=label", "select=nothing", "nothing=eq.1", "order=nothing", "c_integer=eq.x",
    "limit=x", "select=label,label&order=label", "select=label,label:id", "columns=label", "label=near.x",
]  # fmt: skip


async def test_whatever_is_asked_of_an_answer_is_answered_as_the_view_does(filled: Backend) -> None:
    for query in QUERIES:
        await same(filled, query)
    beside = await filled.client.get(f"{RPC}/listed?select=numbers(id)")
    assert (beside.status_code, beside.json()["code"]) == (400, "PGRST200")


HEADERS: list[tuple[str, dict[str, str], int]] = [
    ("select=label&order=label&limit=1", {"Prefer": "count=exact"}, 206),
    ("select=label&order=label&limit=1", {"Prefer": "count=planned"}, 206),
    ("select=label&order=label", {"Range": "1-1"}, 200),
    ("select=label&offset=9", {"Prefer": "count=exact"}, 416),
    ("select=label&label=eq.small", {"Accept": SINGLE}, 200),
    ("select=label&label=eq.nobody", {"Accept": SINGLE}, 406),
    ("select=label", {"Accept": SINGLE}, 406),
    ("select=label&order=label", {"Accept": "text/csv"}, 200),
    ("select=c_text&c_text=is.null", {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}, 200),
    ("select=label", {"Prefer": "handling=strict, nothing=1"}, 400),
    ("select=label", {"Accept-Profile": "private"}, 406),
]


async def test_so_are_headers(filled: Backend) -> None:
    for query, headers, status in HEADERS:
        assert (await same(filled, query, **headers)).status_code == status, query


async def test_headers_alone_are_heard_and_what_asks_nothing_is_the_answer_itself(filled: Backend) -> None:
    counted = await filled.client.get(f"{RPC}/listed", headers={"Prefer": "count=exact"})
    assert (counted.status_code, counted.headers["content-range"], len(counted.json())) == (200, "0-2/3", 3)
    plain = await filled.client.get(f"{RPC}/listed")
    assert (plain.headers.get("content-range"), plain.text) == (None, (await filled.client.get("/api/listed")).text)
    head = await filled.client.head(f"{RPC}/listed?label=eq.small", headers={"Prefer": "count=exact"})
    assert (head.content, head.headers["content-range"]) == (b"", "0-0/1")


async def test_what_is_asked_of_an_answer_undoes_nothing_that_the_endpoint_did(filled: Backend) -> None:
    async def added(query: str, **headers: str) -> tuple[int, str | None, int]:
        answer = await filled.client.post(f"{RPC}/add{query}", json={"label": "new"}, headers=headers)
        rows = await filled.sql("DELETE FROM data.numbered WHERE label = 'new' RETURNING id")
        code = None if answer.status_code == 201 else answer.json()["code"]
        return answer.status_code, code, len(rows)

    assert await added("?select=label", Accept=SINGLE) == (201, None, 1)
    # Read before the endpoint runs, and so refused before.
    assert await added("?nothing=eq.1") == (400, "42703", 0)
    assert await added("?id=like.x&limit=x") == (416, "PGRST103", 0)
    # Refused by what was answered.
    assert await added("?label=eq.other", Accept=SINGLE) == (406, "PGRST116", 1)
    assert await added("?offset=2", Prefer="count=exact") == (416, "PGRST103", 1)
    assert await added("?id=eq.x") == (400, "22P02", 1)
    assert await added("?select=label::integer") == (400, "22P02", 1)


async def test_time_that_is_over_behind_the_endpoint_is_no_promise_that_nothing_was_changed() -> None:
    session = Session(Lent(None), None, begin="BEGIN")
    assert isinstance(too_long(session), RequestTimeout)
    await session.settle()
    assert isinstance(too_long(session), CommitUnknown)


async def test_a_request_that_comes_again_is_asked_of_the_answer_that_was_kept(filled: Backend) -> None:
    once = {"Idempotency-Key": "one"}
    for replayed in (None, "true"):
        answer = await filled.client.post(f"{RPC}/add?select=label", json={"label": "new"}, headers=once)
        assert (answer.status_code, answer.json()) == (201, {"label": "new"})
        assert answer.headers.get("idempotency-replayed") == replayed
    assert len(await filled.sql("SELECT FROM data.numbered WHERE label = 'new'")) == 1
    await filled.sql("DELETE FROM data.numbered WHERE label = 'new'")


async def test_inputs_are_inputs_and_the_rest_asks(filled: Backend) -> None:
    by_get = await filled.client.get(f"{RPC}/made?size=5&q=z&id=gt.1")
    assert by_get.json() == [{"id": 2, "size": 5, "word": "z"}]
    by_post = await filled.client.post(f"{RPC}/made?id=eq.2&select=size", json={"size": 9})
    assert by_post.json() == [{"size": 9}]
    assert (await filled.client.get(f"{RPC}/made?size=gt.1&id=eq.1")).status_code == 422
    wrong = await filled.client.post(f"{RPC}/made?id=eq.1", json={"nothing": 9})
    assert [error["loc"] for error in wrong.json()["errors"]] == [["body", "nothing"]]


async def test_an_object_is_one_row_and_what_is_left_of_it_is_it_or_null(filled: Backend) -> None:
    await filled.sql("UPDATE data.numbered SET label = 'first', secret = 'hidden' WHERE id = 1")
    for query, headers, status, body in [
        ("label=first&select=label", {}, 200, {"label": "first"}),
        ("label=first&id=gt.1", {}, 200, None),
        ("label=nobody&select=id", {}, 200, None),
        ("label=nobody", {"Accept": SINGLE}, 406, ...),
        ("label=first&select=id", {"Accept": SINGLE}, 200, {"id": 1}),
        ("label=first&select=secret", {}, 400, ...),
    ]:  # fmt: skip
        answer = await filled.client.get(f"{RPC}/one?{query}", headers=headers)
        assert answer.status_code == status, answer.text
        assert body is ... or answer.json() == body
    assert "hidden" not in (await filled.client.get(f"{RPC}/one?label=first&select=*")).text
    assert (await filled.client.get(f"{RPC}/sum?select=total:sum")).json() == {"total": 3}
    # As of a function in Postgres, a row that is null is a row of nulls.
    assert (await filled.client.get(f"{RPC}/perhaps?select=id")).json() == [{"id": None}]
    inside = await filled.client.get(f"{RPC}/open?select=rows->1->label,first:rows->0->>label")
    assert inside.json() == {"label": "none", "first": "large"}


async def test_an_answer_that_is_not_always_rows_of_the_same_columns_is_asked_nothing(filled: Backend) -> None:
    for name in ("word", "either", "text", "named"):
        query = "a=true&" if name == "either" else ""
        assert (await filled.client.get(f"{RPC}/{name}?{query}")).status_code == 200
        single = await filled.client.get(f"{RPC}/{name}?{query}", headers={"Accept": SINGLE, "Prefer": "count=exact"})
        assert single.json() == (await filled.client.get(f"/api/{name}?{query}")).json()
        asked_of = await filled.client.get(f"{RPC}/{name}?{query}select=b")
        assert (asked_of.status_code, asked_of.json()["errors"][0]["loc"]) == (422, ["query", "select"])


async def test_an_answer_that_refuses_is_left_as_it_is(filled: Backend) -> None:
    refused = await filled.client.get(f"{RPC}/refused?no=true&select=a", headers={"Accept": SINGLE})
    assert (refused.status_code, refused.json()) == (404, {"no": 1})
    assert (await filled.client.get(f"{RPC}/refused?select=a")).json() == [{"a": 1}]


async def test_what_is_asked_may_not_be_more_bytes_than_the_endpoint_may_answer(filled: Backend) -> None:
    assert (await filled.client.get(f"{RPC}/short?select=a")).status_code == 200
    twice = await filled.client.get(f"{RPC}/short?select=a,b:a")
    assert (twice.status_code, twice.json()["rowgate_code"]) == (413, "respond.too_large")
    assert twice.json()["message"] == "The answer would be too large, and what the endpoint did stands."


async def test_only_rpc_and_no_other_way_to_the_endpoint_is_asked(filled: Backend) -> None:
    for path in ("/api/listed", "/functions/v1/listed"):
        assert (await filled.client.get(f"{path}?select=label")).status_code == 422


async def test_the_openapi_document_says_which_answers_are_asked_and_by_what(filled: Backend) -> None:
    paths = (await filled.client.get("/openapi.json")).json()["paths"]
    asked_of = {path.rpartition("/")[2] for path in paths if path.startswith(f"{RPC}/")}
    assert asked_of == {"listed", "add", "made", "one", "perhaps", "sum", "open", "refused", "short"}
    made = paths[f"{RPC}/made"]["get"]
    assert [one["name"] for one in made["parameters"]] == [
        "size", "q", "id", "word", "select", "order", "limit", "offset",
    ]  # fmt: skip
    assert list(made["responses"]) == ["200", "206", "413", "default"]
    assert list(paths[f"{RPC}/add"]) == ["post"]

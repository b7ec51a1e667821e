"""Endpoints called by their name, as clients of PostgREST call functions: by POST, and by GET where they are of GET."""

from typing import Any

import pytest

from tests.backend import Backend
from tests.turns import Turns

ECHO = [{"do": "respond", "body": "=input"}]
WORD = {"type": "text", "required": True, "max_length": 5}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "endpoints": [
        {
            "name": "find", "method": "GET", "path": "/find", "access": "public", "steps": ECHO,
            "input": {
                "query": {"q": WORD, "n": {"type": "integer", "default": 3}, "of": {"type": "text", "array": True}}
            },
        },
        {
            "name": "add", "method": "POST", "path": "/add", "access": "public", "steps": ECHO,
            "input": {"query": {"q": WORD}, "body": {"a": {"type": "integer", "required": True}}},
        },
        {"name": "one", "method": "GET", "path": "/one/{id}", "access": "public", "steps": ECHO,
         "input": {"path": {"id": {"type": "integer"}}}},
    ],
}  # fmt: skip


@pytest.fixture(params=["rest/v1/rpc", "functions/v1"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_an_endpoint_of_get_is_called_by_get_with_its_inputs_in_the_query(turns: Turns, where: str) -> None:
    backend: Backend = await turns.next()
    answer = await backend.client.get(f"/{where}/find?q=abc&n=7&of=x&of=y")
    assert (answer.status_code, answer.json()) == (200, {"q": "abc", "n": 7, "of": ["x", "y"]})
    head = await backend.client.head(f"/{where}/find?q=abc")
    assert (head.status_code, head.content) == (200, b"")
    wrong = await backend.client.get(f"/{where}/find?q=abcdef&x=1")
    # By rpc, what is no input asks something of the answer.
    unknown = [] if "rpc" in where else [["query", "x"]]
    assert [error["loc"] for error in wrong.json()["errors"]] == [["query", "q"], *unknown]


@pytest.mark.parametrize(
    ("prefer", "code"),
    [
        ("handling=strict, anything", "PGRST122"),
        ("handling=strict, max-affected=1", "PGRST100"),
        ("max-affected=1", "PGRST100"),
        ("handling=lenient, max-affected=1, anything", None),
        ("handling=strict, return=minimal, count=exact", None),
        ("params=single-object", None),
    ],
)
async def test_a_preference_that_a_call_can_not_follow_is_refused_before_it(
    turns: Turns, prefer: str, code: str | None
) -> None:
    backend: Backend = await turns.next()
    for path in ("find?q=abc", "find?q=abc&n=eq.3", "find?q=abcdef"):
        lines = [("Prefer", one) for one in prefer.split(", ")]
        answer = await backend.client.get(f"/rest/v1/rpc/{path}", headers=lines)
        if code is None:
            assert answer.status_code == (200 if path == "find?q=abc" else 422)
        else:
            assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await backend.client.get("/functions/v1/find?q=abc", headers={"Prefer": prefer})).status_code == 200


@pytest.mark.parametrize(
    ("sent", "items"),
    [
        ("{x,y}", ["x", "y"]), ('{"x,1","y\\"z"}', ["x,1", 'y"z']), ("{}", []), ("{x,y", ["{x,y"]),
        ('["x"]', ['["x"]']),
    ],
)  # fmt: skip
async def test_a_list_comes_in_one_value_too_as_clients_write_arrays(turns: Turns, sent: str, items: list[str]) -> None:
    backend: Backend = await turns.next()
    by_rpc = await backend.client.get("/rest/v1/rpc/find", params={"q": "a", "of": sent})
    assert by_rpc.json() == {"q": "a", "n": 3, "of": items}
    by_path = await backend.client.get("/api/find", params={"q": "a", "of": sent})
    assert by_path.json() == {"q": "a", "n": 3, "of": [sent]}


async def test_by_post_its_inputs_stand_in_the_body_whatever_they_are(turns: Turns, where: str) -> None:
    backend: Backend = await turns.next()
    found = await backend.client.post(f"/{where}/find", json={"q": "abc", "of": ["x"]})
    assert (found.status_code, found.json()) == (200, {"q": "abc", "n": 3, "of": ["x"]})
    added = await backend.client.post(f"/{where}/add", json={"q": "abc", "a": 1})
    assert (added.status_code, added.json()) == (200, {"q": "abc", "a": 1})
    as_before = await backend.client.post(f"/{where}/add?q=abc", json={"a": 1})
    assert as_before.json() == {"q": "abc", "a": 1}
    wrong = await backend.client.post(f"/{where}/find", json={"n": "7", "x": 1})
    assert [error["loc"] for error in wrong.json()["errors"]] == [["body", "n"], ["body", "x"], ["body", "q"]]


async def test_other_methods_and_paths_with_fields_are_not_called_by_name(turns: Turns, where: str) -> None:
    backend: Backend = await turns.next()
    for name, method, allow in (("add", "GET", "POST"), ("find", "PUT", "GET, HEAD, POST")):
        answer = await backend.client.request(method, f"/{where}/{name}")
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert (await backend.client.get(f"/{where}/one")).status_code == 404
    assert (await backend.client.post("/api/add", json={"q": "abc", "a": 1})).status_code == 422

"""What a body may be: any JSON, a form, a text, and the text as it came."""

import json
import threading
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.compiler.compile import compile_project
from app.compiler.inputs import BoundInputs
from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.definitions.project import Project, parse_project
from app.http import json_body, long_json
from app.review.effects import effects
from tests.backend import Backend
from tests.turns import Turns

ECHO = {"do": "respond", "body": "=input"}
JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
EVERY = ["json", "form", "text"]
FIELDS = {"n": {"type": "integer", "required": True}, "tags": {"type": "text", "array": True}, "who": {"type": "text"}}


def endpoint(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    way = {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "body_limit": 5000}
    return {**way, "steps": list(steps or [ECHO]), **more}


def document(*endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rowgate": 1, "endpoints": list(endpoints), **more}


RAW = {"do": "respond", "body": {"raw": "=request.body", "size": "=size(request.body)"}}
DOCUMENT = document(
    endpoint("any", input={"body": "any", "query": {"q": {"type": "text"}}}, body_types=EVERY),
    endpoint("any_json", {"do": "respond", "body": "=input.body.data.id"}, input={"body": "any"}),
    endpoint("fields", input={"body": FIELDS}, body_types=["json", "form"]),
    endpoint("raw", RAW, raw_body=True, body_types=["text", "json"]),
    endpoint("raw_fields", {"do": "respond", "body": {"n": "=input.n", "raw": "=request.body"}},
             input={"body": FIELDS}, raw_body=True),
    endpoint("long", {"do": "respond", "body": {"n": "=size(input.rows)", "last": "=input.rows[size(input.rows) - 1]"}},
             input={"body": {"rows": {"type": "list", "of": {"type": "object", "fields": FIELDS}, "required": True}}},
             body_limit=1_000_000, rules=[{"rule": "size(input.rows) != 3000", "message": "too round"}]),
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def send(backend: Backend, path: str, body: bytes, kind: str | None = JSON) -> httpx.Response:
    headers = {} if kind is None else {"Content-Type": kind}
    return await backend.client.post(path, content=body, headers=headers)


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "code"),
    [
        ("any", b"{", JSON, 400, "input.bad_json"),
        ("any", b"a=\xff", FORM, 400, "input.bad_text"),
        ("any", b"a=%00", FORM, 400, "input.bad_text"),
        ("any", b"\xff", TEXT, 400, "input.bad_text"),
        ("any", b"a\x00", TEXT, 400, "input.bad_text"),
        ("any", b"&" * 1000, FORM, 413, "input.too_large"),
        ("any", b"a" * 5001, TEXT, 413, "input.too_large"),
        ("any", b"a", None, 415, "input.media_type"),
        ("any", b"a", "text/html", 415, "input.media_type"),
        ("any_json", b"a=b", FORM, 415, "input.media_type"),
        ("fields", b"a", TEXT, 415, "input.media_type"),
        ("fields", b"n=x", FORM, 422, "input.invalid"),
        ("fields", b"n=1&m=2", FORM, 422, "input.invalid"),
        ("fields", b"n=1&n=2", FORM, 422, "input.invalid"),
        ("fields", b"", None, 422, "input.invalid"),
        ("raw", b"\xff", TEXT, 400, "input.bad_text"),
        ("raw_fields", b'{"m": 1}', JSON, 422, "input.invalid"),
    ],
)
async def test_a_body_that_is_not_what_is_taken_is_refused(
    backend: Backend, path: str, body: bytes, kind: str | None, status: int, code: str
) -> None:
    refused = await send(backend, f"/api/{path}", body, kind)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "kind", "seen"),
    [
        (b'{"a": [1, {"b": null}]}', JSON, {"a": [1, {"b": None}]}),
        (b"[1, 2.5]", "application/json; charset=utf-8", [1, 2.5]),
        (b'"text"', JSON, "text"),
        (b"null", JSON, None),
        (b"a=1+2&b=%C3%A9&a=3&c", FORM, {"a": ["1 2", "3"], "b": "é", "c": ""}),
        (b"caf\xc3\xa9\n", TEXT, "café\n"),
    ],
)
async def test_any_body_is_one_value(backend: Backend, body: bytes, kind: str, seen: Any) -> None:
    answer = await send(backend, "/api/any?q=x", body, kind)
    assert (answer.status_code, answer.json()) == (200, {"q": "x", "body": seen})


async def test_without_a_body_it_was_not_sent_and_rules_read_into_it(backend: Backend) -> None:
    assert (await send(backend, "/api/any", b"", None)).json() == {}
    assert (await send(backend, "/api/any_json", b'{"data": {"id": "evt_1", "more": 1}, "x": 2}')).json() == "evt_1"
    # Called by its name, the body is the same one value, and what the query has comes with it.
    assert (await send(backend, "/rest/v1/rpc/any", b'{"q": 1}')).json() == {"body": {"q": 1}}


async def test_a_form_has_the_declared_fields(backend: Backend) -> None:
    answer = await send(backend, "/api/fields", b"n=7&tags=a&tags=b&who=A+B", FORM)
    assert answer.json() == {"n": 7, "tags": ["a", "b"], "who": "A B"}
    assert (await send(backend, "/api/fields", b'{"n": 7}')).json() == {"n": 7}


async def test_a_raw_body_is_the_text_as_it_came(backend: Backend) -> None:
    body = b'{ "n":7,\n"who" :"\\u00e9"}'
    assert (await send(backend, "/api/raw", body)).json() == {"raw": body.decode(), "size": len(body)}
    assert (await send(backend, "/api/raw", b"", None)).json() == {"raw": "", "size": 0}
    assert (await send(backend, "/api/raw_fields", body)).json() == {"n": 7, "raw": body.decode()}


def parsed(said: dict[str, Any]) -> Project:
    project, findings = parse_project(said)
    assert project is not None, findings
    return project


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"input": {"body": FIELDS}, "body_types": ["text"]}, "a text has no fields"),
        ({"input": {"body": {"a": {"type": "object", "fields": {}}}}, "body_types": ["form"]}, "a form holds texts"),
        ({"method": "GET", "raw_body": True}, "GET takes no body"),
        ({"method": "GET", "input": {"body": "any"}}, "GET takes no body"),
        ({"input": {"body": "any", "query": {"body": {"type": "text"}}}}, "an input's name stands in two places"),
        ({"body_types": ["xml"]}, ""),
        ({"body_types": []}, ""),
        ({"input": {"body": "all"}}, ""),
    ],
)
def test_what_does_not_fit_is_found(change: dict[str, Any], told: str) -> None:
    project, findings = parse_project(document(endpoint("a", **change)))
    assert project is None
    assert any(told in one.message for one in findings), findings


def test_the_body_as_it_came_is_known_only_where_it_is_kept() -> None:
    (found,) = check_project(parsed(document(endpoint("a", RAW | {"body": "=request.body"}))))
    assert found.place.startswith("endpoints/a.steps/0.body")
    steps = [{"do": "require", "that": 'request.body != "x"'}]
    middleware = [{"name": "m", "steps": steps}]
    for raw, count in ((True, 0), (False, 1)):
        said = document(endpoint("a", middleware=["m"], raw_body=raw), middleware=middleware)
        assert len(check_project(parsed(said))) == count


def test_it_is_described_and_exported_as_it_was_said() -> None:
    project = parsed(DOCUMENT)
    runtime, _ = compile_project(project, 1)
    assert runtime is not None
    paths = openapi_document(runtime, server_url=None)["paths"]
    bodies = {name: paths[f"/api/{name}"]["post"]["requestBody"]["content"] for name in ("any", "fields", "raw")}
    assert bodies["any"] == {JSON: {"schema": {}}, FORM: {"schema": {}}, TEXT: {"schema": {"type": "string"}}}
    assert set(bodies["fields"]) == {JSON, FORM}
    assert set(bodies["raw"]) == {TEXT, JSON}
    assert "any_json: { Args: Json Returns: Json }" in " ".join(typescript(runtime).split())
    said = next(one for one in project.endpoints if one.name == "any")
    assert said.model_dump(exclude_unset=True)["input"]["body"] == "any"


def test_to_take_anything_in_the_place_of_fields_may_let_somebody_do_more() -> None:
    before = document(endpoint("a", {"do": "respond"}, input={"body": FIELDS}))
    after = document(endpoint("a", {"do": "respond"}, input={"body": "any"}))
    assert any(one.wider for one in effects(parsed(before), parsed(after)))
    assert not any(one.wider for one in effects(parsed(after), parsed(after)))


async def test_a_long_body_is_read_in_turns_and_checked_beside_the_loop(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, threads = [], []
    decoded, bind = json_body.decoded, BoundInputs.bind

    def noted(said: bytes) -> Any:
        sizes.append(len(said))
        return decoded(said)

    def bound(*given: Any, **more: Any) -> Any:
        threads.append(threading.get_ident())
        return bind(*given, **more)

    monkeypatch.setattr(long_json, "decoded", noted)
    monkeypatch.setattr(BoundInputs, "bind", bound)
    row = {"n": 1, "tags": ["a", "b"] * 20}

    async def sent(rows: list[Any]) -> httpx.Response:
        return await send(backend, "/api/long", json.dumps({"rows": rows}).encode())

    assert (await sent([row])).json() == {"n": 1, "last": row}
    assert (sizes, set(threads)) == ([], {threading.get_ident()})
    threads.clear()
    assert (await sent([row] * 2000 + [{"n": 2}])).json() == {"n": 2001, "last": {"n": 2}}
    assert max(sizes) < 2 * long_json.SLICE < sum(sizes)
    wrong = await sent([row] * 2000 + [{"n": "x"}])
    assert (wrong.status_code, [one["loc"] for one in wrong.json()["errors"]]) == (422, [["body", "rows", 2000, "n"]])
    assert (await sent([row] * 3000)).json()["errors"][0]["message"] == "too round"
    cut = await send(backend, "/api/long", json.dumps({"rows": [row] * 3000}).encode()[:-1])
    assert (cut.status_code, cut.json()["code"]) == (400, "input.bad_json")
    assert threading.get_ident() not in threads

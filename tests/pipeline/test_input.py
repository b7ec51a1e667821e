"""What comes in: nested inputs, headers, rules across fields and `validate`, every failure named at once."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest

from app.compiler.check import check_project
from app.compiler.compile import compile_project
from app.data_plane.described.openapi import openapi_document
from app.definitions.project import parse_project
from tests.backend import Backend, serving

LINES = {
    "type": "list", "min_length": 1, "max_length": 3,
    "of": {"type": "object", "fields": {
        "sku": {"type": "text", "required": True, "max_length": 4},
        "n": {"type": "integer", "min": 1},
    }},
}  # fmt: skip
SHIP = {
    "type": "object",
    "fields": {
        "to": {"type": "object", "fields": {"city": {"type": "text", "required": True}, "zip": {"type": "text"}}},
        "by": {"type": "date"},
    },
}
RULES = [
    {"rule": "size(input.a) > 1", "field": "a", "message": "Too short."},
    {"rule": "input.n < 10", "field": "n", "message": "Too many."},
    {"rule": "10 / input.n > 1", "field": "n", "message": "Too much of it."},
    {"rule": 'input.a != "never"', "message": "Not this."},
    {"rule": "input.n > -100"},
]
INPUT = {"body": {"a": {"type": "text"}, "n": {"type": "integer"}}}
WRITES = {"do": "insert", "table": "notes", "set": {"text": "written"}}


def endpoint(name: str, steps: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps, **more}


ECHO = {"do": "respond", "body": "=input"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "notes", "columns": [{"name": "text", "type": "text"}]}],
    "endpoints": [
        endpoint("validated", [WRITES, {"do": "validate", "rules": RULES}, {"do": "respond"}], input=INPUT),
        endpoint("ruled", [WRITES, {"do": "respond"}], input=INPUT, rules=RULES),
        endpoint("nested", [
            {"do": "set", "values": {"count": "=has(input.lines) ? sum(input.lines.map(l, has(l.n) ? l.n : 1)) : 0"}},
            {"do": "respond", "body": {"all": "=input", "city": "=input.ship.to.city", "count": "=count"}},
        ], input={"body": {"lines": LINES, "ship": SHIP}}),
        endpoint("span", [ECHO], input={
            "path": {"most": {"type": "integer"}},
            "query": {"from": {"type": "date", "required": True}, "until": {"type": "date", "required": True}},
            "body": {"lines": LINES, "ship": SHIP},
        }, path="/span/{most}", rules=[
            {"rule": "input.until >= input.from", "field": "until", "message": "It ends before it begins."},
            {"rule": "size(input.lines) <= input.most", "field": "lines", "message": "More lines than may be."},
            {"rule": "input.lines.all(l, l.sku != input.ship.to.city)", "field": "ship", "message": "No line's name."},
            {"rule": "auth.signed_in || input.most < 3", "field": "most", "message": "Sign in for more."},
        ]),
        endpoint("headed", [ECHO], method="GET", input={"headers": {
            "xTotal": {"type": "integer", "required": True, "max": 9},
            "x_tag": {"type": "text", "array": True},
            "userAgent": {"type": "text", "max_length": 8},
        }}),
    ],
}  # fmt: skip


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


def wrong(answer: Any) -> list[tuple[str, str]]:
    """Give the place and the message of each failure of a 422."""
    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid"), answer.text
    return [(".".join(map(str, one["loc"])), one["message"]) for one in answer.json()["errors"]]


SHORT, MANY, MUCH, NEVER, NONE = (
    ("input.a", "Too short."),
    ("input.n", "Too many."),
    ("input.n", "Too much of it."),
    ("input", "Not this."),
    ("input", "This value is not allowed here."),
)


BROKEN: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"a": "x", "n": 10}, [SHORT, MANY, MUCH]),
    ({"a": "never", "n": -100}, [MUCH, NEVER, NONE]),
    ({"a": "ok", "n": 0}, [MUCH]),  # a rule that fails as it runs is one that doesn't hold
    ({"a": None, "n": 2}, [SHORT, NEVER]),
    ({}, [SHORT, MANY, MUCH, NEVER, NONE]),  # what is compared with nothing is unknown, and so doesn't hold
]


async def test_every_rule_is_tried_and_each_that_does_not_hold_is_named(backend: Backend) -> None:
    for name, (given, failing) in product(("validated", "ruled"), BROKEN):
        refused = await backend.client.post(f"/api/{name}", json=given)
        assert wrong(refused) == failing, (name, given)
        detail = failing[0][1] if len(failing) == 1 else "The input doesn't hold to the rules."
        assert refused.json()["detail"] == detail
        assert {one["code"] for one in refused.json()["errors"]} == {"input.rule"}
    assert await backend.sql("SELECT 1 FROM data.notes") == []
    for name in ("validated", "ruled"):
        assert (await backend.client.post(f"/api/{name}", json={"a": "ok", "n": 2})).status_code == 200
    assert len(await backend.sql("SELECT 1 FROM data.notes")) == 2


async def test_objects_and_lists_are_read_to_their_depth(backend: Backend) -> None:
    given = {"lines": [{"sku": "a", "n": 2}, {"sku": "b"}], "ship": {"to": {"city": "Bern"}, "by": "2027-01-31"}}
    answer = await backend.client.post("/api/nested", json=given)
    assert answer.json() == {"all": given, "city": "Bern", "count": 3}
    assert wrong(await backend.client.post("/api/nested", json={"lines": [], "ship": None, "other": 1})) == [
        ("body.lines", "At least 1 and at most 3 items are wanted."),
        ("body.other", "There is no such field."),
    ]
    bad = {
        "lines": [{"sku": "abcde", "n": 0}, {"n": "1"}, {"sku": "c", "x": 1}],
        "ship": {"to": {"zip": 8000}, "by": "today"},
    }
    assert [place for place, _ in wrong(await backend.client.post("/api/nested", json=bad))] == [
        "body.lines.0.sku", "body.lines.0.n", "body.lines.1.n", "body.lines.1.sku", "body.lines.2.x",
        "body.ship.to.zip", "body.ship.to.city", "body.ship.by",
    ]  # fmt: skip


async def test_an_object_that_was_not_sent_is_null_to_its_depth(backend: Backend) -> None:
    answer = await backend.client.post("/api/nested", json={"lines": [{"sku": "a"}]})
    assert answer.json() == {"all": {"lines": [{"sku": "a"}]}, "city": None, "count": 1}


async def test_rules_go_across_path_query_body_and_caller(backend: Backend) -> None:
    body = {"lines": [{"sku": "Bern"}] * 3, "ship": {"to": {"city": "Bern"}}}
    dates = {"from": "2027-02-01", "until": "2027-01-31"}
    refused = await backend.client.post("/api/span/2", params=dates, json=body)
    assert [place for place, _ in wrong(refused)] == ["input.until", "input.lines", "input.ship"]
    body["lines"] = [{"sku": "a"}] * 3
    dates["until"] = "2027-02-01"
    assert wrong(await backend.client.post("/api/span/3", params=dates, json=body)) == [
        ("input.most", "Sign in for more.")
    ]
    alice = await backend.sign_up("alice")
    assert (await alice.post("/api/span/3", body, params=dates)).json() == {"most": 3, **dates, **body}
    # What is of the wrong type is told before any rule is asked, with all of its places.
    refused = await backend.client.post("/api/span/x", params={"from": "1", "until": "2"}, json={"lines": 1})
    assert [place for place, _ in wrong(refused)] == ["path.most", "query.from", "query.until", "body.lines"]


async def test_headers_are_inputs_by_their_names(backend: Backend) -> None:
    sent = [(b"X-Total", b"7"), (b"x-tag", b"a"), (b"X-TAG", "ü".encode()), (b"User-Agent", b"test")]
    answer = await backend.client.get("/api/headed", headers=sent)
    assert answer.json() == {"xTotal": 7, "x_tag": ["a", "ü"], "userAgent": "test"}
    assert wrong(await backend.client.get("/api/headed", headers={"User-Agent": "much too long"})) == [
        ("headers.userAgent", "At most 8 characters are wanted."),
        ("headers.xTotal", "This field is required."),
    ]
    twice = [("X-Total", "7"), ("x-total", "8"), ("User-Agent", "a")]
    assert wrong(await backend.client.get("/api/headed", headers=twice)) == [
        ("headers.xTotal", "This field was sent twice.")
    ]
    odd = await backend.client.get("/api/headed", headers={b"X-Total": b"\xff", b"User-Agent": b"a"})
    assert (odd.status_code, odd.json()["code"]) == (400, "input.bad_text")


def test_the_openapi_document_shows_headers_by_their_names_and_objects_to_their_depth() -> None:
    project, findings = parse_project(DOCUMENT)
    assert project is not None, findings
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    paths = openapi_document(runtime)["paths"]
    shown = [(one["in"], one["name"], one["required"]) for one in paths["/api/headed"]["get"]["parameters"]]
    assert shown == [("header", "X-Total", True), ("header", "X-Tag", False), ("header", "User-Agent", False)]
    body = paths["/api/nested"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    lines, ship = body["properties"]["lines"], body["properties"]["ship"]
    assert (lines["minItems"], lines["maxItems"], lines["items"]["required"]) == (1, 3, ["sku"])
    assert ship["properties"]["to"]["required"] == ["city"]
    assert (body["additionalProperties"], ship["additionalProperties"]) == (False, False)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"query": {"a": {"type": "text"}}, "body": {"a": {"type": "text"}}}, "stands in two places: a"),
        ({"headers": {"a": {"type": "text"}}, "body": {"a": {"type": "text"}}}, "stands in two places: a"),
        ({"headers": {"xTotal": {"type": "text"}, "x_total": {"type": "text"}}}, "read from one header: x-total"),
        ({"body": {"a": {"type": "object"}}}, "'fields' is required"),
        ({"body": {"a": {"type": "list", "of": {"type": "lst"}}}}, "is wanted here"),
    ],
)
def test_an_input_that_cannot_be_is_refused_when_it_is_saved(said: dict[str, Any], says: str) -> None:
    project, findings = parse_project({"rowgate": 1, "endpoints": [endpoint("one", [ECHO], input=said)]})
    assert project is None
    assert [says in finding.message for finding in findings] == [True], findings


@pytest.mark.parametrize(
    ("rule", "place", "says"),
    [
        ({"rule": "input.nn > 1"}, "endpoints/one.rules/0.rule:1:7", "no field 'nn'"),
        ({"rule": "input.a > 1"}, "endpoints/one.rules/0.rule:1:1", "compare string with int"),
        ({"rule": "input.n"}, "endpoints/one.rules/0.rule:1:7", "bool is wanted"),
        ({"rule": "true", "field": "b"}, "endpoints/one.rules/0.field", "unknown input 'b'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_when_it_is_saved(rule: dict[str, Any], place: str, says: str) -> None:
    for said, at in (({"rules": [rule]}, "rules"), ({}, "steps/0.rules")):
        steps = [ECHO] if said else [{"do": "validate", "rules": [rule]}, ECHO]
        project, _ = parse_project({"rowgate": 1, "endpoints": [endpoint("one", steps, input=INPUT, **said)]})
        assert project is not None
        (finding,) = check_project(project)
        assert (finding.place, says in finding.message) == (place.replace("rules", at), True), finding

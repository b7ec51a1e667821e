"""What an endpoint declares of its answers is checked when it is saved, and held to by a development server."""

from typing import Any

import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from app.compiler.compile import compile_project
from app.data_plane.described.openapi import openapi_document
from app.definitions.project import dump_project, parse_project
from tests.backend import serving

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
WRITES = {"do": "insert", "table": "notes", "set": {"text": "written"}}
RESPOND = {"do": "respond", "body": {"n": "=input.n"}}
WRONG = ["secret text", 1.5, None, [1], True]


def backend(responses: dict[Any, Any], *steps: dict[str, Any]) -> dict[str, Any]:
    endpoint = {
        "name": "answer", "method": "POST", "path": "/answer", "access": "public",
        "input": {"body": {"n": {"type": "json"}}}, "responses": responses,
        "steps": [*steps, RESPOND],
    }  # fmt: skip
    table = {"name": "notes", "columns": [{"name": "text", "type": "text"}]}
    return {"rowgate": 1, "tables": [table], "endpoints": [endpoint]}


@pytest.mark.parametrize("value", WRONG)
async def test_an_answer_that_does_not_fit_is_a_fault_and_changes_nothing(migrated_url: str, value: Any) -> None:
    async with serving(migrated_url, backend({"200": {"schema": NUMBER}}, WRITES)) as served:
        answer = await served.client.post("/api/answer", json={"n": value}, headers={"X-Request-Id": "odd"})
        assert (answer.status_code, answer.json()["code"]) == (500, "response.mismatch")
        assert "secret" not in answer.text
        assert await served.sql("SELECT FROM data.notes") == []
        kept = await served.client.get("/admin/v1/requests/odd", headers=await served.admin())
        assert kept.json()["detail"] == "The answer is not what `responses` declares for 200: $.n is not type."


async def test_a_status_that_is_not_declared_is_a_fault(migrated_url: str) -> None:
    async with serving(migrated_url, backend({"201": {"description": "Made"}})) as served:
        answer = await served.client.post("/api/answer", json={"n": 1})
    assert (answer.status_code, answer.json()["code"]) == (500, "response.mismatch")


@pytest.mark.parametrize("declared", [{}, {"200": {"schema": NUMBER}}, {"2XX": {"schema": NUMBER}}, {"default": {}}])
async def test_an_answer_that_fits_goes_out(migrated_url: str, declared: dict[Any, Any]) -> None:
    async with serving(migrated_url, backend(declared, WRITES)) as served:
        answer = await served.client.post("/api/answer", json={"n": 1})
        assert (answer.status_code, answer.json()) == (200, {"n": 1})
        assert len(await served.sql("SELECT FROM data.notes")) == 1


async def test_a_refusal_is_not_held_against_what_is_declared(migrated_url: str) -> None:
    refuses = {"do": "require", "that": "false"}
    async with serving(migrated_url, backend({"200": {"schema": NUMBER}}, refuses)) as served:
        assert (await served.client.post("/api/answer", json={"n": 1})).status_code == 403


async def test_a_production_server_does_not_look(migrated_url: str) -> None:
    async with serving(migrated_url, backend({"200": {"schema": NUMBER}}), env="production") as served:
        answer = await served.client.post("/api/answer", json={"n": "one"})
    assert (answer.status_code, answer.json()) == (200, {"n": "one"})


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "strng"}, ".type"),
        ({"properties": {"n": 5}}, ".properties.n"),
        ({"properties": {"n": {"$ref": "#/$defs/line"}}}, ""),
        ({"items": {"anyOf": [{"$ref": "https://example.com/line.json"}]}}, ""),
    ],
)
def test_a_schema_that_is_none_is_found_when_saved(schema: dict[str, Any], place: str) -> None:
    project, findings = parse_project(backend({"200": {"schema": schema}}))
    assert project is not None, findings
    runtime, findings = compile_project(project)
    assert runtime is None
    assert [one.place for one in findings] == [f"endpoints/answer.responses/200.schema{place}"]


LINES = {
    "$defs": {"line": {"type": "object", "properties": {"n": {"type": "integer"}, "more": {"$ref": "#"}}}},
    "$ref": "#/$defs/line",
    "examples": [{"$ref": 1}],
}


async def test_a_schema_may_refer_to_its_own_parts(migrated_url: str) -> None:
    async with serving(migrated_url, backend({"200": {"schema": LINES}})) as served:
        assert (await served.client.post("/api/answer", json={"n": 1})).status_code == 200
        refused = await served.client.post("/api/answer", json={"n": "one"})
    assert (refused.status_code, refused.json()["code"]) == (500, "response.mismatch")


def test_the_openapi_document_has_what_is_declared_and_refusals_beside_it() -> None:
    declared = {
        "200": {"description": "Lines", "schema": LINES},
        "202": {"description": "Later"},
        "404": {"description": "No such line", "schema": NUMBER},
        "5XX": {"description": "Broken"},
    }
    document = backend(declared)
    document["endpoints"][0] |= {"path": "/{n}/answer~x", "input": {"path": {"n": {"type": "integer"}}}}
    project, findings = parse_project(document)
    assert project is not None, findings
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    whole = openapi_document(runtime)
    found = whole["paths"]["/api/{n}/answer~x"]["post"]["responses"]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert found["202"] == {"description": "Later"}
    assert found["404"] == {
        "description": "No such line",
        "content": {"application/json": {"schema": NUMBER}, **problem},
    }
    assert found["5XX"] == {"description": "Broken", "content": problem}
    assert found["default"] == {"$ref": "#/components/responses/Problem"}
    assert whole["components"]["responses"]["Problem"]["content"] == problem
    schema = found["200"]["content"]["application/json"]["schema"]
    assert schema["examples"] == LINES["examples"]
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(whole))
    assert resolver.lookup(schema["$ref"]).contents == schema["$defs"]["line"]
    assert resolver.lookup(schema["$defs"]["line"]["properties"]["more"]["$ref"]).contents == schema


@pytest.mark.parametrize(
    ("declared", "steps", "statuses"),
    [
        ({}, [RESPOND], {"200"}),
        ({}, [{"do": "if", "when": "input.n > 1", "then": [{**RESPOND, "status": 201}]}, RESPOND], {"200", "201"}),
        ({}, [{"do": "set", "values": {"x": 1}}], {"204"}),
        ({}, [{**RESPOND, "status": 201, "when": "input.n == 1"}, {**RESPOND, "status": 404}], {"201"}),
        ({"2XX": {"schema": NUMBER}}, [{**RESPOND, "status": 202}], {"202"}),
        ({"2XX": {"schema": NUMBER}}, [{**RESPOND, "status": 302}], {"200"}),
        ({"2XX": {"schema": NUMBER}, "201": {}}, [{**RESPOND, "status": 201}], {"200", "201"}),
        ({"201": {}}, [RESPOND], {"201"}),
    ],
)
def test_the_openapi_document_names_the_statuses_that_steps_answer_by_and_no_range(
    declared: dict[str, Any], steps: list[Any], statuses: set[str]
) -> None:
    document = backend(declared)
    document["endpoints"][0]["steps"] = steps
    project, findings = parse_project(document)
    assert project is not None, findings
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    found = openapi_document(runtime)["paths"]["/api/answer"]["post"]["responses"]
    assert found.keys() == {"default", "413", *statuses}
    for status in statuses - {"201"} if "2XX" in declared else ():
        assert found[status]["content"]["application/json"]["schema"] == NUMBER


def test_a_declared_default_leaves_refusals_in_the_openapi_document() -> None:
    project, _ = parse_project(backend({"default": {"schema": NUMBER}}))
    assert project is not None
    runtime, _ = compile_project(project)
    assert runtime is not None
    found = openapi_document(runtime)["paths"]["/api/answer"]["post"]["responses"]
    assert list(found) == ["default", "413"]
    assert list(found["default"]["content"]) == ["application/json", "application/problem+json"]


@pytest.mark.parametrize("responses", [{"20": {}}, {"ok": {}}, {"200": {"schma": {}}}, {"200": "fine"}])
def test_what_is_no_response_is_found_when_read(responses: dict[str, Any]) -> None:
    project, findings = parse_project(backend(responses))
    assert project is None
    assert findings[0].place.startswith("endpoints/answer.responses")


def test_it_is_exported_as_it_was_said() -> None:
    said = {"200": {"description": "A number", "schema": NUMBER}}
    project, findings = parse_project(backend(said))
    assert project is not None, findings
    assert dump_project(project)["endpoints"][0]["responses"] == said
    again, _ = parse_project(dump_project(project))
    assert again == project


async def test_a_write_of_one_statement_is_undone_too(migrated_url: str) -> None:
    document = backend({"200": {"schema": {"type": "string"}}}, {**WRITES, "as": "note"})
    document["endpoints"][0]["steps"][-1] = {"do": "respond", "body": "=note"}
    async with serving(migrated_url, document) as served:
        answer = await served.client.post("/api/answer", json={})
        assert (answer.status_code, answer.json()["code"]) == (500, "response.mismatch")
        assert await served.sql("SELECT FROM data.notes") == []

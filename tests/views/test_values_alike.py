"""Whole numbers that JavaScript can't hold, and moments, are read alike in bodies, in inputs and in filters."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.backend import Backend

LARGE = 9007199254740993
COLUMNS = [{"name": "large", "type": "bigint"}, {"name": "at", "type": "timestamp"}]
FIELDS: dict[str, Any] = {"large": {"type": "bigint"}, "at": {"type": "timestamp"}}
ECHO: dict[str, Any] = {
    "access": "public",
    "steps": [{"do": "respond", "body": {"large": "=input.large", "at": "=input.at"}}],
}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "marks", "id": "bigint", "columns": COLUMNS}],
    "views": [{"name": "all_marks", "table": "marks", "access": "public", "allow": ["select", "insert"]}],
    "endpoints": [
        {**ECHO, "name": "sent", "method": "POST", "path": "/sent", "input": {"body": FIELDS}},
        {**ECHO, "name": "asked", "method": "GET", "path": "/asked", "input": {"query": FIELDS}},
    ],
}
READ = {
    "2027-01-31T18:00:00Z": "2027-01-31T18:00:00Z",
    "2027-01-31t18:00:00z": "2027-01-31T18:00:00Z",
    "2027-01-31 18:00:00.5+00:00": "2027-01-31T18:00:00.500000Z",
    "2027-01-31T19:00:00.123456999+01:00": "2027-01-31T18:00:00.123456Z",
    "2027-01-31T18:00:00.1234567890123456789Z": "2027-01-31T18:00:00.123456Z",
}
WRONG = {
    "2027-01-31T18:00:00 01:00": "The + of this time zone came as a space: in an address it is sent as %2B.",
    "2027-02-30T18:00:00Z": "There is no such day, time or time zone",
    "2027-01-31T25:00:00Z": "There is no such day, time or time zone",
    "0001-01-01T00:00:00+01:00": "This moment is out of range",
}
NOT_IN_FILTERS = {  # there, a day or a moment without a zone is what Postgres takes it for, as PostgREST has it
    "2027-01-31T18:00:00": "The time zone of this moment is missing",
    "2027-01-31": "A moment with its time zone is wanted",
}


async def everywhere(backend: Backend, said: str) -> dict[str, httpx.Response]:
    client = backend.client
    return {
        "body": await client.post("/api/sent", json={"at": said}),
        "input": await client.get("/api/asked", params={"at": said}),
        "row": await client.post("/rest/v1/all_marks", json={"at": said}, headers={"Prefer": "return=representation"}),
        "filter": await client.get("/rest/v1/all_marks", params={"at": f"eq.{said}", "limit": 1}),
        "list": await client.get("/rest/v1/all_marks", params={"at": f"in.({said})", "limit": 1}),
    }


def moment(answer: httpx.Response) -> datetime:
    assert answer.status_code in (200, 201), answer.text
    found = answer.json()
    return datetime.fromisoformat((found[0] if isinstance(found, list) else found)["at"])


@pytest.mark.parametrize("said", READ)
async def test_a_moment_is_the_same_wherever_it_is_sent(backend: Backend, said: str) -> None:
    answers = await everywhere(backend, said)
    assert {where: moment(answer) for where, answer in answers.items()} == dict.fromkeys(
        answers, datetime.fromisoformat(READ[said])
    )


@pytest.mark.parametrize(("said", "message"), [*WRONG.items(), *NOT_IN_FILTERS.items()])
async def test_what_is_wrong_with_a_moment_is_told(backend: Backend, said: str, message: str) -> None:
    answers = await everywhere(backend, said)
    for where, answer in answers.items():
        if where in ("filter", "list") and said in NOT_IN_FILTERS:
            assert answer.status_code == 200
            continue
        assert answer.status_code in (400, 422), (where, answer.text)
        assert message in answer.text, where


async def test_a_plus_that_is_sent_bare_is_told_to_be_sent_as_its_code(backend: Backend) -> None:
    for path in ("/api/asked?at=", "/rest/v1/all_marks?at=gte."):
        answer = await backend.client.get(f"{path}2027-01-31T18:00:00+01:00")
        assert "sent as %2B" in answer.text
        assert (await backend.client.get(f"{path}2027-01-31T18:00:00%2B01:00")).status_code == 200


@pytest.mark.parametrize("said", [LARGE, str(LARGE)])
async def test_a_whole_number_that_javascript_cant_hold_is_sent_as_a_text(backend: Backend, said: object) -> None:
    client = backend.client
    assert f'"large":{LARGE}' in (await client.post("/api/sent", json={"large": said})).text
    assert f'"large":{LARGE}' in (await client.get("/api/asked", params={"large": str(said)})).text
    back = {"Prefer": "return=representation"}
    made = await client.post("/rest/v1/all_marks", json=[{"large": said}], headers=back)
    assert f'"large":{LARGE}' in made.text
    assert f'"large":{LARGE}' in (await client.get(f"/rest/v1/all_marks?large=eq.{said}&limit=1")).text
    for wrong in ("9.5", "x", str(2**63)):
        assert (await client.post("/api/sent", json={"large": wrong})).status_code == 422
        assert (await client.post("/rest/v1/all_marks", json={"large": wrong})).status_code in (400, 422)


async def test_the_openapi_document_says_that_a_text_is_taken(backend: Backend) -> None:
    document = (await backend.client.get("/openapi.json")).json()
    (content,) = document["paths"]["/api/sent"]["post"]["requestBody"]["content"].values()
    kinds = content["schema"]["properties"]["large"]["type"]
    assert kinds == ["integer", "string", "null"]

"""The parts of PostgREST that docs/views.md lists as not served are refused, and nothing is written."""

import pytest

from tests.backend import Backend, Person
from tests.views.test_writing import DOCUMENT, alice, rows_of

__all__ = ["DOCUMENT", "alice"]


@pytest.mark.parametrize(
    ("media_type", "body"), [("text/plain", "title\nA"), ("application/x-www-form-urlencoded", "title=A")]
)
async def test_rows_come_as_json_and_csv_only(backend: Backend, alice: Person, media_type: str, body: str) -> None:
    headers = {"Content-Type": media_type}
    answer = await alice.call("POST", "/rest/v1/my_notes", content=body, headers=headers)
    assert answer.status_code == 415
    assert await rows_of(backend) == []


@pytest.mark.parametrize(
    "query", ["day=sl.1", "day=sr.1", "day=nxl.1", "day=nxr.1", "day=adj.1", "day=ov.1", "having=count().gt.1"]
)
async def test_operators_of_ranges_and_having_are_refused(alice: Person, query: str) -> None:
    answer = await alice.get(f"/rest/v1/my_notes?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("PGRST100", "42703")


@pytest.mark.parametrize("prefer", ["tx=rollback", "timezone=Europe/Zurich"])
async def test_other_preferences_are_not_applied_and_strictly_refused(
    backend: Backend, alice: Person, prefer: str
) -> None:
    strict = {"Prefer": f"handling=strict, {prefer}"}
    refused = await alice.post("/rest/v1/my_notes", {"title": "A"}, headers=strict)
    assert (refused.status_code, refused.json()["code"]) == (400, "PGRST122")
    assert refused.json()["details"] == f"Invalid preferences: {prefer}"
    assert await rows_of(backend) == []
    answer = await alice.post("/rest/v1/my_notes", {"title": "A"}, headers={"Prefer": prefer})
    assert "preference-applied" not in answer.headers
    assert await rows_of(backend) == ["A"]

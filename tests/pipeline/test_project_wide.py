"""Middleware of the whole project, endpoints that skip it, and endpoints that ask for serializable transactions."""

import asyncio
from typing import Any

from app.compiler.check import check_project
from app.definitions.project import parse_project
from app.review.doubts import access_matrix
from tests.backend import serving

DONE = {"do": "respond", "body": "done"}


def endpoint(name: str, steps: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps, **more}


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "project": {"middleware": ["closed"]},
    "tables": [{"name": "counters", "columns": [{"name": "n", "type": "integer", "default": 0}]}],
    "middleware": [{"name": "closed", "steps": [{"do": "require", "that": "false", "message": "We are closed."}]}],
    "views": [{"name": "all_counters", "table": "counters", "access": "public"}],
    "endpoints": [
        endpoint("held", [DONE]),
        endpoint("let_through", [DONE], skip=["closed"]),
        endpoint(
            "add",
            [
                {"do": "list", "from": "counters", "as": "found"},
                {
                    "do": "update",
                    "table": "counters",
                    "where": "true",
                    "set": {"n": "=found[0].n + 1"},
                    "expect": "any",
                },
                DONE,
            ],
            skip=["closed"],
            isolation="serializable",
        ),
    ],
}


async def test_what_a_project_asks_of_all_holds_for_views_too_and_not_for_who_skips_it(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        refused = await backend.client.post("/api/held")
        assert (refused.status_code, refused.json()["detail"]) == (403, "We are closed.")
        assert (await backend.client.get("/rest/v1/all_counters")).status_code == 403
        assert (await backend.client.post("/api/let_through")).json() == "done"


def test_the_matrix_shows_who_skips_it() -> None:
    project, findings = parse_project(DOCUMENT)
    assert project is not None, findings
    rows = {row["name"]: row["middleware"] for row in access_matrix(project)["surface"]}
    assert (rows["held"], rows["let_through"], rows["all_counters"]) == (["closed"], [], ["closed"])


def test_only_what_is_project_wide_can_be_skipped() -> None:
    document = {**DOCUMENT, "endpoints": [endpoint("one", [DONE], skip=["clozed"])]}
    project, findings = parse_project(document)
    assert project is not None, findings
    assert [(one.place, one.hint) for one in check_project(project)] == [("endpoints/one.skip", "did you mean closed?")]


async def test_of_serializable_requests_at_once_none_is_lost(migrated_url: str) -> None:
    """Each reads and writes what it read plus one: one after the other, or refused with a word to try again."""
    async with serving(migrated_url, DOCUMENT) as backend:
        await backend.sql("INSERT INTO data.counters DEFAULT VALUES")
        answers = await asyncio.gather(*(backend.client.post("/api/add") for _ in range(8)))
        done = [answer for answer in answers if answer.status_code == 200]
        assert done
        assert {answer.status_code for answer in answers} <= {200, 503, 409}
        assert (await backend.sql("SELECT n FROM data.counters"))[0]["n"] == len(done)

"""This version on what the last one has stored: it starts and serves, and what it is stricter about is a doubt.

`last_version/` holds rows as they were stored. Whoever makes a rule stricter adds a file of what it would refuse.
"""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.compiler import compile as compiler
from app.compiler.check import check_project
from app.compiler.role_names import check_access_roles
from app.compiler.stored import compile_stored
from app.definitions.endpoints import EndpointDef
from app.definitions.middleware import MiddlewareDef
from app.definitions.project import Project, parse_project
from app.definitions.stored import stored_of
from app.relations.findings import Findings
from app.steps import registry
from tests.backend import Backend, serving

FILES = sorted((Path(__file__).parent / "last_version").glob("*.json"))
HELLO = {"method": "GET", "access": "public", "steps": [{"do": "respond", "body": 1}]}
OLD = {**HELLO, "name": "old", "path": "/old", "description": "as it was"}
SHARED = {"name": "shared", "description": "as it was", "steps": [{"do": "require", "that": "true"}]}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "middleware": [SHARED],
    "endpoints": [
        OLD,
        {**HELLO, "name": "behind", "path": "/behind", "middleware": ["shared"]},
        {**HELLO, "name": "other", "path": "/other"},
    ],
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_the_last_version_stored_is_served_whole(file: Path) -> None:
    stored = stored_of((kind, name, json.dumps(body)) for kind, name, body in json.loads(file.read_text()))
    runtime = compile_stored(stored)
    assert dict(runtime.broken.parts) == {}
    assert set(runtime.endpoints) == {one.name for one in stored.project.endpoints}
    assert set(runtime.views) == {one.name for one in stored.project.views}
    assert len(runtime.tests) == len(stored.project.tests)


def doubt_what_is_old(check: Callable[[Project, Findings], None]) -> Callable[[Project, Findings], None]:
    """Make a rule of a version to come: a description may not say `as it was`."""

    def stricter(project: Project, findings: Findings) -> None:
        check(project, findings)
        for one in project.endpoints:
            through = {**{use.use: use.use for use in one.middleware}, one.name: None}
            parts: list[EndpointDef | MiddlewareDef] = [*project.middleware, one]
            for said in parts:
                if said.name in through and said.description == "as it was":
                    inner = f".middleware/{said.name}({said.name})" if through[said.name] else ""
                    findings.report(f"endpoints/{one.name}{inner}.description", "this is old", stricter=True)

    return stricter


@pytest.fixture
async def backend(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Backend]:
    """A server of the version to come on what this one has stored."""
    async with serving(migrated_url, DOCUMENT):
        pass
    monkeypatch.setattr(compiler, "check_access_roles", doubt_what_is_old(check_access_roles))
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def test_a_stricter_rule_refuses_what_is_saved_and_doubts_what_is_stored(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/api/old", "/api/behind", "/api/other"):
        assert (await backend.client.get(path)).status_code == 200
    assert (await backend.client.get("/readyz")).json()["broken"] == []
    root = {**await backend.admin(), "If-Match": "*"}
    told = (await backend.client.get("/admin/v1/access", headers=root)).json()["findings"]
    places = ["endpoints/old.description", "endpoints/behind.middleware/shared(shared).description"]
    assert [one["place"] for one in told if one["message"] == "this is old"] == places
    call = backend.client.request
    changed = {**DOCUMENT, "endpoints": [{**OLD, "tags": ["x"]}, *DOCUMENT["endpoints"][1:]]}
    new = {**DOCUMENT, "endpoints": [*DOCUMENT["endpoints"], {**OLD, "name": "new", "path": "/new"}]}
    for method, path, body in (
        ("PUT", "/config", changed), ("POST", "/config/plan", changed), ("PUT", "/config", new),
        ("PATCH", "/endpoints/old", {"tags": ["x"]}), ("PATCH", "/endpoints/old", {"name": "renamed"}),
        ("PATCH", "/middleware/shared", {"steps": [{"do": "require", "that": "1 == 1"}]}),
        ("POST", "/endpoints", {**OLD, "name": "new", "path": "/new"}),
    ):  # fmt: skip
        refused = await call(method, f"/admin/v1{path}", json=body, headers=root)
        assert (refused.status_code, refused.json()["code"]) == (422, "definition.invalid"), (path, body)
        assert {error["message"] for error in refused.json()["errors"]} == {"this is old"}
    for body, valid, counts in ((DOCUMENT, True, (0, 2)), (changed, False, (1, 1)), (new, False, (1, 2))):
        checked = (await call("POST", "/admin/v1/check", json=body, headers=root)).json()
        assert (checked["valid"], (len(checked["findings"]), len(checked["doubts"]))) == (valid, counts)
    # What isn't touched may stay, whatever else is changed; and what is saved anew has to be sound.
    caplog.clear()
    answer = await call("PATCH", "/admin/v1/endpoints/other", json={"tags": ["x"]}, headers=root)
    assert answer.status_code == 200, answer.text
    assert caplog.text.count("this would not be saved so today: endpoints/old.description: this is old") == 1
    answer = await call("PATCH", "/admin/v1/endpoints/old", json={"description": "new"}, headers=root)
    assert answer.status_code == 200, answer.text
    told = (await backend.client.get("/admin/v1/access", headers=root)).json()["findings"]
    assert [one["place"] for one in told if one["message"] == "this is old"] == places[1:]


def test_a_stricter_finding_about_what_was_not_compiled_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is left out can't refuse: its endpoint is broken, whatever the finding calls itself."""
    project, _ = parse_project(DOCUMENT)
    assert project is not None
    assert check_project(project) == []

    def leaves_out(_body: Any, context: Any) -> None:
        context.report("that", "this is old", stricter=True)

    kind = registry.KINDS["require"]
    monkeypatch.setitem(registry.KINDS, "require", replace(kind, compile=leaves_out))
    stored = stored_of([(kind, one["name"], json.dumps(one)) for kind, one in (
        ("middleware", SHARED), *(("endpoint", one) for one in DOCUMENT["endpoints"])
    )])  # fmt: skip
    runtime = compile_stored(stored)
    assert set(runtime.broken.parts) == {"middleware/shared", "endpoints/behind"}
    assert set(runtime.endpoints) == {"old", "other"}

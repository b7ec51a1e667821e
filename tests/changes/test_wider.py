"""A plan that lets somebody into more is refused where it is asked for, and says whom it lets in."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from app.changes.apply import Wider, apply_project
from app.cli.command import app, main
from app.definitions.project import parse_project
from tests.backend import SECRET_KEY, Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "notes", "columns": [{"name": "owner", "type": "user"}, {"name": "body", "type": "text"}]}],
    "views": [{"name": "mine", "table": "notes", "filter": "row.owner == auth.user.id"}],
    "roles": [{"name": "boss"}],
    "middleware": [{"name": "guard", "steps": [{"do": "require", "that": "'boss' in auth.user.roles"}]}],
    "endpoints": [
        {
            "name": "guarded",
            "method": "GET",
            "path": "/guarded",
            "access": "authenticated",
            "middleware": ["guard"],
            "steps": [{"do": "respond", "body": 1}],
        },
    ],
}
MINE, GUARDED = DOCUMENT["views"][0], DOCUMENT["endpoints"][0]
OPEN = {**DOCUMENT, "views": [{**MINE, "access": "public"}]}
NARROW = {**DOCUMENT, "views": [{**MINE, "columns": ["body"]}]}
EFFECT = {
    "where": "views/mine", "who": "everybody", "effect": "gains", "what": "select",
    "because": "access is everybody now, and was who is signed in", "wider": True,
}  # fmt: skip


async def put(engine: AsyncEngine, document: Any, **more: Any) -> Any:
    project, findings = parse_project(document)
    assert project is not None, findings
    return await apply_project(engine, project, author="test", **more)


async def test_what_widens_changes_nothing_unless_it_is_allowed(engine: AsyncEngine) -> None:
    first = await put(engine, DOCUMENT)
    with pytest.raises(Wider) as refused:
        await put(engine, OPEN)
    assert [(one.loc, one.code) for one in refused.value.errors] == [(("views/mine",), "change.wider")]
    assert (await put(engine, DOCUMENT)).revision == first.revision
    planned = await put(engine, OPEN, dry_run=True)
    assert [one.shown() for one in planned.effects] == [EFFECT]
    assert (await put(engine, OPEN, allow_wider=True)).revision == first.revision + 1
    assert (await put(engine, NARROW)).revision == first.revision + 2


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def test_the_admin_api_refuses_it_unless_it_is_said(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    call = backend.client.request
    weaker = {"steps": [{"do": "require", "that": "auth.signed_in"}]}
    for method, path, body, where in (
        ("PUT", "/config", OPEN, "views/mine"), ("PATCH", "/views/mine", {"access": "public"}, "views/mine"),
        ("PUT", "/views/mine", {**MINE, "access": "public"}, "views/mine"),
        ("PATCH", "/middleware/guard", weaker, "endpoints/guarded"),
        ("PUT", "/middleware/guard", weaker, "endpoints/guarded"),
        ("PATCH", "/endpoints/guarded", {"middleware": None}, "endpoints/guarded"),
        ("PUT", "/endpoints/guarded", {**GUARDED, "access": "public"}, "endpoints/guarded"),
    ):  # fmt: skip
        for query in ("", "?allow_wider=false", "?allow_wider=0"):
            refused = await call(method, f"/admin/v1{path}{query}", json=body, headers=root)
            assert (refused.status_code, refused.json()["code"]) == (409, "change.wider"), (method, path)
            assert refused.json()["errors"][0]["loc"] == [where]
            assert "?allow_wider=true" in refused.json()["hint"]
        planned = await call(method, f"/admin/v1{path}?dry_run=true", json=body, headers=root)
        assert (planned.status_code, [one["where"] for one in planned.json()["effects"] if one["wider"]]) == (
            200, [where],
        )  # fmt: skip
    unclear = await call("PUT", "/admin/v1/config?allow_wider=maybe", json=OPEN, headers=root)
    assert (unclear.status_code, unclear.json()["code"]) == (422, "input.invalid")
    assert [one["number"] for one in (await call("GET", "/admin/v1/revisions", headers=root)).json()] == [1]
    plan = await call("POST", "/admin/v1/config/plan", json=OPEN, headers=root)
    assert plan.json()["effects"] == [EFFECT]
    opened = await call("PATCH", "/admin/v1/views/mine?allow_wider=true", json={"access": "public"}, headers=root)
    assert opened.status_code == 200
    kept = (await call("GET", "/admin/v1/audit", headers=root)).json()[0]["detail"]["effects"]
    assert kept == [f"views/mine: everybody gains select, because {EFFECT['because']}"]
    assert (await call("POST", "/admin/v1/revisions/1/restore", headers=root)).status_code == 200
    refused = await call("POST", "/admin/v1/revisions/2/restore", headers=root)
    assert (refused.status_code, refused.json()["code"]) == (409, "change.wider")
    assert (await call("POST", "/admin/v1/revisions/2/restore?allow_wider=true", headers=root)).status_code == 200


async def test_what_is_made_anew_needs_no_word_and_says_whom_it_lets_in(backend: Backend) -> None:
    root = await backend.admin()
    everybody = {"who": "everybody", "effect": "gains", "because": "it is new", "wider": False}
    hello = {"name": "hello", "method": "GET", "path": "/hello", "access": "public", "steps": [{"do": "respond"}]}
    for section, body, effects in (
        ("endpoints", hello, [{**everybody, "where": "endpoints/hello", "what": "calling it"}]),
        ("views", {**MINE, "name": "all", "access": "public"}, [{**everybody, "where": "views/all", "what": "select"}]),
        ("roles", {"name": "support"}, []),
    ):
        made = await backend.client.post(f"/admin/v1/{section}", json=body, headers=root)
        assert (made.status_code, made.json()["effects"]) == (201, effects), made.text
        shown = await backend.client.get(f"/admin/v1/{section}/{body['name']}", headers=root)
        assert {**shown.json(), "effects": effects} == made.json()
        assert made.headers["etag"] == shown.headers["etag"]


def test_the_command_names_who_would_get_in_and_wants_it_said(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROWGATE_DATABASE_URL", migrated_url)
    monkeypatch.setenv("ROWGATE_SECRET_KEY", SECRET_KEY)
    first, wide = tmp_path / "first.yaml", tmp_path / "wide.yaml"
    first.write_text(yaml.safe_dump(DOCUMENT))
    wide.write_text(yaml.safe_dump(OPEN))
    run = CliRunner().invoke
    assert run(app, ["apply", str(first)]).exit_code == 0
    told = run(app, ["plan", str(wide)])
    assert "! views/mine: everybody gains select, because access is everybody now" in told.output
    assert "--allow-wider" in told.output
    assert json.loads(run(app, ["plan", str(wide), "--json"]).output)["effects"] == [EFFECT]
    monkeypatch.setattr("sys.argv", ["rowgate", "apply", str(wide)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "views/mine: everybody gains select" in capsys.readouterr().err
    refused = run(app, ["serve", "--config", str(wide), "--port", "0"])
    assert isinstance(refused.exception, Wider)
    assert run(app, ["apply", str(wide), "--allow-wider"]).exit_code == 0

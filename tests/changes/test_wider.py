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
}
MINE = DOCUMENT["views"][0]
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
    first = await put(engine, DOCUMENT, allow_wider=False)
    with pytest.raises(Wider) as refused:
        await put(engine, OPEN, allow_wider=False)
    assert [(one.loc, one.code) for one in refused.value.errors] == [(("views/mine",), "change.wider")]
    assert (await put(engine, DOCUMENT)).revision == first.revision
    planned = await put(engine, OPEN, allow_wider=False, dry_run=True)
    assert [one.shown() for one in planned.effects] == [EFFECT]
    assert (await put(engine, OPEN)).revision == first.revision + 1
    assert (await put(engine, NARROW, allow_wider=False)).revision == first.revision + 2


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def test_the_admin_api_refuses_it_only_when_asked_to(backend: Backend) -> None:
    root = await backend.admin()
    call = backend.client.request
    for method, path, body in (
        ("PUT", "/config", OPEN), ("PATCH", "/views/mine", {"access": "public"}),
        ("PUT", "/views/mine", {**MINE, "access": "public"}),
    ):  # fmt: skip
        headers = {**root, "If-Match": "*"}
        refused = await call(method, f"/admin/v1{path}?allow_wider=false", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "change.wider")
        assert refused.json()["errors"][0]["loc"] == ["views/mine"]
        planned = await call(method, f"/admin/v1{path}?allow_wider=false&dry_run=true", json=body, headers=headers)
        assert (planned.status_code, planned.json()["effects"]) == (200, [EFFECT])
    plan = await call("POST", "/admin/v1/config/plan", json=OPEN, headers=root)
    assert plan.json()["effects"] == [EFFECT]
    assert (await call("PATCH", "/admin/v1/views/mine", json={"access": "public"}, headers=root)).status_code == 200
    kept = (await call("GET", "/admin/v1/audit", headers=root)).json()[0]["detail"]["effects"]
    assert kept == [f"views/mine: everybody gains select, because {EFFECT['because']}"]
    refused = await call("POST", "/admin/v1/revisions/1/restore?allow_wider=false", headers=root)
    assert refused.status_code == 200
    refused = await call("POST", "/admin/v1/revisions/2/restore?allow_wider=false", headers=root)
    assert (refused.status_code, refused.json()["code"]) == (409, "change.wider")


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

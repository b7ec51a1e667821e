"""Files at the start of a server: one defines an empty backend once, or is what the backend always is."""

import asyncio
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from typer.testing import CliRunner

from app.auth.route_limits import RouteLimits
from app.changes.apply import PolicyTestsFailed, Wider
from app.changes.managed import ConfigManaged, ConfigReplaced
from app.changes.obstacles import WouldDestroy
from app.changes.standing_start import Start
from app.changes.start import begin
from app.cli import serving
from app.cli.command import app
from app.control_plane.router import admin_router
from app.database.pool import connect
from app.definitions.project import KINDS, DefinitionInvalid
from app.policy_tests.runner import Runner
from tests.backend import SECRET_KEY
from tests.backend import serving as serving_here

SAY = [{"do": "respond", "body": 1}]
HELLO = {"name": "hello", "method": "GET", "path": "/hello", "access": "authenticated", "steps": SAY}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "support"}],
    "users": {"columns": [{"name": "city", "type": "text"}]},
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text"}]}],
    "rules": [{"name": "signed_in", "that": "auth.signed_in"}],
    "views": [{"name": "mine", "table": "notes", "columns": ["id"], "access": "authenticated"}],
    "middleware": [{"name": "checked", "steps": [{"do": "require", "that": "true"}]}],
    "endpoints": [HELLO],
    "tests": [{"name": "closed", "request": {"path": "/api/hello"}, "expect": {"status": 401}}],
}
MORE = {**DOCUMENT, "endpoints": [HELLO, {**HELLO, "name": "more", "path": "/more"}]}
BARE = {key: value for key, value in DOCUMENT.items() if key not in {"tables", "views"}}


def file(folder: Path, name: str, document: Any) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(document))
    return path


async def run(url: str, statement: str) -> list[Any]:
    connection = await connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def state(url: str) -> Any:
    """Give all that a refused start may not change."""
    definitions = "SELECT kind, name, valid_from, valid_to FROM rowgate.definitions ORDER BY id"
    return [
        await run(url, sql)
        for sql in (definitions, "SELECT revision FROM rowgate.live", "SELECT file, digest, until FROM rowgate.managed")
    ]


async def start(url: str, **said: Any) -> Any:
    return await begin(url, Start(**said), judge=Runner(url).judge)


async def test_a_first_document_opens_what_it_says(migrated_url: str, tmp_path: Path) -> None:
    opened = {
        "passkeys": True,
        "anonymous": True,
        "site_url": "https://a.example",
        "redirect_urls": ["https://a.example"],
    }
    first = file(tmp_path, "first", {**DOCUMENT, "auth": opened})
    wider = file(tmp_path, "wider", {**DOCUMENT, "auth": {**opened, "redirect_urls": ["https://*.a.example"]}})
    assert (await start(migrated_url, start_with=first)).revision == 1
    with pytest.raises(Wider):
        await start(migrated_url, config=wider)


async def test_a_file_defines_an_empty_backend_once(
    migrated_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rowgate.start")
    first, other = file(tmp_path, "first", DOCUMENT), file(tmp_path, "other", MORE)
    await start(migrated_url)
    assert (await state(migrated_url))[:2] == [[], [(0,)]]
    plans = await asyncio.gather(*(start(migrated_url, start_with=first) for _ in range(3)))
    assert sum(plan is not None for plan in plans) == 1
    assert f"{first} has defined the backend, once" in caplog.text
    before = await state(migrated_url)
    caplog.clear()
    assert await start(migrated_url, start_with=other) is None
    assert await state(migrated_url) == before
    assert f"the backend is defined already, at revision 1: {other} was left alone" in caplog.text


async def test_a_backend_that_was_emptied_is_not_defined_again(migrated_url: str, tmp_path: Path) -> None:
    await start(migrated_url, start_with=file(tmp_path, "first", DOCUMENT))
    await start(migrated_url, config=file(tmp_path, "empty", {"rowgate": 1}))
    before = (await state(migrated_url))[:2]
    await start(migrated_url, start_with=tmp_path / "first.yaml")
    assert (await state(migrated_url))[:2] == before


async def test_a_start_that_is_refused_changes_nothing_not_even_which_file_manages(
    migrated_url: str, tmp_path: Path
) -> None:
    await start(migrated_url, config=file(tmp_path, "first", DOCUMENT))
    await run(migrated_url, "INSERT INTO data.notes (body) VALUES ('kept')")
    before = await state(migrated_url)
    opened = copy.deepcopy(DOCUMENT)
    opened["views"][0]["access"] = "public"
    failing = copy.deepcopy(DOCUMENT)
    failing["tests"][0]["expect"]["status"] = 200
    invalid = copy.deepcopy(DOCUMENT)
    invalid["views"][0]["filter"] = "row.nothing == 1"
    for name, document, kind in (
        ("opened", opened, Wider), ("failing", failing, PolicyTestsFailed), ("invalid", invalid, DefinitionInvalid),
        ("bare", BARE, WouldDestroy),
    ):  # fmt: skip
        with pytest.raises(kind):
            await start(migrated_url, config=file(tmp_path, name, document))
        assert await state(migrated_url) == before, name
    await start(migrated_url, config=tmp_path / "opened.yaml", allow_wider=True)
    await start(migrated_url, config=tmp_path / "bare.yaml", destroy=("notes",))
    assert await run(migrated_url, "SELECT file FROM rowgate.managed WHERE until IS NULL") == [
        (str(tmp_path / "bare.yaml"),)
    ]


async def test_a_file_that_another_has_replaced_comes_back_only_if_that_is_said(
    migrated_url: str, tmp_path: Path
) -> None:
    old, new = file(tmp_path, "old", MORE), file(tmp_path, "new", DOCUMENT)
    for path in (old, old, new, new):
        await start(migrated_url, config=path)
    before = await state(migrated_url)
    old.rename(tmp_path / "renamed.yaml")
    with pytest.raises(ConfigReplaced, match=r"new\.yaml has replaced it"):
        await start(migrated_url, config=tmp_path / "renamed.yaml")
    assert await state(migrated_url) == before
    await start(migrated_url, config=tmp_path / "renamed.yaml", allow_rollback=True)
    await start(migrated_url, config=tmp_path / "renamed.yaml")
    with pytest.raises(ConfigReplaced):
        await start(migrated_url, config=new)


async def test_servers_that_start_at_once_take_turns(migrated_url: str, tmp_path: Path) -> None:
    path = file(tmp_path, "one", DOCUMENT)
    plans = await asyncio.gather(*(start(migrated_url, config=path) for _ in range(4)))
    assert sorted(len(plan.changes) > 0 for plan in plans) == [False, False, False, True]
    assert (await state(migrated_url))[1] == [(1,)]
    assert len(await run(migrated_url, "SELECT FROM rowgate.managed")) == 1


# Every route of the admin API that writes, or is sent a body, and is not about definitions.
BESIDE = {
    ("POST", "/check"), ("POST", "/config/plan"), ("POST", "/simulate"), ("POST", "/explain"),
    ("POST", "/test"), ("POST", "/test/isolation"), ("POST", "/requests/{request_id}/test"),
    ("POST", "/shadow"), ("DELETE", "/shadow"),
    ("PUT", "/password"), ("PUT", "/admins/{admin_id}/password"),
    ("POST", "/setup"), ("POST", "/sign-in"), ("POST", "/sign-out"), ("POST", "/refresh"),
    ("POST", "/browser/sign-in"), ("POST", "/browser/refresh"),
    ("POST", "/users"), ("POST", "/users/import"), ("PATCH", "/users/{user_id}"), ("DELETE", "/users/{user_id}"),
    ("PUT", "/users/{user_id}/roles"), ("PUT", "/users/{user_id}/password"),
    ("POST", "/users/{user_id}/{action}"), ("DELETE", "/users/{user_id}/sessions/{session_id}"),
    ("POST", "/api-keys"), ("DELETE", "/api-keys/{name}"),
    ("POST", "/admins"), ("PATCH", "/admins/{admin_id}"), ("DELETE", "/admins/{admin_id}"),
    ("DELETE", "/admins/{admin_id}/factors"), ("DELETE", "/admins/{admin_id}/sessions"),
    ("POST", "/admins/invites"), ("DELETE", "/admins/invites/{invite_id}"), ("POST", "/admins/invites/accept"),
    ("POST", "/recover"), ("POST", "/recover/redeem"),
    ("POST", "/account/factors"), ("POST", "/account/factors/{factor_id}/verify"),
    ("POST", "/account/factors/{factor_id}/remove"), ("POST", "/account/recovery-codes"),
    ("DELETE", "/account/sessions/{session_id}"),
    ("POST", "/secrets"), ("PUT", "/secrets/{name}"), ("PATCH", "/secrets/{name}"), ("DELETE", "/secrets/{name}"),
    ("POST", "/outbox/{call_id}/retry"), ("DELETE", "/outbox/{call_id}"), ("POST", "/mail/{mail_id}/retry"),
    *((method, "/tables/{name}/rows") for method in ("POST", "PATCH", "DELETE")),
}  # fmt: skip


def edits(router: Any) -> set[tuple[str, str]]:
    """Give the admin API's routes that write definitions: all that write, without those that are known to be beside."""
    found = set[tuple[str, str]]()
    for route in router.routes:
        if isinstance(route, APIRoute):
            found |= {(method, route.path) for method in (route.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
        else:
            found |= edits(route.original_router)
    return {(method, path.removeprefix("/admin/v1")) for method, path in found} - BESIDE


async def test_no_route_edits_what_a_file_manages(migrated_url: str, tmp_path: Path) -> None:
    named = {
        f"/{section}/{{name}}": (f"/{section}/{DOCUMENT[section][0]['name']}", DOCUMENT[section][0])
        for section in KINDS
    }
    new = {f"/{section}": (f"/{section}", {**DOCUMENT[section][0], "name": "another"}) for section in KINDS}
    new["/endpoints"][1]["path"] = "/another"
    (column,) = DOCUMENT["users"]["columns"]
    named["/users/columns/{name}"] = "/users/columns/city", column
    new["/users/columns"] = "/users/columns", {**column, "name": "another"}
    calls = {
        **named,
        **new,
        "/config": ("/config", MORE),
        "/revisions/{number}/restore": ("/revisions/1/restore", None),
    }
    async with serving_here(migrated_url, DOCUMENT) as backend:
        root = {**await backend.admin(), "If-Match": "*"}
        path = file(tmp_path, "managed", MORE)
        await start(migrated_url, config=path)
        before = await state(migrated_url)
        for method, route in sorted(edits(admin_router(RouteLimits()))):
            where, body = calls.pop(route) if method == "POST" or route == "/config" else calls[route]
            answer = await backend.client.request(method, f"/admin/v1{where}", json=body, headers=root)
            assert (answer.status_code, answer.json()["code"]) == (409, "config.managed"), (method, route, answer.text)
            assert str(path) in answer.json()["detail"]
            planned = await backend.client.request(
                method, f"/admin/v1{where}?dry_run=true&destroy=notes", json=body, headers=root
            )
            assert planned.status_code in {200, 422}, (method, route, planned.text)  # what rests on it refuses a drop
        assert set(calls) == set(named)
        for where in ("/config/plan", "/check"):
            assert (await backend.client.post(f"/admin/v1{where}", json=DOCUMENT, headers=root)).status_code == 200
        for where, body in (
            ("/secrets", {"name": "token", "value": "v", "hosts": ["api.example.com"]}),
            ("/api-keys", {"name": "key", "roles": ["support"]}),
            ("/users", {"email": "a@example.com", "password": "correct horse battery"}),
            ("/simulate", {"method": "GET", "path": "/api/hello", "as": "anonymous"}),
        ):  # fmt: skip
            made = await backend.client.post(f"/admin/v1{where}", json=body, headers=root)
            assert made.status_code in {200, 201}, (where, made.text)
        assert await state(migrated_url) == before


def test_the_command_tells_what_a_file_changed_and_when_it_manages_no_more(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DATABASE_URL", migrated_url), ("SECRET_KEY", SECRET_KEY), ("LOG_FORMAT", "text")):
        monkeypatch.setenv(f"ROWGATE_{name}", value)
    first, more = file(tmp_path, "first", DOCUMENT), file(tmp_path, "more", MORE)
    invoke = CliRunner().invoke

    def said_by_serve(*words: str, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        """Run the command up to where it would serve; gives what it said before."""

        def instead(*_: Any) -> int:
            meanwhile()
            return 0

        monkeypatch.setattr(serving, "_serve_here", instead)
        ended = invoke(app, ["serve", "--port", "0", *words], catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return [line.strip() for line in ended.output.splitlines()]

    def applied() -> None:
        done = invoke(app, ["apply", str(more)])
        assert done.exit_code == 0, (done.output, done.exception)

    def refused() -> None:
        assert isinstance(invoke(app, ["apply", str(more)]).exception, ConfigManaged)
        planned = invoke(app, ["plan", str(more)])
        assert planned.exit_code == 0, (planned.output, planned.exception)

    said = said_by_serve("--start-with", str(first))
    assert any("has defined the backend, once" in line for line in said)
    assert f"{first} defines the backend: 1 role, 1 table, 1 rule, 1 view, 1 middleware, 1 endpoint." in said
    assert "Its test passes." in said
    applied()
    said = said_by_serve("--config", str(first), meanwhile=refused)
    assert "- remove the endpoint more" in said
    refused()
    said = said_by_serve(meanwhile=applied)
    assert any(f"{first} doesn't manage the definitions any more" in line for line in said)
    unread = invoke(app, ["serve", "--config", str(tmp_path / "none.yaml")])
    assert "can't be read" in str(unread.exception)
    for words in (["--config", "a", "--start-with", "b"], ["--destroy", "notes"], ["--allow-rollback"]):
        assert invoke(app, ["serve", *words]).exit_code == 2

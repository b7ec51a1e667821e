"""`rowgate shadow` starts a shadow on a server, prints what differs as it comes, and leaves none behind."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from typer.testing import CliRunner

from app.cli import shadowing as shadow_command
from app.cli.command import app
from app.cli.server_client import RemoteServer, Reply, ServerRefused
from tests.backend import Backend
from tests.turns import Turns

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "endpoints": [
        {
            "name": "hello", "method": "POST", "path": "/hello", "access": "public",
            "input": {"body": {"n": {"type": "integer"}}},
            "steps": [{"do": "require", "that": "input.n < 10"}, {"do": "respond", "body": 1}],
        }
    ],
}  # fmt: skip
DRAFT = {**DOCUMENT, "endpoints": [{**DOCUMENT["endpoints"][0], "steps": [
    {"do": "require", "that": "input.n < 5"}, {"do": "respond", "body": 1}]}]}  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest_asyncio.fixture(loop_scope="module")
async def through(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Call the server from the command's thread, in the place of a socket; gives what the server is sent meanwhile."""
    loop, headers, sent = asyncio.get_running_loop(), await backend.admin(), list[Any]()

    async def answered(method: str, path: str, body: bytes | None) -> Reply:
        if method == "GET":
            for one in sent:
                await backend.client.post("/api/hello", json=one)
            sent.clear()
        yaml_body = {**headers, "Content-Type": "application/yaml"}
        answer = await backend.client.request(method, f"/admin/v1{path}", content=body, headers=yaml_body)
        assert answer.is_success, answer.text
        return Reply({}, answer.content)

    def bridged(_server: RemoteServer, method: str, path: str, *, body: bytes | None = None) -> Reply:
        return asyncio.run_coroutine_threadsafe(answered(method, path, body), loop).result(20)

    monkeypatch.setattr(RemoteServer, "ask", bridged)
    return sent


async def command(tmp_path: Path, *more: str) -> Any:
    file = tmp_path / "draft.yaml"
    file.write_text(yaml.safe_dump(DRAFT))
    given = ["shadow", str(file), "--url", "http://x", "--key", "k", *more]
    return await asyncio.to_thread(CliRunner().invoke, app, given)


async def test_it_prints_each_difference_and_the_counts_and_ends(
    backend: Backend, through: list[Any], tmp_path: Path
) -> None:
    through += [{"n": 1}, {"n": 7}, {"n": 12}]
    done = await command(tmp_path, "--seconds", "0.2")
    assert done.exit_code == 0, done.output
    first, *rest = done.output.splitlines()
    assert "POST /api/hello  anonymous: live 200, draft 403 chain.refused at endpoints/hello.steps/0" in first
    assert rest == [
        "3 compared, 1 differences, 0 undecided, 0 skipped.", "1 × hello: 200 → 403 chain.refused",
    ]  # fmt: skip
    assert backend.app.data_plane is not None
    assert backend.app.data_plane.shadow is None


async def test_as_json_a_line_is_a_difference_with_its_traces_and_the_last_the_counts(
    through: list[Any], tmp_path: Path
) -> None:
    through += [{"n": 7}]
    done = await command(tmp_path, "--seconds", "0.1", "--json")
    difference, counts = map(json.loads, done.output.splitlines())
    assert (difference["to"], set(difference["traces"])) == ("hello", {"live", "draft"})
    assert (counts["state"], counts["differences"]) == ("ended", 1)


async def test_ctrl_c_ends_it_and_prints_the_counts(
    backend: Backend, through: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shadow_command.Shadowing.differences, "__kwdefaults__", {"wait": interrupted})
    done = await command(tmp_path)
    assert done.exit_code == 0
    assert done.output.splitlines() == ["0 compared, 0 differences, 0 undecided, 0 skipped."]
    assert backend.app.data_plane is not None
    assert backend.app.data_plane.shadow is None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "http://127.0.0.1:1"])
def test_only_a_server_that_is_there_is_called(url: str) -> None:
    with pytest.raises(ServerRefused):
        RemoteServer(url, "key").ask("POST", "/shadow", body=b"{}")

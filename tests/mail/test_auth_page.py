"""Each flow of docs/auth.md as it stands there, with supabase-js and with curl."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.backend import Backend, serving
from tests.clients.test_supabase_js import NODE, clients, listening
from tests.mail.conftest import CODE, LINK, mails, token_of

__all__ = ["clients"]
PAGE = (Path(__file__).parents[2] / "docs" / "auth.md").read_text()
FLOWS = Path(__file__).with_name("flows.mjs")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@asynccontextmanager
async def served(url: str) -> AsyncIterator[tuple[Backend, str, str]]:
    """Serve the page's document; gives where, and an editor's key."""
    document, _hooks = blocks("yaml")
    async with serving(url, yaml.safe_load(document)) as backend, listening(backend) as where:
        body = {"name": "editor", "admin_role": "editor"}
        made = await backend.client.post("/admin/v1/api-keys", json=body, headers=await backend.admin())
        # Links lead to where the server is reached, which a port that is free tells only now.
        object.__setattr__(backend.app.server.mailing, "api_url", where)
        yield backend, where, made.json()["key"]


@pytest.mark.skipif(NODE is None or shutil.which("npm") is None, reason="node and npm are not installed")
async def test_every_flow_works_with_supabase_js(migrated_url: str, clients: Path) -> None:
    async with served(migrated_url) as (backend, where, admin_key):
        said = {"url": where, "key": backend.app.server.auth.publishable_key, "adminKey": admin_key}
        given = {**said, "from": str(clients), "blocks": blocks("js")}
        node = await asyncio.create_subprocess_exec(
            str(NODE), str(FLOWS), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(node.communicate(json.dumps(given).encode()), timeout=120)
        assert json.loads(output) == {"ran": len(blocks("js"))}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_every_flow_works_with_curl(migrated_url: str) -> None:
    async with served(migrated_url) as (backend, where, admin_key):
        for block in blocks("sh"):
            given = {"URL": where, "ADMIN_KEY": admin_key, **await newest(backend)}
            shell = await asyncio.create_subprocess_exec(
                "sh", "-ec", block, env={**os.environ, **given}, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output, _ = await asyncio.wait_for(shell.communicate(), timeout=60)
            assert shell.returncode == 0, (block, output)


async def newest(backend: Backend) -> dict[str, str]:
    found: list[Any] = await mails(backend)
    if not found or not LINK.search(found[0]["text"]):
        return {}
    code, link = CODE.search(found[0]["text"]), LINK.search(found[0]["text"])
    assert code is not None
    assert link is not None
    return {"CODE": code[0], "LINK": link[0], "TOKEN_HASH": token_of(found[0])}

"""`auth.admin.*` of the official clients, unmodified, with an editor's API key in the place of a service key."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from supabase import AsyncClientOptions, acreate_client

from tests.auth.conftest import DOCUMENT
from tests.backend import PASSWORD, Backend, serving
from tests.clients.test_supabase_js import NODE, clients, listening

__all__ = ["clients"]
CALLS: list[tuple[str, Any]] = [
    ("admin.createUser({email: 'ann@example.com', password: '" + PASSWORD + "', email_confirm: true,"
     " user_metadata: {plan: 'pro'}, app_metadata: {roles: ['support']}}).then(r => (globalThis.ann = r.data.user,"
     " [r.error, ann.email, ann.user_metadata.plan, ann.app_metadata.roles]))",
     [None, "ann@example.com", "pro", ["support"]]),
    ("admin.createUser({email: 'ann@example.com'}).then(r => r.error.code)", "email_exists"),
    ("admin.listUsers().then(r => [r.error, r.data.users.map(one => one.email), r.data.total])",
     [None, ["ann@example.com", "bob@example.com"], 2]),
    ("admin.listUsers({page: 1, perPage: 1}).then(r => [r.data.users.length, r.data.nextPage, r.data.lastPage])",
     [1, 2, 2]),
    ("admin.getUserById(ann.id).then(r => [r.error, r.data.user.email])", [None, "ann@example.com"]),
    ("admin.getUserById('018f0000-0000-7000-8000-00000000000a').then(r => r.error.code)", "user_not_found"),
    ("admin.updateUserById(ann.id, {email: 'anna@example.com', user_metadata: {display_name: 'Anna'}})"
     ".then(r => [r.error, r.data.user.email, r.data.user.user_metadata.display_name])",
     [None, "anna@example.com", "Anna"]),
    ("admin.mfa.listFactors({userId: ann.id}).then(r => [r.error, r.data.factors])", [None, []]),
    ("admin.deleteUser(ann.id).then(r => r.error)", None),
    ("admin.listUsers().then(r => r.data.users.length)", 1),
]  # fmt: skip
PROGRAM = """
import { createClient } from '@supabase/supabase-js'
const { url, key, calls } = JSON.parse(await new Response(process.stdin).text())
const realtime = { transport: globalThis.WebSocket ?? class {} }
const { admin } = createClient(url, key, { realtime, auth: { persistSession: false, autoRefreshToken: false } }).auth
const results = []
for (const text of calls) results.push((await new Function('admin', `return ${text}`)(admin)) ?? null)
console.log(JSON.stringify(results))
"""


async def editor(backend: Backend) -> str:
    body = {"name": "service", "admin_role": "editor"}
    answer = await backend.client.post("/admin/v1/api-keys", json=body, headers=await backend.admin())
    return str(answer.json()["key"])


@pytest.mark.skipif(NODE is None, reason="node and npm are not installed")
async def test_auth_js_makes_reads_changes_and_deletes_people(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        await backend.sign_up("bob")
        said = {"url": url, "key": await editor(backend), "calls": [call for call, _ in CALLS]}
        pipe = asyncio.subprocess.PIPE
        program = ("--input-type=module", "-e", PROGRAM)
        node = await asyncio.create_subprocess_exec(str(NODE), *program, cwd=clients, stdin=pipe, stdout=pipe)
        output, _ = await asyncio.wait_for(node.communicate(json.dumps(said).encode()), timeout=60)
        for (call, expected), result in zip(CALLS, json.loads(output), strict=True):
            assert result == expected, call


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_supabase_auth_makes_reads_changes_and_deletes_people(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url, httpx.AsyncClient() as http:
        client = await acreate_client(url, await editor(backend), AsyncClientOptions(httpx_client=http))
        admin = client.auth.admin
        body: Any = {"email": "ann@example.com", "password": PASSWORD, "email_confirm": True}
        ann = (await admin.create_user(body)).user
        assert [one.email for one in await admin.list_users()] == ["ann@example.com"]
        assert (await admin.get_user_by_id(ann.id)).user.email == "ann@example.com"
        changed = await admin.update_user_by_id(ann.id, {"user_metadata": {"display_name": "Ann"}})
        assert changed.user.user_metadata["display_name"] == "Ann"
        assert await admin.mfa.list_factors({"user_id": ann.id}) is not None
        await admin.delete_user(ann.id)
        assert await admin.list_users() == []

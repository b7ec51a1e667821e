"""orval makes clients of both OpenAPI documents, which compile strictly and are answered by a server."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from app.changes.files import load_file
from app.cli.described import openapi_of
from app.control_plane.router import admin_document
from app.http.json_answer import to_json
from tests.backend import EXAMPLES, PASSWORD, serving
from tests.clients.test_supabase_js import NODE, clients, listening
from tests.clients.test_types import STRICT, compiled, project_of

__all__ = ["clients"]
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

CONFIG = """
const made = (name) => ({
  input: `./${name}.json`,
  output: {
    target: `./${name}.ts`, client: 'fetch', baseUrl: %s,
    override: { fetch: { includeHttpResponseReturnType: false } },
  },
})
module.exports = { admin: made('admin'), backend: made('backend') }
"""
PROGRAM = """
import { createRoles, listRoles, setup, signIn } from './admin.js'
import { getUser, rpcStatus, signUp } from './backend.js'

export const password = %s
const admin = await setup({ email: 'root@example.com', password, token: %s })
const tokens = await signIn({ email: admin.email, password })
const asAdmin = { headers: { Authorization: `Bearer ${tokens.access_token}` } }
await createRoles({ name: 'more' }, {}, asAdmin)
const roles: string[] = (await listRoles(asAdmin)).map((one) => one.name)
const made = await signUp({ email: 'alice@example.com', password })
if (!('access_token' in made)) throw new Error('no session')
export const alice = await getUser({ headers: { Authorization: `Bearer ${made.access_token}` } })
console.log(JSON.stringify({ role: admin.role, roles, email: alice.email, status: await rpcStatus() }))
"""
WRONG = """import { createRoles, setup } from './admin.js'
import { signUp } from './backend.js'
import { alice, password } from './program.js'
await createRoles({ title: 'x' })
await setup({ email: 'a@example.com', password })
export const a: number = alice.email
await signUp({ email: 1, password })
"""


async def test_clients_of_both_documents_compile_and_are_answered(
    migrated_url: str, tmp_path: Path, clients: Path
) -> None:
    document = load_file(EXAMPLES / "documents.yaml")
    # The generator writes an object with a constant among free members as what no compiler takes.
    (tmp_path / "admin.json").write_text(to_json(admin_document()).decode().replace('"const":1,', ""))
    (tmp_path / "backend.json").write_text(openapi_of(project_of(document)))
    async with serving(migrated_url, document) as backend, listening(backend) as url:
        (tmp_path / "orval.config.cjs").write_text(CONFIG % json.dumps(url))
        generator = [str(clients / "node_modules" / ".bin" / "orval"), "--config", "./orval.config.cjs"]
        await asyncio.to_thread(subprocess.run, generator, cwd=tmp_path, check=True, capture_output=True)
        program = PROGRAM % (json.dumps(PASSWORD), json.dumps(backend.app.server.auth.setup_token))
        # The compiler writes the program, whatever is wrong beside it.
        written = [one for one in STRICT if one != "--noEmit"]
        programs = {"program": program, "wrong": WRONG}
        wrong = await asyncio.to_thread(lambda: compiled(tmp_path, clients, *written, **programs))
        assert wrong == {"program": set(), "wrong": {4, 5, 6, 7}}
        node = await asyncio.create_subprocess_exec(
            str(NODE), "program.js", cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await asyncio.wait_for(node.communicate(), timeout=60)
    assert node.returncode == 0, errors.decode()
    answered = json.loads(output)
    assert answered["email"] == "alice@example.com"
    assert answered["role"] == "owner"
    assert "more" in answered["roles"]
    assert answered["status"]

"""Types for frontends and clients of generators: what the backend has compiles strictly, what it hasn't doesn't.

One start of the compiler takes them all, since it reads its own libraries at each.
"""

import asyncio
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.changes.files import load_file
from app.cli.described import openapi_of, types_of
from app.control_plane.router import admin_document
from app.http.json_answer import to_json
from tests.backend import EXAMPLES, PASSWORD, serving
from tests.clients.test_frontend import block
from tests.clients.test_generators import project_of
from tests.clients.test_supabase_js import DOCUMENT, NODE, clients, listening

__all__ = ["clients"]
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

# A frontend has no types of node, which the packages here bring.
STRICT = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext", "--typeRoots", "none"]
PROGRAM = """
import { createClient } from '@supabase/supabase-js'
import type { Database } from './database.js'

const client = createClient<Database>('http://127.0.0.1', 'key')
const { data } = await client.from('my_notes').select('id, title, size, done, tags, data').single()
export const title: string = data!.title
export const size: number | null = data!.size
export const tags: string[] | null = data!.tags
await client.from('my_notes').insert({ title: 'a' })
await client.from('my_notes').insert([{ title: 'a', size: 1, done: null }])
await client.from('my_notes').update({ size: 2 }).eq('title', 'a')
await client.from('my_notes').upsert({ title: 'a', slug: 'b' }, { onConflict: 'slug' })
await client.rpc('add', { a: 1 })
await client.rpc('notes_above', { least: 1 }).select('title').eq('done', true).order('title').limit(1).single()
const beside = await client.from('comments').select('text, people(email), my_notes(title)').single()
export const email: string | undefined = beside.data!.people?.email
export const about: string | undefined = beside.data!.my_notes?.title
"""
CLIENT = """import { createClient } from '@supabase/supabase-js'
import type { Database } from './%s_database.js'
export const client = createClient<Database>('http://127.0.0.1', 'key')
await client.from('nothing').select()
await client.rpc('nothing')
"""
PATHS = """import type { paths } from './%s_api.js'
export type Paths = keyof paths
export const wrong: Paths = '/nothing'
"""
WRONG = [
    "export const a = (await client.from('my_notes').select('secret').single()).data!.secret.length",
    "await client.from('nothing').select()",
    "await client.from('my_notes').insert({ titel: 'a' })",
    "await client.from('my_notes').insert({ title: 'a', owner_user_id: 'x' })",
    "await client.from('my_notes').insert({ slug: 'a' })",
    "await client.from('my_notes').insert({ title: 1 })",
    "await client.from('my_notes').update({ id: 'x' })",
    "await client.from('people').update({ email: 'x' })",
    "await client.rpc('add', { a: 'one' })",
    "await client.rpc('add', {})",
    "export const b: string = (await client.from('my_notes').select('slug').single()).data!.slug",
]
WRONG_ON_PAGE = [
    "await rowgate.from('my_notes').select('txt').single().then((found) => found.data!.txt.length)",
    "await rowgate.rpc('add_note', { text: 1 })",
]
OF_BOTH = """
import type { components, paths } from './admin_api.js'
import type { paths as others } from './documents_api.js'
type Admins = paths['/admin/v1/admins']
type Session = others['/auth/v1/token']['post']['responses'][200]['content']['application/json']
export const path: keyof others = '/auth/v1/token'
export const body: components['schemas']['AdminBody'] = { email: 'a@example.com', password: 'x', role: 'viewer' }
export const code: Admins['post']['responses'][409]['content']['application/problem+json']['code'] = 'admin.exists'
export const email = (session: Session): string => session.user.email
"""
WRONG_OF_BOTH = [
    "export const a: keyof paths = '/admin/v1/nothing'",
    "export const b: components['schemas']['AdminBody'] = { email: 'a@example.com', password: 'x', role: 'nobody' }",
    "export const c: Admins['post']['responses'][409]['content']['application/problem+json']['code'] = 'admin.there'",
    "export const d = (session: Session): number => session.user.email",
]
ORVAL = """
const made = (name) => ({
  input: `./${name}.json`,
  output: {
    target: `./${name}.ts`, client: 'fetch', baseUrl: 'http://here',
    override: { fetch: { includeHttpResponseReturnType: false } },
  },
})
module.exports = { admin: made('admin'), backend: made('backend') }
"""
CALLS = """
import { createRoles, listRoles, setup, signIn } from './admin.js'
import { getUser, rpcStatus, signUp } from './backend.js'

export const password = "the-password"
const admin = await setup({ email: 'root@example.com', password, token: "the-token" })
const tokens = await signIn({ email: admin.email, password })
const asAdmin = { headers: { Authorization: `Bearer ${tokens.access_token}` } }
await createRoles({ name: 'more' }, {}, asAdmin)
const roles: string[] = (await listRoles(asAdmin)).map((one) => one.name)
const made = await signUp({ email: 'alice@example.com', password })
if (!('access_token' in made)) throw new Error('no session')
export const alice = await getUser({ headers: { Authorization: `Bearer ${made.access_token}` } })
console.log(JSON.stringify({ role: admin.role, roles, email: alice.email, status: await rpcStatus() }))
"""
WRONG_CALLS = """import { createRoles, setup } from './admin.js'
import { signUp } from './backend.js'
import { alice, password } from './program.js'
await createRoles({ title: 'x' })
await setup({ email: 'a@example.com', password })
export const a: number = alice.email
await signUp({ email: 1, password })
"""


@dataclass(frozen=True)
class Compiled:
    """What was compiled: the lines of each program that must be wrong, and those that are."""

    folder: Path
    expected: dict[str, set[int]]
    wrong: dict[str, set[int]]

    def of(self, start: str) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
        """Give what is wrong, and what must be, of programs whose names begin so."""
        found = [{name: lines for name, lines in all_.items() if name.startswith(start)}
                 for all_ in (self.wrong, self.expected)]  # fmt: skip
        assert found[1]
        return found[0], found[1]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, clients: Path) -> Compiled:
    """Make types and clients of all documents, and compile the programs that use them."""
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "node_modules").symlink_to(clients / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    programs: dict[str, tuple[str, set[int]]] = {}

    own = _made(folder / "own")
    (own / "database.ts").write_text(types_of(project_of(DOCUMENT)))
    programs["own/program"] = below(PROGRAM, WRONG)

    page = _made(folder / "page")
    (page / "database.ts").write_text(types_of(project_of(load_file(EXAMPLES / "notes.yaml"))))
    programs["page/program"] = below(block("ts"), WRONG_ON_PAGE)

    apis, admin = _made(folder / "apis"), to_json(admin_document()).decode()
    (apis / "admin_api.json").write_text(admin)
    for path in EXAMPLES.glob("*.yaml"):
        project = project_of(load_file(path))
        (apis / f"{path.stem}_database.ts").write_text(types_of(project))
        (apis / f"{path.stem}_api.json").write_text(openapi_of(project))
        programs[f"apis/{path.stem}_client"] = CLIENT % path.stem, {4, 5}
        programs[f"apis/{path.stem}_paths"] = PATHS % path.stem, {3}
    programs["apis/both"] = below(OF_BOTH, WRONG_OF_BOTH)
    made = {one.stem: {"root": one.name, "x-openapi-ts": {"output": f"{one.stem}.ts"}} for one in apis.glob("*.json")}
    (apis / "redocly.yaml").write_text(json.dumps({"apis": made}))
    _run(clients, apis, "openapi-typescript")

    orval = _made(folder / "orval")
    # The generator writes an object with a constant among free members as what no compiler takes.
    (orval / "admin.json").write_text(admin.replace('"const":1,', ""))
    (orval / "backend.json").write_bytes((apis / "documents_api.json").read_bytes())
    (orval / "orval.config.cjs").write_text(ORVAL)
    _run(clients, orval, "orval", "--config", "./orval.config.cjs")
    programs["orval/program"] = CALLS, set()
    programs["orval/wrong"] = WRONG_CALLS, {4, 5, 6, 7}

    for name, (program, _) in programs.items():
        (folder / f"{name}.ts").write_text(program)
    # It writes the programs, whatever is wrong in them.
    said = _run(clients, folder, "tsc", *STRICT, *(f"{name}.ts" for name in programs), may_fail=True)
    wrong: dict[str, set[int]] = {name: set() for name in programs}
    for name, line in re.findall(r"^(\S+)\.ts\((\d+),", said, re.MULTILINE):
        wrong.setdefault(name, set()).add(int(line))
    known = (" ", *(f"{name}.ts(" for name in wrong))
    assert [line for line in said.splitlines() if not line.startswith(known)] == []
    return Compiled(folder, {name: lines for name, (_, lines) in programs.items()}, wrong)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _run(clients: Path, folder: Path, tool: str, *words: str, may_fail: bool = False) -> str:
    """Run a tool of the packages in a folder; gives what it says."""
    command = [str(clients / "node_modules" / ".bin" / tool), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in ((0, 1, 2) if may_fail else (0,)), done.stdout + done.stderr
    return done.stdout


def below(program: str, wrong: list[str]) -> tuple[str, set[int]]:
    """Give a program with lines below it that are wrong, and their numbers."""
    first = len(program.rstrip().splitlines()) + 1
    return "\n".join([program.rstrip(), *wrong]), set(range(first, first + len(wrong)))


def test_what_is_there_compiles_and_what_is_not_does_not(compiled: Compiled) -> None:
    wrong, expected = compiled.of("own/")
    assert wrong == expected


def test_the_types_of_the_page_compile_and_hold_it_to_what_is_there(compiled: Compiled) -> None:
    wrong, expected = compiled.of("page/")
    assert wrong == expected


def test_the_types_and_the_openapi_document_of_every_example_and_of_both_compile(compiled: Compiled) -> None:
    wrong, expected = compiled.of("apis/")
    assert wrong == expected


async def test_orvals_clients_of_both_documents_compile_and_are_answered(migrated_url: str, compiled: Compiled) -> None:
    wrong, expected = compiled.of("orval/")
    assert wrong == expected
    folder = compiled.folder / "orval"
    async with serving(migrated_url, "documents.yaml") as backend, listening(backend) as url:
        known = {"the-password": PASSWORD, "the-token": backend.app.server.auth.setup_token, "http://here": url}
        for written in folder.glob("*.js"):
            text = written.read_text()
            for word, meant in known.items():
                text = text.replace(word, meant)
            written.write_text(text)
        node = await asyncio.create_subprocess_exec(
            str(NODE), "program.js", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await asyncio.wait_for(node.communicate(), timeout=60)
    assert node.returncode == 0, errors.decode()
    answered = json.loads(output)
    assert answered["email"] == "alice@example.com"
    assert answered["role"] == "owner"
    assert "more" in answered["roles"]
    assert answered["status"]

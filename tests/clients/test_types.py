"""Types for frontends: what the backend has compiles strictly, and what it hasn't doesn't compile."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from app.changes.files import load_file
from app.cli.described import openapi_of, types_of
from app.definitions.project import Project, parse_project
from tests.backend import EXAMPLES
from tests.clients.test_supabase_js import DOCUMENT, NODE, clients

__all__ = ["clients"]
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

STRICT = ["--strict", "--noEmit", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
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


def compiled(folder: Path, clients: Path, *flags: str, **programs: str) -> dict[str, set[int]]:
    """Compile programs by one start of the compiler; gives the lines of each that are wrong."""
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(clients / "node_modules")
        (folder / "package.json").write_text('{"type": "module"}')
    for name, program in programs.items():
        (folder / f"{name}.ts").write_text(program)
    command = [clients / "node_modules" / ".bin" / "tsc", *(flags or STRICT), *(f"{name}.ts" for name in programs)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wrong: dict[str, set[int]] = {name: set() for name in programs}
    for name, line in re.findall(r"^(\S+)\.ts\((\d+),", done.stdout, re.MULTILINE):
        wrong.setdefault(name, set()).add(int(line))
    assert done.returncode in (0, 1, 2), done.stdout + done.stderr
    return wrong


def below(program: str, wrong: list[str]) -> tuple[str, set[int]]:
    """Give a program with lines below it that are wrong, and their numbers."""
    first = len(program.rstrip().splitlines()) + 1
    return "\n".join([program.rstrip(), *wrong]), set(range(first, first + len(wrong)))


def types_made(folder: Path, clients: Path, *names: str) -> None:
    """Make types of OpenAPI documents, `name.json` to `name.ts`, by one start of the generator."""
    apis = {name: {"root": f"{name}.json", "x-openapi-ts": {"output": f"{name}.ts"}} for name in names}
    (folder / "redocly.yaml").write_text(json.dumps({"apis": apis}))
    generator = clients / "node_modules" / ".bin" / "openapi-typescript"
    subprocess.run([generator], cwd=folder, check=True, capture_output=True)


def project_of(document: object) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def test_what_is_there_compiles_and_what_is_not_does_not(tmp_path: Path, clients: Path) -> None:
    (tmp_path / "database.ts").write_text(types_of(project_of(DOCUMENT)))
    program, wrong = below(PROGRAM, WRONG)
    assert compiled(tmp_path, clients, program=program) == {"program": wrong}


def test_the_types_and_the_openapi_document_of_every_example_compile(tmp_path: Path, clients: Path) -> None:
    names = [path.stem for path in sorted(EXAMPLES.glob("*.yaml"))]
    assert names
    programs, wrong = {}, {}
    for name in names:
        project = project_of(load_file(EXAMPLES / f"{name}.yaml"))
        (tmp_path / f"{name}_database.ts").write_text(types_of(project))
        (tmp_path / f"{name}_api.json").write_text(openapi_of(project))
        programs[f"{name}_client"], wrong[f"{name}_client"] = CLIENT % name, {4, 5}
        programs[f"{name}_paths"], wrong[f"{name}_paths"] = PATHS % name, {3}
    types_made(tmp_path, clients, *(f"{name}_api" for name in names))
    assert compiled(tmp_path, clients, **programs) == wrong

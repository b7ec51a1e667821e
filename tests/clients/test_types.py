"""Types for frontends: what the backend has compiles strictly, and what it hasn't doesn't compile."""

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


def compiled(folder: Path, clients: Path, program: str) -> str:
    """What the compiler says of a program; nothing where all is well."""
    (folder / "node_modules").symlink_to(clients / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.ts").write_text(program)
    compiler = clients / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([compiler, *STRICT, "program.ts"], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def project_of(document: object) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def test_what_is_there_compiles_and_what_is_not_does_not(tmp_path: Path, clients: Path) -> None:
    (tmp_path / "database.ts").write_text(types_of(project_of(DOCUMENT)))
    said = compiled(tmp_path, clients, PROGRAM + "\n".join(WRONG))
    lines = {int(line) for line in re.findall(r"^program\.ts\((\d+),", said, re.MULTILINE)}
    first = len(PROGRAM.splitlines()) + 1
    assert lines == set(range(first, first + len(WRONG))), said


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.yaml"))])
def test_the_types_of_every_example_compile(tmp_path: Path, clients: Path, name: str) -> None:
    (tmp_path / "database.ts").write_text(types_of(project_of(load_file(EXAMPLES / name))))
    program = """
    import { createClient } from '@supabase/supabase-js'
    import type { Database } from './database.js'
    export const client = createClient<Database>('http://127.0.0.1', 'key')
    await client.from('nothing').select()
    await client.rpc('nothing')
    """
    said = compiled(tmp_path, clients, program)
    assert re.findall(r"^program\.ts\((\d+),", said, re.MULTILINE) == ["5", "6"], said


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.yaml"))])
def test_the_openapi_document_of_every_example_gives_types_that_compile(
    tmp_path: Path, clients: Path, name: str
) -> None:
    (tmp_path / "openapi.json").write_text(openapi_of(project_of(load_file(EXAMPLES / name))))
    generator = clients / "node_modules" / ".bin" / "openapi-typescript"
    subprocess.run([generator, "openapi.json", "-o", "api.ts"], cwd=tmp_path, check=True, capture_output=True)
    program = "import type { paths } from './api.js'\nexport type Paths = keyof paths\n"
    said = compiled(tmp_path, clients, program + "export const wrong: Paths = '/nothing'\n")
    assert re.findall(r"^program\.ts\((\d+),", said, re.MULTILINE) == ["3"], said

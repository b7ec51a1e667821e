"""Generators of clients take both OpenAPI documents whole: what they make compiles, or imports."""

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.changes.files import load_file
from app.cli.described import openapi_of
from app.control_plane.router import admin_document
from app.http.json_answer import to_json
from tests.backend import EXAMPLES
from tests.clients.test_supabase_js import NODE, clients
from tests.clients.test_types import below, compiled, project_of, types_made

__all__ = ["clients"]

CONFIG = """
post_hooks: []
content_type_overrides:
  application/x-ndjson: application/octet-stream
"""
PROGRAM = """
import type { components, paths } from './admin.js'
import type { paths as others } from './backend.js'
type Admins = paths['/admin/v1/admins']
type Session = others['/auth/v1/token']['post']['responses'][200]['content']['application/json']
export const path: keyof others = '/auth/v1/token'
export const body: components['schemas']['AdminBody'] = { email: 'a@example.com', password: 'x', role: 'viewer' }
export const code: Admins['post']['responses'][409]['content']['application/problem+json']['code'] = 'admin.exists'
export const email = (session: Session): string => session.user.email
"""
WRONG = [
    "export const a: keyof paths = '/admin/v1/nothing'",
    "export const b: components['schemas']['AdminBody'] = { email: 'a@example.com', password: 'x', role: 'nobody' }",
    "export const c: Admins['post']['responses'][409]['content']['application/problem+json']['code'] = 'admin.there'",
    "export const d = (session: Session): number => session.user.email",
]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with both documents."""
    (tmp_path / "admin.json").write_bytes(to_json(admin_document()))
    (tmp_path / "backend.json").write_text(openapi_of(project_of(load_file(EXAMPLES / "documents.yaml"))))
    return tmp_path


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_openapi_typescript_makes_types_of_both_that_compile(documents: Path, clients: Path) -> None:
    types_made(documents, clients, "admin", "backend")
    program, wrong = below(PROGRAM, WRONG)
    assert compiled(documents, clients, program=program) == {"program": wrong}


@pytest.mark.parametrize("name", ["admin", "backend"])
def test_openapi_python_client_makes_a_client_that_imports(
    documents: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The generator knows no YAML, and imports too little where a body may be of two types: the first is enough.
    document = json.loads((documents / f"{name}.json").read_bytes())
    for methods in document["paths"].values():
        for operation in methods.values():
            if sent := operation.get("requestBody"):
                sent["content"] = dict(list(sent["content"].items())[:1])
    (documents / "json.json").write_text(json.dumps(document))
    (documents / "config.yaml").write_text(CONFIG)
    made = f"made_of_{name}"
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--fail-on-warning"]
    command += ["--path", "json.json", "--output-path", made, "--meta", "none", "--config", "config.yaml"]
    done = subprocess.run(command, cwd=documents, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(documents)
    package = importlib.import_module(made)
    modules = [one.name for one in pkgutil.walk_packages(package.__path__, f"{made}.")]
    assert any(one.endswith(".create_admin" if name == "admin" else ".sign_in") for one in modules)
    for one in modules:
        importlib.import_module(one)

"""openapi-python-client takes both OpenAPI documents whole: what it makes imports."""

import json
import subprocess
import sys
from pathlib import Path

from app.changes.files import load_file
from app.cli.described import openapi_of
from app.control_plane.router import admin_document
from app.definitions.project import Project, parse_project
from app.http.json_answer import to_json
from tests.backend import EXAMPLES

CONFIG = """
post_hooks: []
content_type_overrides:
  application/x-ndjson: application/octet-stream
"""
# One process makes and imports all, and is gone with its thousands of modules.
PROGRAM = """
import gc, importlib, json, pkgutil, sys
from openapi_python_client.cli import app

gc.disable()
sys.dont_write_bytecode = True
words = ["generate", "--fail-on-warning", "--meta", "none", "--config", "config.yaml"]
for name in sys.argv[1:]:
    left = app([*words, "--path", f"{name}.json", "--output-path", f"made_of_{name}"], standalone_mode=False)
    assert not left, left
found = {}
for name in sys.argv[1:]:
    package = importlib.import_module(f"made_of_{name}")
    found[name] = [one.name for one in pkgutil.walk_packages(package.__path__, f"made_of_{name}.")]
    for one in found[name]:
        importlib.import_module(one)
print(json.dumps(found))
"""


def project_of(document: object) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def test_openapi_python_client_makes_clients_that_import(tmp_path: Path) -> None:
    documents = {
        "admin": to_json(admin_document()).decode(),
        "backend": openapi_of(project_of(load_file(EXAMPLES / "documents.yaml"))),
    }
    for name, text in documents.items():
        # The generator knows no YAML, and imports too little where a body may be of two types: the first is enough.
        document = json.loads(text)
        for methods in document["paths"].values():
            for operation in methods.values():
                if sent := operation.get("requestBody"):
                    sent["content"] = dict(list(sent["content"].items())[:1])
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "program.py", *documents]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, own in (("admin", ".create_admin"), ("backend", ".sign_in")):
        assert any(one.endswith(own) for one in found[name])

"""What a server that is only asked for data holds in memory: nothing of what few servers, or few requests, need."""

import json
import os
import subprocess
import sys

import pytest

from tests.backend import SECRET_KEY

# What isn't loaded by a start on a database that is as it should be, and what needs it.
LATER = {
    "_argon2_cffi_bindings": "a password",
    "alembic": "a database that is to be migrated",
    "app.changes.apply": "a change of definitions",
    "app.control_plane": "the admin API",
    "app.isolation": "the isolation proof",
    "app.policy_tests": "a run of policy tests",
    "celpy": "nothing but its grammar",
    "httpx": "a call to another service",
    "jinja2": "a mail",
    "joserfc": "a token of an issuer",
    "jsonschema": "the command that checks examples",
    "passlib": "a password",
    "pendulum": "nothing",
    "pygments": "nothing",
    "re2": "a pattern in a definition",
    "redis": "a server that counts in Redis",
    "rich": "nothing",
    "segno": "a drawn code of a second factor",
    "sqlalchemy": "the admin API",
    "sqlmodel": "the admin API",
    "webauthn": "a passkey",
    "yaml": "a document",
    "zxcvbn": "a new password",
}
# What is loaded by the first request for sign-in, or for the document of everything.
SIGN_IN = {
    "app.auth.routes.mounted": "sign-in",
    "app.data_plane.described.openapi": "the document",
    "cryptography": "a token, or what is sealed",
    "jose": "a token",
}
ADMIN = {
    "app.control_plane",
    "app.isolation",
    "app.policy_tests",
    "app.changes.apply",
    "sqlalchemy",
    "sqlmodel",
    "yaml",
}

SERVER = """
import asyncio, json, sys

from app.audit.writing import chain_under
from app.changes.standing_start import Start
from app.cli import command, serving
from app.main import create_app
from app.settings import load_settings

LATER, SIGN_IN = map(set, json.loads(sys.argv[1]))


async def asked(app, method, path):
    said = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        said.append(message)

    head = {"method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    client = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "http_version": "1.1"}
    await app({"type": "http", **head, **client}, receive, send)
    headers = {name.decode().lower(): value.decode() for name, value in said[0]["headers"]}
    return said[0]["status"], headers.get("allow")


async def main():
    settings = load_settings(confirm_email=False)
    url = settings.database_url.get_secret_value()
    chain_under(settings.secret_key.get_secret_value())
    await serving._prepare(settings, url, Start())
    app = create_app(settings, url)
    async with app.fastapi.router.lifespan_context(app.fastapi):
        answers = [await asked(app, "GET", "/readyz")]
        at_first = sorted((LATER | SIGN_IN) & set(sys.modules))
        firsts = ("GET", "/openapi.json"), ("GET", "/auth/v1/settings"), ("PATCH", "/auth/v1/settings")
        answers += await asyncio.gather(*(asked(app, *one) for one in firsts))
        loaded, by_sign_in = sorted(LATER & set(sys.modules)), sorted(SIGN_IN & set(sys.modules))
        admins = ("GET", "/admin/v1/roles"), ("GET", "/admin/v1/users"), ("PATCH", "/admin/v1/sign-in")
        answers += await asyncio.gather(*(asked(app, *one) for one in admins))
        by_admins = sorted(LATER & set(sys.modules))
        print(json.dumps({
            "answers": answers, "at_first": at_first, "loaded": loaded, "by_sign_in": by_sign_in, "by_admins": by_admins
        }))


asyncio.run(main())
"""


@pytest.fixture
def served(migrated_url: str) -> dict[str, object]:
    """What a server in a process of its own answered, and what it had loaded before and after sign-in and admins."""
    said = {"ROWGATE_DATABASE_URL": migrated_url, "ROWGATE_SECRET_KEY": SECRET_KEY, "ROWGATE_ENV": "production"}
    words = [sys.executable, "-c", SERVER, json.dumps([[*LATER], [*SIGN_IN]])]
    ended = subprocess.run(words, env={**os.environ, **said}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_a_server_loads_what_few_need_when_it_is_asked_for(served: dict[str, object]) -> None:
    assert served["at_first"] == []
    assert (served["loaded"], served["by_sign_in"]) == ([], sorted(SIGN_IN))
    assert set(served["by_admins"]) >= ADMIN  # type: ignore[call-overload]  # a list
    assert served["answers"] == [
        [200, None], [200, None], [200, None], [405, "GET"],
        [401, None], [401, None], [405, "POST"],
    ]  # fmt: skip

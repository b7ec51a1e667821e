from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.auth.issuers import TestIssuer, issuing
from tests.backend import Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "auth": {"password": {"current": True}},
    "roles": [{"name": "support"}, {"name": "billing"}],
    "users": {
        "columns": [
            {"name": "display_name", "type": "text", "max_length": 20, "self_editable": True},
            {"name": "plan", "type": "enum", "values": ["free", "pro"], "default": "free"},
        ]
    },
    "endpoints": [
        {
            "name": "me", "method": "GET", "path": "/me", "access": "authenticated",
            "steps": [{"do": "respond", "body": {"id": "=auth.user.id", "roles": "=auth.user.roles",
                                                 "plan": "=auth.user.plan"}}],
        },
        {
            "name": "desk", "method": "GET", "path": "/desk", "access": {"roles": ["support"]},
            "steps": [{"do": "respond", "body": {"kind": "=auth.kind"}}],
        },
        {
            "name": "open", "method": "GET", "path": "/open", "access": "public",
            "steps": [{"do": "respond", "body": {"signed_in": "=auth.signed_in", "kind": "=auth.kind"}}],
        },
    ],
}  # fmt: skip


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refusing(shared_url: str) -> AsyncIterator[Backend]:
    """A backend with alice and bob, which the refusals of a module share, since none of them changes anything."""
    async with serving(shared_url, DOCUMENT) as backend:
        backend.people = {name: await backend.sign_up(name) for name in ("alice", "bob")}
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(refusing: Backend) -> dict[str, str]:
    """The header of an admin of the shared backend."""
    return await refusing.admin()


async def sign_in(backend: Backend, email: str, password: str, **headers: str) -> Any:
    body = {"email": email, "password": password}
    return await backend.client.post("/auth/v1/token?grant_type=password", json=body, headers=headers)


async def refresh(backend: Backend, token: str) -> Any:
    return await backend.client.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})


async def admin_sign_in(backend: Backend, email: str, password: str) -> Any:
    return await backend.client.post("/admin/v1/sign-in", json={"email": email, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer() -> AsyncIterator[TestIssuer]:
    """An issuer of tokens, which the tests of a module share."""
    async with issuing() as one:
        yield one


def told(answer: Any) -> tuple[int, str]:
    """Give the status and the code of a refusal."""
    return answer.status_code, answer.json()["code"]

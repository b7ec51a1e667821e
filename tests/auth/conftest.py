from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
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


async def sign_in(backend: Backend, email: str, password: str, **headers: str) -> Any:
    body = {"email": email, "password": password}
    return await backend.client.post("/auth/v1/token?grant_type=password", json=body, headers=headers)


async def refresh(backend: Backend, token: str) -> Any:
    return await backend.client.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})


async def admin_sign_in(backend: Backend, email: str, password: str) -> Any:
    return await backend.client.post("/admin/v1/sign-in", json={"email": email, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}

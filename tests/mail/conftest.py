"""A backend that asks people to confirm their address, and shows the mails that it would send."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest_asyncio

from tests.backend import PASSWORD, Backend
from tests.turns import Turns

SITE = "https://app.example.com"
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "project": {"name": "Shop"},
    "users": {
        "columns": [
            {"name": "nick", "type": "text", "self_editable": True},
            {"name": "plan", "type": "text", "default": "free"},
        ]
    },
    "auth": {"confirm_email": True, "site_url": SITE, "redirect_urls": ["https://other.example.com/**", "shop://back"]},
    "endpoints": [
        {"name": "me", "method": "GET", "path": "/me", "access": "authenticated",
         "steps": [{"do": "respond", "body": {"email": "=auth.user.email", "nick": "=auth.user.nick"}}]},
    ],
}  # fmt: skip
ALICE = "alice@example.com"
LINK = re.compile(r"https?://\S+/auth/v1/verify\?\S+")
CODE = re.compile(r"\b\d{6}\b")


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def mails(backend: Backend) -> list[Any]:
    """Give what would have been sent, the newest first."""
    headers = await backend.admin()
    found = await backend.client.get("/admin/v1/mail", headers=headers)
    assert found.status_code == 200, found.text
    return list(found.json())


async def last_mail(backend: Backend, to: str = ALICE) -> Any:
    return next(one for one in await mails(backend) if one["to"] == to)


def code_of(mail: Any) -> str:
    found = CODE.search(mail["text"])
    assert found is not None, mail
    return found[0]


def link_of(mail: Any) -> str:
    """Give the path and query of the link."""
    found = LINK.search(mail["text"])
    assert found is not None, mail
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}"


def token_of(mail: Any) -> str:
    return parse_qs(urlsplit(link_of(mail)).query)["token"][0]


async def post(backend: Backend, path: str, **body: Any) -> Any:
    return await backend.client.post(f"/auth/v1{path}", json=body)


async def signed_up(backend: Backend, email: str = ALICE, password: str = PASSWORD, **body: Any) -> Any:
    made = await post(backend, "/signup", email=email, password=password, **body)
    assert made.status_code == 200, made.text
    return await last_mail(backend, email)


async def confirmed(backend: Backend, email: str = ALICE, **body: Any) -> Any:
    """Sign somebody up and confirm the address; gives the session."""
    mail = await signed_up(backend, email, **body)
    session = await post(backend, "/verify", type="signup", email=email, token=code_of(mail))
    assert session.status_code == 200, session.text
    return session.json()


def bearer(session: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"}


async def me(backend: Backend, session: Any) -> Any:
    return await backend.client.get("/api/me", headers=bearer(session))

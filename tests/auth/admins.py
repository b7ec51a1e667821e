"""Admins as tests sign them in, with an authenticator, and the mails that are written to them."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.auth.authenticator import shown_code
from tests.auth.conftest import bearer
from tests.backend import ADMIN_PASSWORD, Backend, calling

_NUMBERS = itertools.count(1)


@dataclass
class SomeAdmin:
    """An admin with a session, and what the authenticator knows, if there is one."""

    backend: Backend
    id: str
    email: str
    password: str = ADMIN_PASSWORD
    headers: dict[str, str] = field(default_factory=dict)
    factor: dict[str, Any] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    ahead: int = -1

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        return await self.backend.client.request(method, f"/admin/v1{path}", json=body, headers=self.headers)

    async def code(self, ahead: int | None = None) -> str:
        """Give what the authenticator shows: each asking that of a later step, as time would."""
        if ahead is None:
            ahead, self.ahead = self.ahead, self.ahead + 1
        return await shown_code(self.backend, self.factor, ahead)

    async def sign_in(self, code: str | None = None, **headers: str) -> Any:
        body = {"email": self.email, "password": self.password, **({} if code is None else {"code": code})}
        answer = await self.backend.client.post("/admin/v1/sign-in", json=body, headers=headers)
        if answer.status_code == 200:
            self.headers = bearer(answer.json()["access_token"])
        return answer

    async def add_factor(self, name: str = "phone") -> Any:
        """Begin to add a factor."""
        body = {"current_password": self.password, "name": name}
        answer = await self.call("POST", "/account/factors", body)
        assert answer.status_code == 201, answer.text
        self.factor = answer.json()
        return answer

    async def with_factor(self) -> "SomeAdmin":
        """Have a factor in force."""
        await self.add_factor()
        path = f"/account/factors/{self.factor['id']}/verify"
        ahead, self.ahead = self.ahead, self.ahead + 1
        for _ in range(2):  # its step of thirty seconds may go by on the way
            verified = await self.call("POST", path, {"code": await self.code(ahead)})
            if verified.status_code == 200:
                break
        assert verified.status_code == 200, verified.text
        self.codes = verified.json()["codes"]
        return self


async def some_admin(backend: Backend, owner: dict[str, str], name: str, role: str = "editor") -> SomeAdmin:
    """Make an admin who is signed in."""
    body = {"email": f"{name}@example.com", "password": ADMIN_PASSWORD, "role": role}
    made = await backend.client.post("/admin/v1/admins", json=body, headers=owner)
    assert made.status_code == 201, made.text
    admin = SomeAdmin(backend, made.json()["id"], body["email"])
    assert (await admin.sign_in()).status_code == 200
    return admin


async def mails_to(backend: Backend, owner: dict[str, str], email: str) -> list[dict[str, Any]]:
    """Give the mails to an address, the newest first."""
    found = (await backend.client.get("/admin/v1/mail", headers=owner)).json()
    return [one for one in found if one["to"] == email]


def token_in(text: str) -> str:
    """Give the token of a mail's link."""
    return text.split("#")[1].split(maxsplit=1)[0]


@asynccontextmanager
async def uncounted(served: Backend) -> AsyncIterator[Backend]:
    """Give a server to a client whose address nothing has been counted for."""
    async with calling(served.app, f"127.7.0.{next(_NUMBERS)}") as client:
        yield replace(served, client=client)

"""What each route of /auth/v1 has in the audit log: one row or more of whatever it changes, opens or refuses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pyotp
import pytest_asyncio
from fastapi.routing import iter_route_contexts

from app.auth.counted import ROWS
from app.auth.route_limits import RouteLimits
from app.auth.routes.mounted import auth_router
from tests.auth.conftest import bearer
from tests.auth.issuers import TestIssuer, issuing
from tests.auth.test_providers import NONCE, document, id_token
from tests.backend import PASSWORD, Backend, serving
from tests.mail.conftest import code_of, last_mail, token_of

NEW, WRONG = "another horse battery", "wrong horse battery"
ANN = "ann@example.com"
TOKEN = "/token?grant_type="
PASSKEY = """
INSERT INTO rowgate.passkeys (user_id, credential_id, public_key, sign_count, name)
VALUES ($1, 'c', 'k', 0, 'phone') RETURNING id
"""
# The editor signs in to read mails.
SINCE = "SELECT id, action FROM rowgate.audit WHERE id > $1 AND action <> 'admin.sign_in' ORDER BY id"


@dataclass
class Story:
    """One after the other, by ann and by an editor."""

    backend: Backend
    issuer: TestIssuer
    editor: dict[str, str]
    session: dict[str, Any] = field(default_factory=dict)
    factor: dict[str, Any] = field(default_factory=dict)
    kept: str = ""

    @property
    def me(self) -> str:
        return str(self.session["user"]["id"])

    async def ask(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        own = bearer(self.session["access_token"]) if self.session else {}
        sent = {} if body is None else {"json": body}
        return await self.backend.client.request(method, f"/auth/v1{path}", headers=headers or own, **sent)

    async def opened(self, path: str, **body: Any) -> Any:
        """Open a session that ann goes on with."""
        answer = await self.ask("POST", path, body, headers={"X-Nobody": "1"})
        if answer.status_code == 200 and "access_token" in answer.json():
            self.session = answer.json()
        return answer

    async def totp(self, ahead: int) -> str:
        (row,) = await self.backend.sql("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint / 30 AS step")
        return pyotp.TOTP(self.factor["totp"]["secret"]).generate_otp(row["step"] + ahead)

    async def enroll(self) -> Any:
        answer = await self.ask("POST", "/factors", {"factor_type": "totp", "friendly_name": "phone"})
        self.factor = answer.json()
        return answer

    async def challenged(self, ahead: int | None) -> Any:
        path = f"/factors/{self.factor['id']}"
        self.kept = (await self.ask("POST", f"{path}/challenge", {})).json()["id"]
        code = "000000" if ahead is None else await self.totp(ahead)
        return await self.opened_by(f"{path}/verify", {"challenge_id": self.kept, "code": code})

    async def opened_by(self, path: str, body: Any) -> Any:
        answer = await self.ask("POST", path, body)
        if answer.status_code == 200:
            self.session = answer.json()
        return answer

    async def mailed(self, email: str = ANN) -> Any:
        return await last_mail(self.backend, email)

    async def passkey(self) -> str:
        return str((await self.backend.sql(PASSKEY, self.me))[0]["id"])


Asked = Callable[[Story], Awaitable[Any]]


def asks(method: str, path: str, body: Any = None) -> Asked:
    return lambda story: story.ask(method, path, body)


def opens(path: str, **body: Any) -> Asked:
    return lambda story: story.opened(path, **body)


def edits(method: str, path: str, body: Any = None) -> Asked:
    return lambda story: story.ask(
        method, path.format(me=story.me, factor=story.factor.get("id")), body, headers=story.editor
    )


async def _by_code(story: Story) -> Any:
    return await story.opened("/verify", type="recovery", email=ANN, token=code_of(await story.mailed()))


async def _by_link(story: Story) -> Any:
    return await story.opened("/verify", type="magiclink", token_hash=token_of(await story.mailed()))


async def _by_nonce(story: Story) -> Any:
    return await story.ask("PUT", "/user", {"password": PASSWORD, "nonce": code_of(await story.mailed())})


async def _by_id_token(story: Story) -> Any:
    return await story.opened(f"{TOKEN}id_token", provider="acme", id_token=id_token(story.issuer), nonce=NONCE)


async def _linked(story: Story) -> Any:
    body = {"provider": "acme", "id_token": id_token(story.issuer, "ann2"), "nonce": NONCE, "link_identity": True}
    return await story.ask("POST", f"{TOKEN}id_token", body)


async def _unlinked(story: Story) -> Any:
    user = (await story.ask("GET", "/user")).json()
    return await story.ask("DELETE", f"/user/identities/{user['identities'][1]['identity_id']}")


async def _reused(story: Story) -> Any:
    used = story.session["refresh_token"]
    await story.opened(f"{TOKEN}refresh_token", refresh_token=used)
    await story.backend.sql("UPDATE rowgate.refresh_tokens SET used_at = used_at - interval '1 hour'")
    return await story.ask("POST", f"{TOKEN}refresh_token", {"refresh_token": used})


async def _recovery_code(story: Story) -> Any:
    codes = (await story.ask("POST", "/factors/recovery-codes", {})).json()["codes"]
    await story.opened(f"{TOKEN}password", email=ANN, password=PASSWORD)
    return await story.opened_by("/factors/recovery-codes/verify", {"code": codes[0]})


async def _one_ended(story: Story) -> Any:
    own = next(one for one in (await story.ask("GET", "/sessions")).json() if one["current"])
    return await story.ask("DELETE", f"/sessions/{own['id']}")


async def _passkey_gone(story: Story) -> Any:
    return await story.ask("DELETE", f"/passkeys/{await story.passkey()}")


# What is asked, in this order, and the actions that the log then has more.
TOLD: list[tuple[str, Asked, int, list[str]]] = [
    ("POST /signup", opens("/signup", email=ANN, password=PASSWORD), 200, ["sign_up"]),
    ("POST /signup", opens("/signup", email=ANN, password=PASSWORD), 422, ["sign_up.email_taken"]),
    ("POST /token", opens(f"{TOKEN}password", email=ANN, password=WRONG), 401, ["sign_in.refused"]),
    ("POST /token", opens(f"{TOKEN}password", email=ANN, password=PASSWORD), 200, ["sign_in"]),
    ("POST /otp", opens("/otp", email=ANN), 200, ["sign_in.mailed"]),
    ("POST /magiclink", opens("/magiclink", email=ANN), 200, ["sign_in.mailed"]),
    ("POST /verify", _by_link, 200, ["sign_in"]),
    ("POST /recover", opens("/recover", email=ANN), 200, ["recovery.mailed"]),
    ("POST /verify", opens("/verify", type="recovery", email=ANN, token="000000"), 403, ["sign_in.refused"]),
    ("POST /verify", _by_code, 200, ["sign_in"]),
    ("POST /resend", opens("/resend", email=ANN, type="signup"), 200, ["mail.resent"]),
    ("POST /reauthenticate", asks("POST", "/reauthenticate"), 200, ["reauthentication.mailed"]),
    ("PUT /user", asks("PUT", "/user", {"password": NEW, "nonce": "000000"}), 422, ["user.change_refused"]),
    ("PUT /user", _by_nonce, 200, ["user.change"]),
    ("PUT /user", asks("PUT", "/user", {"password": NEW, "current_password": WRONG}), 403, ["user.change_refused"]),
    ("PUT /user", asks("PUT", "/user", {"data": {"display_name": "Ann"}}), 200, ["user.change"]),
    ("POST /token", _linked, 200, ["identity.link", "sign_in"]),
    ("DELETE /user/identities/{identity_id}", _unlinked, 200, ["identity.unlink"]),
    ("DELETE /passkeys/{passkey_id}", _passkey_gone, 204, ["passkey.remove"]),
    ("POST /factors", lambda story: story.enroll(), 200, ["factor.enroll"]),
    ("POST /factors/{factor_id}/verify", lambda story: story.challenged(None), 422, ["factor.refused"]),
    ("POST /factors/{factor_id}/verify", lambda story: story.challenged(0), 200, ["factor.verify"]),
    ("POST /factors/recovery-codes/verify", _recovery_code, 200, ["recovery_codes.make", "sign_in", "factor.verify"]),
    ("DELETE /factors/{factor_id}", lambda story: story.ask("DELETE", f"/factors/{story.factor['id']}"), 200,
     ["factor.unenroll"]),
    ("DELETE /sessions/{session_id}", _one_ended, 204, ["sign_out"]),
    ("POST /token", opens(f"{TOKEN}password", email=ANN, password=PASSWORD), 200, ["sign_in"]),
    ("POST /token", _reused, 401, ["refresh_token.reuse"]),
    ("POST /token", opens(f"{TOKEN}password", email=ANN, password=PASSWORD), 200, ["sign_in"]),
    ("POST /factors", lambda story: story.enroll(), 200, ["factor.enroll"]),
    ("DELETE /admin/users/{user_id}/factors/{factor_id}", edits("DELETE", "/admin/users/{me}/factors/{factor}"), 200,
     ["user.factor"]),
    ("POST /token", opens(f"{TOKEN}password", email=ANN, password=PASSWORD), 200, ["sign_in"]),
    ("POST /logout", asks("POST", "/logout"), 204, ["sign_out"]),
    ("POST /invite", edits("POST", "/invite", {"email": "bob@example.com"}), 200, ["user.invite"]),
    ("POST /admin/generate_link", edits("POST", "/admin/generate_link", {"type": "recovery", "email": ANN}), 200,
     ["user.link"]),
    ("POST /admin/users", edits("POST", "/admin/users", {"email": "eve@example.com"}), 200, ["user.create"]),
    ("PUT /admin/users/{user_id}", edits("PUT", "/admin/users/{me}", {"ban_duration": "none"}), 200, ["user.change"]),
    ("DELETE /admin/users/{user_id}", edits("DELETE", "/admin/users/{me}", {}), 200, ["user.delete"]),
    ("POST /signup", opens("/signup"), 200, ["sign_up.anonymous"]),
    ("POST /token", _by_id_token, 200, ["sign_up", "sign_in"]),
    ("POST /token", opens(f"{TOKEN}id_token", provider="acme", id_token="x.y.z", nonce="n"), 400, ["sign_in.refused"]),
    ("POST /passkeys/authentication/verify",
     opens("/passkeys/authentication/verify", challenge_id="018f0000-0000-7000-8000-00000000000a", credential={}), 422,
     ["sign_in.refused"]),
]  # fmt: skip
# What opens nothing and changes nothing that lasts: it reads, begins, or gives a name.
QUIET = {
    "GET /user", "GET /reauthenticate", "GET /verify", "HEAD /verify", "GET /sessions", "GET /settings", "GET /health",
    "GET /.well-known/jwks.json", "GET /.well-known/openid-configuration", "GET /authorize",
    "GET /user/identities/authorize", "POST /factors/{factor_id}/challenge", "GET /factors/recovery-codes",
    "POST /passkeys/authentication/options", "POST /passkeys/registration/options", "GET /passkeys",
    "PATCH /passkeys/{passkey_id}", "GET /admin/users", "GET /admin/users/{user_id}",
    "GET /admin/users/{user_id}/factors",
}  # fmt: skip
# What takes a browser: tests/auth/test_browser_flow.py and tests/clients/test_passkeys.py.
BY_BROWSER = {"GET /callback", "POST /callback", "POST /passkeys/registration/verify"}


@pytest_asyncio.fixture(loop_scope="function")
async def story(migrated_url: str) -> AsyncIterator[Story]:
    async with issuing() as issuer:
        auth = {"anonymous": True, "passkeys": True, "site_url": "https://app.example.com"}
        async with serving(migrated_url, document(issuer, auth)) as backend:
            yield Story(backend, issuer, await backend.admin())


def test_of_every_route_it_is_said_what_the_log_has_of_it() -> None:
    routes = iter_route_contexts(auth_router(RouteLimits()).routes)
    found = {f"{method} {str(one.path).removeprefix('/auth/v1')}" for one in routes for method in one.methods or ()}
    assert found - {"POST /factors/recovery-codes"} == {route for route, *_ in TOLD} | QUIET | BY_BROWSER


async def test_the_log_tells_of_what_each_route_did_or_refused(story: Story) -> None:
    last = (await story.backend.sql("SELECT coalesce(max(id), 0) FROM rowgate.audit"))[0][0]
    wrong = []
    for route, asked, status, wanted in TOLD:
        answer = await asked(story)
        rows = await story.backend.sql(SINCE, last)
        last = max([last, *(row["id"] for row in rows)])
        actions = [row["action"] for row in rows]
        if (answer.status_code, actions) != (status, wanted):
            wrong.append((route, answer.status_code, actions, answer.text))
    assert not wrong, "\n".join(map(str, wrong))


async def test_one_caller_fills_the_log_with_refusals_of_one_way_no_further_than_its_bound(story: Story) -> None:
    async def refused(path: str, **body: Any) -> None:
        assert (await opens(path, **body)(story)).status_code in {400, 422}

    rows = "SELECT detail::jsonb FROM rowgate.audit WHERE action = 'sign_in.refused' ORDER BY id"
    bad = {"provider": "acme", "id_token": "x.y.z", "nonce": "n"}
    for _ in range(ROWS.amount):
        await refused(f"{TOKEN}id_token", **bad)
    await asyncio.gather(*(refused(f"{TOKEN}id_token", **bad) for _ in range(5)))
    told = [row[0] for row in await story.backend.sql(rows)]
    assert [one.get("more_not_listed") for one in told] == [None] * (ROWS.amount - 1) + [f"{ROWS.period} s"]
    # Another way in has rows of its own, and so has the next minute.
    no_challenge = {"challenge_id": "018f0000-0000-7000-8000-00000000000a", "credential": {}}
    await refused("/passkeys/authentication/verify", **no_challenge)
    await story.backend.sql("UPDATE rowgate.counted SET at = at - interval '1 minute' WHERE what = 'refusal'")
    await refused(f"{TOKEN}id_token", **bad)
    last = [row[0] for row in await story.backend.sql(rows)][ROWS.amount :]
    assert [one["by"] for one in last] == ["webauthn", "acme"]
    assert not any("more_not_listed" in one for one in last)

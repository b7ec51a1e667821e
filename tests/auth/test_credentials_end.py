"""Every credential against every event that may end it, on two instances whose listeners are frozen."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from app.auth.route_limits import count_for
from app.cli.rotate_keys import rotated
from app.database.embedded import SUPERUSER, EmbeddedPostgres
from app.database.pool import connect
from tests.auth.authenticator import shown_code
from tests.auth.conftest import DOCUMENT, admin_sign_in, bearer, refresh, sign_in
from tests.auth.issuers import AUDIENCE, TestIssuer
from tests.backend import ADMIN_PASSWORD, PASSWORD, SECRET_KEY, Backend, serving
from tests.databases import cloned
from tests.mail.conftest import code_of, last_mail, token_of

NEW_PASSWORD = "another horse battery"
REFRESH, ADMIN_REFRESH = "/auth/v1/token?grant_type=refresh_token", "/admin/v1/refresh"

# What somebody may hold: the session that acts, and a role with it, the same person's on another device, the token
# whose answer was lost on a third one, another issuer's token, a mailed link and code, another person's session, one by
# two factors with a challenge and a recovery code, an API key, and an admin's session.
ROLE = frozenset({"role"})
OWN = frozenset({"access", "refresh"}) | ROLE
OTHERS = frozenset({"other access", "other refresh", "lost refresh"})
BOB = frozenset({"bob access", "bob refresh"})
FOREIGN = frozenset({"foreign"})
MAILED = frozenset({"link", "code"})
FACTOR = frozenset({"challenge", "recovery code"})
BY_TWO = frozenset({"carol access"})
# Of many uses one counts, on whichever instance.
ONE_TIME = MAILED | FACTOR
KEY = frozenset({"api key"})
ADMIN = frozenset({"admin access", "admin refresh"})
NOTHING: frozenset[str] = frozenset()


@dataclass
class Held:
    """Two instances, who is there, and each credential with what it is given to."""

    here: Backend
    there: Backend
    owner: dict[str, str]
    issuer: TestIssuer
    number: int
    carol: dict[str, Any] = field(default_factory=dict)
    factor: dict[str, Any] = field(default_factory=dict)
    alice: dict[str, Any] = field(default_factory=dict)
    admin: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"alice{self.number}"

    @property
    def user(self) -> str:
        return str(self.alice["user"]["id"])

    async def begin(self) -> None:
        """Make everybody anew, whose requests nobody has counted, and let both instances know each credential well."""
        for instance in (self.here, self.there):
            routes = instance.app.fastapi
            count_for(routes, routes.state.counted_as[1])
        self.alice = (await self.here.sign_up(self.name)).session
        other, lost = [(await self.sign_in()).json() for _ in range(2)]
        assert (await refresh(self.here, lost["refresh_token"])).status_code == 200
        # However slow the machine is, its ten seconds aren't over.
        await self.here.sql("UPDATE rowgate.refresh_tokens SET used_at = used_at + interval '1 hour'")
        await self.ask("PUT", f"/admin/v1/users/{self.user}/roles", {"roles": ["support"]})
        bob = (await self.here.sign_up(f"bob{self.number}")).session
        key = await self.ask("POST", "/admin/v1/api-keys", {"name": self.name, "roles": ["support"]})
        address = f"admin{self.number}@example.com"
        made = {"email": address, "password": ADMIN_PASSWORD, "role": "viewer"}
        made_admin = (await self.ask("POST", "/admin/v1/admins", made)).json()
        admin = (await admin_sign_in(self.here, address, ADMIN_PASSWORD)).json()
        self.admin = {**admin, "id": made_admin["id"], "email": address}
        self.credentials = {
            "access": self.alice["access_token"], "role": self.alice["access_token"],
            "refresh": self.alice["refresh_token"],
            "other access": other["access_token"], "other refresh": other["refresh_token"],
            "lost refresh": lost["refresh_token"],
            "bob access": bob["access_token"], "bob refresh": bob["refresh_token"],
            "api key": key.json()["key"],
            "admin access": admin["access_token"], "admin refresh": admin["refresh_token"],
            "foreign": await self._foreign(), **await self._by_two(), **await self._mailed(),
        }  # fmt: skip
        for name in self.credentials:
            if "refresh" not in name and name not in ONE_TIME:
                assert [await self.counts(name, at) for at in (self.here, self.there)] == [True, True], name

    async def _foreign(self) -> str:
        """Let another issuer name alice."""
        row = "INSERT INTO rowgate.identities (user_id, provider, issuer, subject) VALUES ($1, $2, $2, $3)"
        await self.here.sql(row, self.user, self.issuer.name, self.name)
        return self.issuer.signed(sub=self.name)

    async def _mailed(self) -> dict[str, str]:
        await self.here.sql("DELETE FROM rowgate.counted")  # one caller has few tries
        email, found = f"{self.name}@example.com", {}
        for name, path, read in (("code", "recover", code_of), ("link", "magiclink", token_of)):
            await self.ask("POST", f"/auth/v1/{path}", {"email": email}, **{"X-Nobody": "1"})
            found[name] = read(await last_mail(self.here, email))
        return found

    async def _by_two(self) -> dict[str, str]:
        """Let carol sign in by two factors, with a challenge under way and recovery codes."""
        self.carol = (await self.here.sign_up(f"carol{self.number}")).session
        self.factor = (
            await self.as_carol("POST", "/factors", {"factor_type": "totp", "friendly_name": "phone"})
        ).json()
        challenge = await self.challenge()
        body = {"challenge_id": challenge, "code": await self.shown(0)}
        self.carol |= (await self.as_carol("POST", f"/factors/{self.factor['id']}/verify", body)).json()
        codes = (await self.as_carol("POST", "/factors/recovery-codes", {})).json()["codes"]
        return {
            "carol access": self.carol["access_token"], "challenge": await self.challenge(), "recovery code": codes[0],
        }  # fmt: skip

    async def challenge(self) -> str:
        return str((await self.as_carol("POST", f"/factors/{self.factor['id']}/challenge", {})).json()["id"])

    async def shown(self, ahead: int) -> str:
        return await shown_code(self.here, self.factor, ahead)

    async def as_carol(self, method: str, path: str, body: Any = None) -> Any:
        return await self.ask(method, f"/auth/v1{path}", body, **bearer(self.carol["access_token"]))

    async def used(self, name: str, at: Backend) -> bool:
        """Use what is good once; a factor's by a new session of carol's."""
        credential, email = self.credentials[name], f"{self.name}@example.com"
        bodies: dict[str, tuple[str, Any]] = {
            "link": ("/verify", {"type": "magiclink", "token_hash": credential}),
            "code": ("/verify", {"type": "recovery", "email": email, "token": credential}),
            "challenge": (f"/factors/{self.factor['id']}/verify",
                          {"challenge_id": credential, "code": await self.shown(1)}),
            "recovery code": ("/factors/recovery-codes/verify", {"code": credential}),
        }  # fmt: skip
        headers = {}
        if name in FACTOR:
            entered = await sign_in(at, f"carol{self.number}@example.com", PASSWORD)
            if entered.status_code != 200:
                return False
            headers = bearer(entered.json()["access_token"])
        path, body = bodies[name]
        answer = await at.client.post(f"/auth/v1{path}", json=body, headers=headers)
        assert answer.status_code in {200, 403, 404, 422}, (name, answer.text)
        return bool(answer.status_code == 200)

    async def sign_in(self, password: str = PASSWORD) -> Any:
        return await sign_in(self.here, f"{self.name}@example.com", password)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await self.here.client.request(method, path, json=body, headers=headers or self.owner)
        assert answer.status_code < 300, answer.text
        return answer

    async def as_alice(self, method: str, path: str, body: Any = None) -> Any:
        return await self.ask(method, path, body, **bearer(self.alice["access_token"]))

    async def counts(self, name: str, at: Backend) -> bool:
        """Say whether a credential is taken on every plane that knows it, or on none."""
        if name in ONE_TIME:
            return await self.used(name, at)
        credential = self.credentials[name]
        if "refresh" in name:
            path = ADMIN_REFRESH if "admin" in name else REFRESH
            answers = [await at.client.post(path, json={"refresh_token": credential})]
        else:
            paths = {
                "admin access": ["/admin/v1/endpoints"],
                "api key": ["/api/desk"],
                "role": ["/api/desk"],
                "foreign": ["/api/me", "/rest/v1/people"],
            }
            wanted = paths.get(name, ["/api/me", "/rest/v1/people", "/auth/v1/user", "/auth/v1/sessions"])
            answers = [await at.client.get(path, headers=bearer(credential)) for path in wanted]
        statuses = {answer.status_code for answer in answers}
        assert statuses in ({200}, {401}, {403}), (name, statuses)
        return statuses == {200}


async def _sql(held: Held, statement: str) -> None:
    await held.here.sql(statement, held.user)


async def _reused(held: Held) -> None:
    first = held.alice["refresh_token"]
    held.credentials["refresh"] = (await refresh(held.here, first)).json()["refresh_token"]
    await _sql(
        held,
        "UPDATE rowgate.refresh_tokens t SET used_at = used_at - interval '11 seconds' FROM rowgate.sessions s"
        " WHERE s.id = t.session_id AND s.user_id = $1 AND t.used_at < now()",
    )
    assert (await refresh(held.here, first)).status_code == 401


async def _leaked(held: Held) -> None:
    await rotated(held.here.url, SECRET_KEY, "ES256", at_once=True)
    for instance in (held.here, held.there):  # which each of them does every second
        await instance.app.server.live.refresh()


async def _own_session(held: Held) -> Any:
    listed = (await held.as_alice("GET", "/auth/v1/sessions")).json()
    assert len(listed) == 3
    (own,) = (one for one in listed if one["current"])
    return own


async def _one_ended_by_an_admin(held: Held) -> None:
    own = await _own_session(held)
    await held.ask("DELETE", f"/admin/v1/users/{held.user}/sessions/{own['id']}")


async def _one_ended(held: Held) -> None:
    own = await _own_session(held)
    assert (await held.here.client.delete(f"/auth/v1/sessions/{own['id']}")).status_code == 401
    by_bob = await held.here.client.delete(
        f"/auth/v1/sessions/{own['id']}", headers=bearer(held.credentials["bob access"])
    )
    assert by_bob.status_code == 404
    await held.as_alice("DELETE", f"/auth/v1/sessions/{own['id']}")


def as_alice(method: str, path: str, body: Any = None) -> "Event":
    return lambda held: held.as_alice(method, path, body)


def by_owner(method: str, path: str, body: Any = None) -> "Event":
    return lambda held: held.ask(
        method,
        path.format(
            user=held.user, name=held.name, admin=held.admin["id"], carol=held.carol["user"]["id"],
            factor=held.factor["id"],
        ),
        body,
    )  # fmt: skip


def as_carol(method: str, path: str, body: Any = None) -> "Event":
    return lambda held: held.as_carol(method, path.format(factor=held.factor["id"]), body)


async def _readdressed(held: Held) -> None:
    await held.as_alice("PUT", "/auth/v1/user", {"email": f"new.{held.name}@example.com"})


async def _readdressed_by_an_admin(held: Held) -> None:
    await held.ask("PATCH", f"/admin/v1/users/{held.user}", {"email": f"new.{held.name}@example.com"})


def as_admin(method: str, path: str, body: Any = None) -> "Event":
    return lambda held: held.ask(method, path, body, **bearer(held.admin["access_token"]))


def by_hand(statement: str) -> "Event":
    return lambda held: _sql(held, statement)


Event = Callable[[Held], Awaitable[Any]]
CHANGE = {"password": NEW_PASSWORD, "current_password": PASSWORD}
ADMIN_CHANGE = {"password": "one more much longer battery", "current_password": ADMIN_PASSWORD}
EVENTS: dict[str, tuple[Event, frozenset[str]]] = {
    "signed out everywhere": (as_alice("POST", "/auth/v1/logout"), OWN | OTHERS),
    "signed out here": (as_alice("POST", "/auth/v1/logout?scope=local"), OWN),
    "signed out elsewhere": (as_alice("POST", "/auth/v1/logout?scope=others"), OTHERS),
    "one session ended by oneself": (_one_ended, OWN),
    "one session ended by an admin": (_one_ended_by_an_admin, OWN),
    "password changed": (as_alice("PUT", "/auth/v1/user", CHANGE), OTHERS | MAILED),
    "password given by an admin": (
        by_owner("PUT", "/admin/v1/users/{user}/password", {"password": NEW_PASSWORD}), OWN | OTHERS | MAILED),
    "signed out by an admin": (by_owner("POST", "/admin/v1/users/{user}/sign-out"), OWN | OTHERS),
    "disabled": (by_owner("POST", "/admin/v1/users/{user}/disable"), OWN | OTHERS | FOREIGN | MAILED),
    "deleted": (by_owner("DELETE", "/admin/v1/users/{user}"), OWN | OTHERS | FOREIGN | MAILED),
    "disabled by hand": (
        by_hand("UPDATE rowgate.accounts SET disabled_at = now() WHERE user_id = $1"), OWN | OTHERS | FOREIGN | MAILED),
    "sessions deleted by hand": (by_hand("DELETE FROM rowgate.sessions WHERE user_id = $1"), OWN | OTHERS),
    "at its last day": (
        by_hand("UPDATE rowgate.sessions SET expires_at = now() WHERE user_id = $1"), OWN | OTHERS),
    "idle for too long": (
        by_hand("UPDATE rowgate.sessions SET refreshed_at = now() - interval '8 days' WHERE user_id = $1"),
        frozenset({"refresh", "other refresh", "lost refresh"})),
    "a used token came again": (_reused, OWN),
    "the role taken": (by_owner("PUT", "/admin/v1/users/{user}/roles", {"roles": ["billing"]}), ROLE),
    "the address confirmed": (by_owner("POST", "/admin/v1/users/{user}/confirm"), NOTHING),
    "the key revoked": (by_owner("DELETE", "/admin/v1/api-keys/{name}"), KEY),
    "the key expired": (
        by_hand("UPDATE rowgate.api_keys SET expires_at = now() WHERE revoked_at IS NULL AND $1::uuid IS NOT NULL"),
        KEY),
    "the admin signed out": (as_admin("POST", "/admin/v1/sign-out"), ADMIN),
    "the admin's password given": (
        by_owner("PUT", "/admin/v1/admins/{admin}/password", {"password": ADMIN_CHANGE["password"]}), ADMIN),
    "the admin's password changed": (as_admin("PUT", "/admin/v1/password", ADMIN_CHANGE), NOTHING),
    "the admin disabled": (by_owner("PATCH", "/admin/v1/admins/{admin}", {"disabled": True}), ADMIN),
    "the admin deleted": (by_owner("DELETE", "/admin/v1/admins/{admin}"), ADMIN),
    "a key of access tokens leaked": (_leaked, frozenset({"access", "role", "other access", "bob access"}) | BY_TWO),
    "the address changed": (_readdressed, MAILED),
    "the address changed by an admin": (_readdressed_by_an_admin, MAILED),
    "another issuer names nobody here": (by_hand("DELETE FROM rowgate.identities WHERE user_id = $1"), FOREIGN),
    "mails are over": (
        by_hand("UPDATE rowgate.one_time_tokens SET expires_at = now(), code_expires_at = now() WHERE user_id = $1"),
        MAILED),
    "a factor taken by an editor": (
        by_owner("DELETE", "/auth/v1/admin/users/{carol}/factors/{factor}"), BY_TWO | FACTOR),
    "a factor taken away by oneself": (as_carol("DELETE", "/factors/{factor}"), FACTOR),
    "recovery codes made anew": (as_carol("POST", "/factors/recovery-codes", {}), frozenset({"recovery code"})),
    "challenges are over": (
        by_hand("UPDATE rowgate.factor_challenges SET expires_at = now() WHERE $1::uuid IS NOT NULL"),
        frozenset({"challenge"})),
    "another person disabled": (by_owner("POST", "/admin/v1/users/{carol}/disable"), BY_TWO | FACTOR),
}  # fmt: skip


@pytest.fixture(scope="module")
def database(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    yield from cloned(embedded_server, migrated_template)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def instances(
    embedded_server: EmbeddedPostgres, database: str, issuer: TestIssuer
) -> AsyncIterator[tuple[Backend, Backend]]:
    """Two of them, whose backends that LISTEN are stopped: neither hears a thing, nor that nothing comes."""
    people = {"name": "people", "table": "users", "access": "authenticated", "columns": ["id"]}
    taken = {"issuer": issuer.name, "audience": AUDIENCE}
    project = {"http_allow": [issuer.server.host]}
    auth = {**DOCUMENT["auth"], "site_url": "https://app.example.com", "issuers": [taken]}
    document = {**DOCUMENT, "project": project, "auth": auth, "views": [people]}
    async with AsyncExitStack() as stack:
        here, there = [await stack.enter_async_context(serving(database, document)) for _ in range(2)]
        frozen: set[int] = set()
        try:
            async with asyncio.timeout(30):
                while len(frozen) < 2:  # each begins to listen when it has connected
                    frozen |= await _freeze(embedded_server, database)
            yield here, there
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)


async def _freeze(server: EmbeddedPostgres, database: str) -> set[int]:
    connection = await connect(server.url(database="postgres", user=SUPERUSER))
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query ILIKE 'listen%' AND state = 'idle'",
        urlsplit(database).path[1:],
    )
    await connection.close()
    for row in rows:
        os.kill(row["pid"], signal.SIGSTOP)
    return {row["pid"] for row in rows}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(instances: tuple[Backend, Backend]) -> dict[str, str]:
    return await instances[0].admin()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("event", EVENTS)
async def test_an_event_ends_these_credentials_at_once_on_both_instances_and_no_others(
    event: str, instances: tuple[Backend, Backend], owner: dict[str, str], issuer: TestIssuer
) -> None:
    held = Held(*instances, owner, issuer, list(EVENTS).index(event))
    await held.begin()
    happens, ends = EVENTS[event]
    await happens(held)
    for name in held.credentials:
        for instance in (held.there, held.here):
            is_spent = name in ONE_TIME and instance is held.here
            assert await held.counts(name, instance) is (name not in ends and not is_spent), (event, name)

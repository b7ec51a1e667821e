"""The use of a secret is in the audit log: by whom and where, never its value, and not once for every call."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.auth.identity import ANONYMOUS
from app.secrets import uses
from tests.backend import Backend, Person, serving
from tests.outward.upstream import Upstream, upstream

NOTES = {"name": "notes", "columns": [{"name": "body", "type": "text"}]}
INSERT = {"do": "insert", "table": "notes", "set": {"body": "x"}}
VALUE = "sk_live_canary"


def endpoint(name: str, *steps: Any) -> dict[str, Any]:
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": list(steps)}


def document(up: Upstream) -> dict[str, Any]:
    call = {"do": "http", "method": "POST", "url": f"{up.url}/a", "headers": {"X": "=secrets.ONE"}}
    both = {**call, "json": {"k": "=secrets.TWO"}}
    later = {**call, "after": "commit", "sign": "TWO"}
    return {
        "rowgate": 1,
        "project": {"http_allow": [up.host]},
        "tables": [NOTES],
        "middleware": [{"name": "asks", "steps": [call]}],
        "endpoints": [
            endpoint("pay", call),
            endpoint("pay_and_write", call, INSERT),
            endpoint("pay_and_fail", call, INSERT, {"do": "fail", "status": 409}),
            endpoint("both", both),
            {**endpoint("through", INSERT), "middleware": ["asks"]},
            endpoint("later", INSERT, later),
            endpoint("later_and_fail", INSERT, later, {"do": "fail", "status": 409}),
            endpoint("never", {**call, "when": "false"}),
        ],
    }


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def up() -> AsyncIterator[Upstream]:
    async with upstream() as found:
        yield found


@pytest.fixture
async def backend(migrated_url: str, up: Upstream) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(up)) as served:
        root = await served.admin()
        for name in ("ONE", "TWO"):
            body = {"name": name, "value": VALUE, "hosts": [up.host]}
            assert (await served.client.post("/admin/v1/secrets", json=body, headers=root)).status_code == 201
        yield served


@pytest.fixture
def clock(backend: Backend) -> Clock:
    clock = Clock()
    backend.app.server.plane.services.outward.uses = uses.SecretUses(clock)
    return clock


async def ask(backend: Backend, name: str, person: Person | None = None, **headers: str) -> httpx.Response:
    if person is not None:
        return await person.post(f"/api/{name}")
    return await backend.client.post(f"/api/{name}", headers=headers)


async def used(backend: Backend) -> list[tuple[str, str, dict[str, Any]]]:
    found = await backend.sql("SELECT * FROM rowgate.audit WHERE action = 'secret.use' ORDER BY id")
    assert VALUE not in str(found)
    return [(row["actor"], row["target"], row["detail"]) for row in found]


async def test_a_use_is_one_row_with_who_and_where(backend: Backend) -> None:
    assert (await ask(backend, "pay")).status_code == 204
    here = {"by": "endpoints/pay.steps/0"}
    assert await used(backend) == [("anonymous", "ONE", here)]


async def test_users_and_keys_are_named(backend: Backend) -> None:
    root = await backend.admin()
    key = (await backend.client.post("/admin/v1/api-keys", json={"name": "robot"}, headers=root)).json()["key"]
    alice = await backend.sign_up("alice")
    await ask(backend, "pay", alice)
    await ask(backend, "pay", authorization=f"Bearer {key}")
    assert [row[0] for row in await used(backend)] == [f"user:{alice.id}", "key:robot"]


async def test_each_secret_endpoint_and_caller_has_a_row_in_ten_minutes(backend: Backend, clock: Clock) -> None:
    alice = await backend.sign_up("alice")

    async def all_of_them() -> list[str]:
        seen = len(await used(backend))
        for _ in range(3):
            for name in ("pay", "both", "through"):
                assert (await ask(backend, name)).status_code == 204
            assert (await ask(backend, "pay", alice)).status_code == 204
        return [f"{row[2]['by'].partition('.')[0]} {row[1]} {row[0][:4]}" for row in (await used(backend))[seen:]]

    once = [
        "endpoints/pay ONE anon", "endpoints/both ONE anon", "endpoints/both TWO anon", "endpoints/through ONE anon",
        "endpoints/pay ONE user",
    ]  # fmt: skip
    assert await all_of_them() == once
    clock.now = uses.SECONDS - 1
    assert await all_of_them() == []
    clock.now = uses.SECONDS
    assert await all_of_them() == once


async def test_a_use_stays_in_the_log_when_the_request_is_refused_behind_it(backend: Backend, up: Upstream) -> None:
    assert (await ask(backend, "pay_and_fail")).status_code == 409
    assert (len(up.asked), len(await used(backend))) == (1, 1)
    assert await backend.sql("SELECT 1 FROM data.notes") == []
    assert (await ask(backend, "pay_and_write")).status_code == 204
    assert len(await used(backend)) == 2


async def test_a_call_after_the_commit_is_written_with_the_transaction_or_not_at_all(
    backend: Backend, clock: Clock
) -> None:
    assert (await ask(backend, "later_and_fail")).status_code == 409
    assert await used(backend) == []
    for _ in range(2):
        assert (await ask(backend, "later")).status_code == 204
    assert [(row[1], row[2]["by"]) for row in await used(backend)] == [
        ("ONE", "endpoints/later.steps/1"), ("TWO", "endpoints/later.steps/1"),
    ]  # fmt: skip
    assert clock.now == 0


async def test_no_call_is_made_that_cant_be_written_down(backend: Backend, up: Upstream) -> None:
    await backend.sql("ALTER TABLE rowgate.audit ADD CONSTRAINT refused CHECK (false) NOT VALID")
    for name in ("pay", "pay_and_write", "later"):
        assert (await ask(backend, name)).status_code >= 400
    assert up.asked == []
    assert await backend.sql("SELECT 1 FROM data.notes UNION ALL SELECT 1 FROM rowgate.outbox") == []
    await backend.sql("ALTER TABLE rowgate.audit DROP CONSTRAINT refused")
    assert (await ask(backend, "pay")).status_code == 204
    assert len(await used(backend)) == 1


async def test_what_is_not_used_or_not_there_is_not_written(backend: Backend, up: Upstream) -> None:
    assert (await ask(backend, "never")).status_code == 204
    await backend.sql("DELETE FROM rowgate.secrets WHERE name = 'TWO'")
    assert (await ask(backend, "both")).json()["code"] == "secrets.missing"
    assert (await used(backend), up.asked) == ([], [])


async def test_a_simulation_uses_no_secret(backend: Backend) -> None:
    root = await backend.admin()
    for name in ("pay", "later"):
        said = {"method": "POST", "path": f"/api/{name}", "as": "anonymous"}
        assert (await backend.client.post("/admin/v1/simulate", json=said, headers=root)).status_code == 200
    assert await used(backend) == []


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "REMEMBERED", 3)
    remembered = uses.SecretUses(Clock())
    for number in range(10):
        remembered.written(remembered.due([f"K{number}"], "endpoints/pay", ANONYMOUS))
    assert remembered.due(["K9", "K8", "K7"], "endpoints/pay", ANONYMOUS) == []
    assert len(remembered.due(["K6"], "endpoints/pay", ANONYMOUS)) == 1

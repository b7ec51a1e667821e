"""Every example of docs/steps.md runs, through a whole server, and does what its section says."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.database.clock import DatabaseClock
from app.database.embedded import EmbeddedPostgres
from app.steps.registry import KINDS
from tests.backend import PASSWORD, Backend, Person, serving
from tests.databases import cloned
from tests.docs.step_examples import Example, around, examples
from tests.outward.test_client import certificate, secure
from tests.outward.upstream import Upstream

EXAMPLES = examples()
NOBODYS = "018f0000-0000-7000-8000-00000000000a"
pytestmark = pytest.mark.asyncio(loop_scope="module")


class World:
    """Alice, who is pro, with the documents Plan (3.50) and Other (0.50); bob, who is free, with Bobs (10)."""

    def __init__(self, backend: Backend, pay: Upstream) -> None:
        self.backend, self.pay = backend, pay
        self.alice, self.bob = backend.people["alice"], backend.people["bob"]
        self.name, self.document = "", ""

    async def reset(self, name: str) -> None:
        self.name = name
        await self.sql("DELETE FROM data.documents")
        await self.sql("UPDATE data.users SET plan = CASE WHEN id = $1 THEN 'pro' ELSE 'free' END", self.alice.id)
        await self.write("Plan", self.alice, "3.50")
        await self.write("Other", self.alice, "0.50")
        await self.write("Bobs", self.bob, "10")
        (row,) = await self.sql("SELECT id FROM data.documents WHERE title = 'Plan'")
        self.document = str(row["id"])

    async def write(self, title: str, owner: Person | None = None, amount: str | None = None) -> None:
        insert = "INSERT INTO data.documents (owner_user_id, title, amount) VALUES ($1, $2, $3::text::numeric)"
        await self.sql(insert, (owner or self.alice).id, title, amount)

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        return await self.backend.sql(statement, *parameters)

    async def ask(self, who: Person | None = None, document: str | None = None, **given: Any) -> Any:
        return await (who or self.alice).post(f"/api/{self.name}/{document or self.document}", given)

    async def titles(self) -> list[str]:
        """Give the titles of all documents with their owner's first letter, in the order that they were written."""
        rows = await self.sql(
            "SELECT d.title, u.email FROM data.documents d JOIN data.users u ON u.id = d.owner_user_id ORDER BY d.ctid"
        )
        return [f"{row['email'][0]} {row['title']}" for row in rows]


BEFORE = ["a Plan", "a Other", "b Bobs"]


@pytest.fixture(scope="module")
def module_url(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    yield from cloned(embedded_server, migrated_template)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One server with every example; api.pay.example is a server of the test's own, whose certificate is trusted."""
    pem = certificate(Path(tmp_path_factory.mktemp("pay")), "api.pay.example")
    loop = asyncio.get_running_loop()
    resolve, connect = loop.getaddrinfo, loop.create_connection
    with pytest.MonkeyPatch.context() as patched:
        async with secure(pem) as pay:

            async def at_home(host: Any, port: Any, **more: Any) -> Any:
                return await resolve("127.0.0.1" if host == "api.pay.example" else host, port, **more)

            async def to_its_port(factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
                return await connect(factory, host, pay.port if port == 443 else port, **more)

            patched.setenv("SSL_CERT_FILE", str(pem))
            patched.setattr(loop, "getaddrinfo", at_home)
            patched.setattr(loop, "create_connection", to_its_port)
            async with serving(module_url, around(*EXAMPLES)) as backend:
                backend.people = {name: await backend.sign_up(name) for name in ("alice", "bob")}
                root = await backend.admin()
                for name, value in (("PAY_KEY", "sk_live_1"), ("WEBHOOK_KEY", "sk_webhook_1")):
                    secret = {"name": name, "value": value, "hosts": ["api.pay.example"]}
                    made = await backend.client.post("/admin/v1/secrets", json=secret, headers=root)
                    assert made.status_code == 201, made.text
                yield World(backend, pay)


async def fetch(world: World) -> None:
    answer = await world.ask()
    assert (answer.json()["document"]["id"], answer.json()["document"]["title"]) == (world.document, "Plan")
    assert (await world.ask(document=NOBODYS)).status_code == 404


async def list_(world: World) -> None:
    assert [row["title"] for row in (await world.ask()).json()["mine"]] == ["Other", "Plan"]
    for number in range(25):
        await world.sql(
            "INSERT INTO data.documents (owner_user_id, title) VALUES ($1, $2)", world.alice.id, str(number)
        )
    mine = (await world.ask()).json()["mine"]
    assert (len(mine), mine[0]["title"]) == (20, "24")


async def count(world: World) -> None:
    assert (await world.ask()).json() == {"total": 2}
    assert (await world.ask(world.bob)).json() == {"total": 1}


async def exists(world: World) -> None:
    assert (await world.ask()).json() == {"taken": True}
    await world.sql("UPDATE data.documents SET title = 'Plans'")
    assert (await world.ask()).json() == {"taken": False}


async def aggregate(world: World) -> None:
    groups = [
        {"owner_user_id": world.alice.id, "documents": 2, "total": 4.0},
        {"owner_user_id": world.bob.id, "documents": 1, "total": 10},
    ]
    groups.sort(key=lambda group: str(group["owner_user_id"]))
    assert (await world.ask()).json() == {"by_owner": groups}


async def insert(world: World) -> None:
    made = (await world.ask(world.bob)).json()["document"]
    assert (made["owner_user_id"], made["title"], made["amount"]) == (world.bob.id, "Untitled", None)
    assert await world.titles() == [*BEFORE, "b Untitled"]


async def insert_many(world: World) -> None:
    both = (await world.ask(world.bob)).json()["both"]
    assert [(row["owner_user_id"], row["title"]) for row in both] == [
        (world.bob.id, "draft"),
        (world.bob.id, "final"),
    ]
    assert await world.titles() == [*BEFORE, "b draft", "b final"]


async def update(world: World) -> None:
    assert (await world.ask()).status_code == 204
    rows = await world.sql("SELECT title, amount FROM data.documents ORDER BY title")
    assert [(row["title"], float(row["amount"])) for row in rows] == [("Bobs", 9), ("Other", 0.5), ("Plan", 2.5)]
    await world.sql("UPDATE data.documents SET amount = 0")
    assert (await world.ask()).status_code == 204  # any number of rows will do, also none


async def delete(world: World) -> None:
    assert (await world.ask()).status_code == 204
    assert await world.titles() == BEFORE[1:]


async def require(world: World) -> None:
    assert (await world.ask()).status_code == 204
    refused = (await world.ask(world.bob)).json()
    assert (refused["status"], refused["code"], refused["detail"]) == (
        403, "plan.pro_required", "This is part of Pro.",
    )  # fmt: skip


async def validate(world: World) -> None:
    assert (await world.ask(title="abc")).status_code == 204
    for title in ("ab", None):
        refused = (await world.ask(title=title)).json()
        assert (refused["status"], refused["code"], refused["detail"]) == (
            422, "input.invalid", "Write a little more.",
        )  # fmt: skip
        assert [error["loc"] for error in refused["errors"]] == [["input", "title"]]


async def rate_limit(world: World) -> None:
    answers = [await world.ask(who) for who in (world.alice, world.bob) * 5]
    assert {answer.status_code for answer in answers} == {204}
    assert answers[-1].headers["ratelimit-policy"].endswith("q=10;w=60")
    refused = await world.ask()
    assert (refused.status_code, refused.json()["code"]) == (429, "chain.rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60


async def quota(world: World) -> None:
    for number in range(2):
        await world.sql(
            "INSERT INTO data.documents (owner_user_id, title) VALUES ($1, $2)", world.alice.id, str(number)
        )
    assert (await world.ask()).status_code == 204
    await world.write("fifth")
    refused = (await world.ask()).json()
    assert (refused["status"], refused["code"], refused["detail"]) == (402, "chain.over_quota", "Five are free.")
    assert (await world.ask(world.bob)).status_code == 204


async def time_window(world: World) -> None:
    class Told(DatabaseClock):
        moment = datetime(2036, 1, 31, 16, 59, 59, tzinfo=UTC)

        def now(self) -> datetime:
            return self.moment

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.backend.app.server.live, "clock", Told())
        assert (await world.ask()).status_code == 204
        Told.moment = datetime(2036, 1, 31, 17, 0, tzinfo=UTC)  # six in the evening in Zurich
        refused = await world.ask()
    assert (refused.status_code, refused.json()["code"], refused.json()["detail"]) == (
        403, "chain.outside_window", "Submissions are closed.",
    )  # fmt: skip
    assert "retry-after" not in refused.headers


async def set_(world: World) -> None:
    assert (await world.ask(count=4)).json() == {"double": 8, "more": 9}


async def if_(world: World) -> None:
    assert (await world.ask()).json() == {"limit": 100}
    assert (await world.ask(world.bob)).json() == {"limit": 10}


async def for_each(world: World) -> None:
    assert (await world.ask(world.bob)).status_code == 204
    assert await world.titles() == [*BEFORE, "b draft", "b final"]


async def call(world: World) -> None:
    answers = [await world.ask() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [204, 204, 204, 429]
    assert (await world.ask(world.bob)).status_code == 204


async def http(world: World) -> None:
    answer = await world.ask()
    charge = answer.json()["charge"]
    assert (charge["status"], charge["body"], charge["error"]) == (200, {"ok": True}, None)
    (asked,) = world.pay.asked
    assert (asked.method, asked.path, asked.headers["host"]) == ("POST", "/v1/charges", "api.pay.example")
    assert asked.headers["authorization"] == "Bearer sk_live_1"
    assert json.loads(asked.body) == {"document": world.document, "amount": 3.5}
    assert "sk_live" not in answer.text


async def entered(world: World, session: dict[str, Any]) -> Any:
    """Give who a session lets in, by the auth API."""
    assert session["refresh_token"]
    assert session["expires_at"] > datetime.now(UTC).timestamp()
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    return (await world.backend.client.get("/auth/v1/user", headers=headers)).json()["email"]


async def sign_up(world: World) -> None:
    made = (await world.ask(email="carol@example.com", password=PASSWORD)).json()["made"]
    assert (made["user"]["email"], made["user"]["plan"]) == ("carol@example.com", "free")
    assert await entered(world, made["session"]) == "carol@example.com"
    assert (await world.ask(email="carol@example.com", password=PASSWORD)).json()["code"] == "auth.email_taken"


async def sign_in(world: World) -> None:
    found = (await world.ask(email="bob@example.com", password=PASSWORD)).json()["entered"]
    assert found["user"]["id"] == world.bob.id
    assert await entered(world, found["session"]) == "bob@example.com"
    wrong = await world.ask(email="bob@example.com", password="wrong horse battery")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.credentials_invalid")


async def issue_session(world: World) -> None:
    assert await entered(world, (await world.ask(world.bob)).json()["session"]) == "bob@example.com"


async def update_user(world: World) -> None:
    changed = (await world.ask(world.bob)).json()["changed"]
    assert (changed["id"], changed["plan"]) == (world.bob.id, "pro")
    assert [row["plan"] for row in await world.sql("SELECT plan FROM data.users WHERE id = $1", world.bob.id)] == [
        "pro"
    ]


async def respond(world: World) -> None:
    answer = await world.ask()
    assert (answer.status_code, answer.json(), answer.headers["x-total"]) == (201, {"id": world.document}, "1")


async def verify_signature(world: World) -> None:
    sent = json.dumps({"title": "Signed"}).encode()
    path, right = f"/api/{world.name}/{world.document}", hmac.digest(b"sk_webhook_1", sent, "sha256").hex()
    answers = [
        await world.alice.call(
            "POST", path, content=sent,
            headers={"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"},
        )
        for signature in ("0" * 64, right, right)
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [401, 204, 200]
    assert answers[0].json()["code"] == "step.signature_invalid"
    assert answers[2].json() == {"duplicate": True}


async def fail(world: World) -> None:
    refused = (await world.ask()).json()
    assert (refused["status"], refused["code"], refused["detail"]) == (409, "seats.none", "Every seat is taken.")


CHECKS: dict[str, Callable[[World], Awaitable[None]]] = {
    "insert_2": insert_many,
    **{
        f"{check.__name__.rstrip('_')}_1": check
        for check in (
            fetch, list_, count, exists, aggregate, insert, update, delete, require, validate, rate_limit, quota,
            time_window, set_, if_, for_each, call, http, sign_up, sign_in, issue_session, update_user, respond, fail,
            verify_signature,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_does_what_its_section_says(shared: World, example: Example) -> None:
    await shared.reset(example.name)
    await CHECKS[example.name](shared)


async def test_every_kind_is_among_them() -> None:
    assert {example.kind for example in EXAMPLES} == set(KINDS)
    assert {example.name for example in EXAMPLES} == set(CHECKS)

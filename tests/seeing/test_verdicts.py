"""Of random policies, people, rows and requests: simulate's verdict is the real answer, and it leaves no trace."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from app.changes.apply import apply_project
from app.database.embedded import EmbeddedPostgres
from app.database.pool import connect
from app.definitions.project import parse_project
from tests.backend import Backend, Person, serving
from tests.databases import cloned
from tests.seeing.policies import BARE, THINGS, Asked, Document, Row, Someone, people, policies, requests, rows

EXAMPLES = int(os.environ.get("ROWGATE_VERDICT_EXAMPLES", "12"))
ASKED = 8  # requests of one example

# Headers that come from the time or from a new row's id are not compared.
UNLIKE = {"ratelimit", "retry-after", "location"}

PEOPLE = "UPDATE data.users SET team = $2, level = $3 WHERE id = $1"
INSERT = "INSERT INTO data.things (id, owner, n, label) VALUES ($1, $2, $3, $4)"
NOTES = (
    "INSERT INTO data.notes (thing, text) SELECT $1, CASE n WHEN 1 THEN 'x' ELSE 'y' END FROM generate_series(1, $2) n"
)


class World:
    """One server, one database, two people and an admin, kept for all examples; and the loop that they live in."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self._url = url
        self.runner.run(self._open())

    async def _open(self) -> None:
        self._stack = AsyncExitStack()
        self.backend: Backend = await self._stack.enter_async_context(serving(self._url, BARE))
        self.admin = await self.backend.admin()
        self.people = [await self.backend.sign_up(name) for name in ("alice", "bob")]
        self.connection: Any = await connect(self._url)
        self._stack.push_async_callback(self.connection.close)
        tables = await self.connection.fetch(
            "SELECT schemaname || '.' || tablename AS t FROM pg_tables WHERE schemaname IN ('data', 'rowgate')"
        )
        # Each process writes by itself, every few seconds, how it fares.
        self.tables = sorted({row["t"] for row in tables} - {"rowgate.instances"})
        whole = " UNION ALL ".join(f"SELECT '{t}' AS t, to_jsonb({t}.*)::text AS r FROM {t}" for t in self.tables)
        self._rows = (
            f"SELECT t, CASE WHEN t LIKE 'rowgate.%' THEN pg_catalog.md5(r) ELSE r END AS r FROM ({whole}) w"
            " UNION ALL SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns"
            " WHERE table_schema IN ('data', 'rowgate') ORDER BY 1, 2"
        )

    def close(self) -> None:
        self.runner.run(self._stack.aclose())
        self.runner.close()

    async def everything(self) -> list[tuple[str, str]]:
        """Give every row and column of every table; of system tables' rows a digest."""
        return [(row["t"], row["r"]) for row in await self.connection.fetch(self._rows)]

    async def begin(self, who: list[Someone], held: list[Row]) -> None:
        await self.connection.execute("DELETE FROM data.notes; DELETE FROM data.things; DELETE FROM rowgate.user_roles")
        for person, one in zip(self.people, who, strict=True):
            await self.connection.execute(PEOPLE, person.id, one.team, one.level)
            for role in one.roles:
                await self.connection.execute(
                    "INSERT INTO rowgate.user_roles (user_id, role) VALUES ($1, $2)", person.id, role
                )
            # A 422 rests on what this process remembers of its caller, until it hears of the change.
            await self.backend.app.server.auth.users.reload(person.id)
        for id_, row in zip(THINGS, held, strict=False):
            owner = None if row.owner is None else self.people[row.owner].id
            await self.connection.execute(INSERT, id_, owner, row.n, row.label)
            await self.connection.execute(NOTES, id_, row.notes)

    async def apply(self, document: Document) -> None:
        project, findings = parse_project(document)
        assert project is not None, findings
        state = self.backend.app.server
        await apply_project(state.engine, project, author="test", allow_wider=True)
        await state.live.refresh()

    async def simulated(self, asked: Asked, who: list[Someone], draft: Document | None = None) -> dict[str, Any]:
        """Give what simulate says, which has changed nothing."""
        said = {
            "as": "anonymous" if asked.caller is None else self._caller(asked, who[asked.caller]),
            "method": asked.method, "path": asked.path, "query": asked.query, "headers": dict(asked.headers),
            "body": asked.body, "draft": draft,
        }  # fmt: skip
        before = await self.everything()
        answer = await self.backend.client.post("/admin/v1/simulate", json=said, headers=self.admin)
        assert answer.status_code == 200, answer.text
        after = await self.everything()
        assert before == after, "a simulation changed a table"
        found: dict[str, Any] = answer.json()
        return found

    def _caller(self, asked: Asked, one: Someone) -> Any:
        person = self.people[asked.caller or 0]
        if not asked.made_up:
            return person.id
        return {"roles": list(one.roles), "columns": {"id": person.id, "team": one.team, "level": one.level}}

    async def really(self, asked: Asked) -> dict[str, Any]:
        """Give what the request is answered, in the same members."""
        caller: Person | None = None if asked.caller is None else self.people[asked.caller]
        call = self.backend.client.request if caller is None else caller.call
        path = f"{asked.path}?{asked.query}" if asked.query else asked.path
        more = {} if asked.body is None else {"json": asked.body}
        answer = await call(asked.method, path, headers=dict(asked.headers), **more)
        json = "json" in answer.headers.get("content-type", "")
        body = (answer.json() if json else answer.text) if answer.content else None
        return {"status": answer.status_code, "headers": dict(answer.headers), "body": body}


def verdict(told: dict[str, Any]) -> tuple[int, Any]:
    """Give what is compared: the status, and the body but for the request's id."""
    body = told["body"]
    return told["status"], {k: v for k, v in body.items() if k != "request_id"} if isinstance(body, dict) else body


@pytest.fixture(scope="module")
def world(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[World]:
    for url in cloned(embedded_server, migrated_template):
        opened = World(url)
        yield opened
        opened.close()


# Answers and refusals of every stage that the examples have to reach, or they would show little.
REACHED = {200, 201, 204, 401, 402, 403, 404, 405, 409, 422, 429}


def test_the_verdict_is_the_real_answer_and_no_table_is_changed(world: World) -> None:
    met: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="ROWGATE_VERDICT_EXAMPLES" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(document=policies(), who=people, held=rows, asked=st.lists(requests(), min_size=ASKED - 2, max_size=ASKED))
    def holds(document: Document, who: list[Someone], held: list[Row], asked: list[Asked]) -> None:
        note(yaml.safe_dump({name: document[name] for name in ("views", "middleware", "endpoints")}, sort_keys=False))
        met.update(world.runner.run(compared(world, document, who, held, asked)))

    holds()
    print(sorted(met.items()))
    assert set(met) >= REACHED, met


async def compared(
    world: World, document: Document, who: list[Someone], held: list[Row], asked: list[Asked]
) -> list[int]:
    """Hold simulate against the real answer at each request, on the draft and on what is live; give the statuses."""
    statuses = []
    await world.begin(who, held)
    drafted = await world.simulated(asked[0], who, draft=document)
    await world.apply(document)
    for one in asked:
        note(str(one))
        told = await world.simulated(one, who)
        if one is asked[0]:
            assert verdict(drafted) == verdict(told), "a draft is judged otherwise than when it is live"
        real = await world.really(one)
        assert verdict(told) == verdict(real)
        headers = {name.lower(): text for name, text in told["headers"].items() if name.lower() not in UNLIKE}
        assert headers.items() <= real["headers"].items()
        statuses.append(real["status"])
    return statuses

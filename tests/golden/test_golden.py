"""The golden denials: a folder each, with a backend, a request, and what the caller and the admin are told.

`project.yaml` is the backend. `request.yaml` has the `rows` that there are (`@bob` is the id of somebody of that name),
requests made `before`, and the request: `as` whom, with which `credential` (else a good one), method, path, query,
headers, `body` as JSON or `raw` as it is. `expected.yaml` has the status and code, members of the public body, and what
the admin finds: the stage, the place, and for what a filter decides the rows before and after it.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from app.changes.files import load_file
from app.database.embedded import EmbeddedPostgres
from tests.backend import Backend, Person
from tests.databases import cloned
from tests.golden.told import Told, told_by_requests, told_by_simulation
from tests.turns import Turns

HERE = Path(__file__).parent
PROJECTS = {one.parent.name: one.read_text() for one in HERE.glob("*/project.yaml")}
CASES = sorted(PROJECTS, key=lambda name: (PROJECTS[name], name))  # those of one backend stand together
EXPECTED = {name: yaml.safe_load((HERE / name / "expected.yaml").read_text()) for name in CASES}
PAIRS = [(name, said["same_body_as"]) for name, said in EXPECTED.items() if "same_body_as" in said]


class Servers:
    """One server at a time, which the cases of its document take in turn."""

    def __init__(self, databases: Callable[[], Iterator[str]]) -> None:
        self.ends, self._databases, self._text = AsyncExitStack(), databases, ""

    async def next(self, name: str) -> Backend:
        if PROJECTS[name] != self._text:
            await self.ends.aclose()
            document = load_file(HERE / name / "project.yaml")
            self._text, self._turns = PROJECTS[name], Turns(self.ends, document, self._databases)
        return await self._turns.next()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(embedded_server: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[Servers]:
    made = Servers(lambda: cloned(embedded_server, migrated_template))
    yield made
    await made.ends.aclose()


async def case(servers: Servers, name: str) -> tuple[Backend, dict[str, Any], dict[str, Person]]:
    """Serve the backend of a case, with its people and rows, and make the requests that come before."""
    text = (HERE / name / "request.yaml").read_text()
    backend = await servers.next(name)
    people = {who: await backend.sign_up(who) for who in ("alice", "bob") if who in text}
    asked = _named(yaml.safe_load(text), people)
    for table, rows in asked.get("rows", {}).items():
        for row in rows:
            names = ", ".join(row)
            given = f"jsonb_populate_record(NULL::data.{table}, $1)"
            await backend.sql(f"INSERT INTO data.{table} ({names}) SELECT {names} FROM {given}", row)
    for before in asked.get("before", []):
        for _ in range(before.get("times", 1)):
            await send(backend, people, before)
    return backend, asked, people


def _named(said: Any, people: dict[str, Person]) -> Any:
    if isinstance(said, str):
        for who, person in people.items():
            said = said.replace(f"@{who}", person.id)
        return said
    if isinstance(said, list):
        return [_named(one, people) for one in said]
    return {key: _named(one, people) for key, one in said.items()} if isinstance(said, dict) else said


async def send(backend: Backend, people: dict[str, Person], asked: dict[str, Any]) -> Any:
    headers = {**(asked.get("headers") or {})}
    who = asked.get("as")
    if who is not None:
        headers["Authorization"] = f"Bearer {await credential(backend, people[who], asked.get('credential'))}"
    body = asked["raw"].encode() if "raw" in asked else json.dumps(asked["body"]).encode() if "body" in asked else None
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    return await backend.client.request(
        asked["method"], asked["path"], params=asked.get("query"), headers=headers, content=body
    )


async def credential(backend: Backend, person: Person, kind: str | None) -> str:
    """Give a token of the person, made bad in a way."""
    token: str = person.session["access_token"]
    match kind:
        case "garbage":
            return f"{token[:-6]}AAAAAA"
        case "expired":
            tokens = backend.app.server.auth.tokens
            session = tokens.verify(token).session_id
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tokens, "_lifetime", -3600)
                token = tokens.issue(person.id, session).token
    return token


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CASES)
async def test_a_denial_is_told_to_its_caller_and_its_admin(servers: Servers, name: str) -> None:
    expected = EXPECTED[name]
    refused = expected["status"] >= 400
    rows = tuple(expected["rows"]) if "rows" in expected else None
    told = Told(expected["status"], expected.get("code"), expected["stage"], expected.get("place"), rows)
    backend, asked, people = await case(servers, name)
    admin = await backend.admin()
    simulated = await told_by_simulation(backend, admin, asked, people)
    assert simulated in (told, None)
    answer = await send(backend, people, identified(asked, name))
    assert answer.status_code == expected["status"], answer.text
    body: Any = answer.json() if answer.content else None
    if not refused:
        assert body == expected["body"]
        return
    assert body.get("rowgate_code", body["code"]) == expected["code"]
    assert expected.get("body", {}).items() <= body.items()
    errors = [[one["loc"], one["code"]] for one in body.get("errors", [])]
    assert errors == expected.get("errors", errors)
    assert await told_by_requests(backend, admin, name) == replace(told, rows=None)


def identified(asked: dict[str, Any], request_id: str) -> dict[str, Any]:
    return {**asked, "headers": {**(asked.get("headers") or {}), "X-Request-Id": request_id}}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "other"), PAIRS)
async def test_callers_cannot_tell_not_yours_from_not_there(servers: Servers, name: str, other: str) -> None:
    assert load_file(HERE / name / "project.yaml") == load_file(HERE / other / "project.yaml")
    assert EXPECTED[name]["rows"] != EXPECTED[other]["rows"]
    backend, asked, people = await case(servers, name)
    absent = yaml.safe_load((HERE / other / "request.yaml").read_text())
    assert absent["rows"].keys() == asked["rows"].keys()
    answers = [await send(backend, people, identified(one, "x")) for one in (asked, absent)]
    told = [
        (one.status_code, one.content, [pair for pair in one.headers.items() if pair[0] != "date"]) for one in answers
    ]
    assert told[0] == told[1]


def test_there_are_at_least_thirty_kinds_each_with_a_code_and_place_of_its_own() -> None:
    assert len(EXPECTED) >= 30
    refused = [one for one in EXPECTED.values() if one["status"] >= 400]
    parts = ("code", "stage", "place", "rows", "errors")
    told = [repr([one.get(part) for part in parts]) for one in refused]
    assert sorted(told) == sorted(set(told))

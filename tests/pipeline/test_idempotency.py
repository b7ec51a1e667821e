"""Idempotency-Key: one effect for each key, and the first answer again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.database.pool import connect
from app.secrets.rotation import rotate
from tests.backend import OTHER_SECRET_KEY, PASSWORD, SECRET_KEY, Backend, Person, serving


def endpoint(name: str, steps: list[Any], access: Any = "authenticated", method: str = "POST") -> dict[str, Any]:
    body = {"title": {"type": "text"}, "fail": {"type": "boolean"}}
    return {
        "name": name, "method": method, "path": f"/{name}", "access": access, "input": {"body": body}, "steps": steps,
    }  # fmt: skip


INSERT = {"do": "insert", "table": "notes", "set": {"owner": "=auth.user.id", "title": "=input.title"}, "as": "note"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "writer"}],
    "tables": [
        {"name": "notes", "columns": [{"name": "owner", "type": "user"}, {"name": "title", "type": "text"}]},
    ],
    "views": [
        {
            "name": "my_notes", "table": "notes", "columns": ["id", "title"], "filter": "row.owner == auth.user.id",
            "allow": ["select", "insert", "update"], "presets": {"owner": "=auth.user.id"},
        }
    ],
    "endpoints": [
        endpoint("add", [
            INSERT,
            {"do": "require", "that": "!has(input.fail)", "message": "Not now."},
            {"do": "respond", "status": 201, "body": "=note.id", "headers": {"X-Made": "=note.title"}},
        ]),
        endpoint("open", [INSERT, {"do": "respond", "body": "=note.id"}], access="public"),
        endpoint("written", [INSERT, {"do": "respond", "body": "=note.id"}], access={"roles": ["writer"]}),
        endpoint("alone", [INSERT]),
        endpoint("join", [
            {"do": "sign_up", "email": "input.title", "password": f'"{PASSWORD}"', "as": "made"},
            {"do": "respond", "body": "=made.session.refresh_token"},
        ], access="public"),
        endpoint("put", [INSERT], method="PUT"),
    ],
}  # fmt: skip


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


@pytest.fixture
async def alice(backend: Backend) -> Person:
    return await backend.sign_up("alice")


def key(text: str = "k-1", **more: str) -> dict[str, str]:
    return {"Idempotency-Key": text, **more}


async def count(backend: Backend) -> int:
    return int((await backend.sql("SELECT count(*) FROM data.notes"))[0][0])


async def add(person: Person, body: Any = None, name: str = "add", **headers: str) -> Any:
    return await person.call("POST", f"/api/{name}", json=body or {"title": "a"}, headers=headers or key())


async def test_the_same_request_again_gets_the_first_answer(backend: Backend, alice: Person) -> None:
    first = await add(alice)
    again = await add(alice)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["x-made"] == "a"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await count(backend) == 1
    assert (await add(alice, **key("k-2"))).content != first.content


async def test_of_fifty_at_once_one_has_an_effect(backend: Backend, alice: Person) -> None:
    answers = await asyncio.gather(*(add(alice) for _ in range(50)))
    assert await count(backend) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {answer.json()["code"] for answer in refused} <= {"idempotency.running"}


async def test_of_fifty_at_once_through_a_view_or_with_two_bodies_one_has_an_effect(
    backend: Backend, alice: Person
) -> None:
    prefer = {"Prefer": "return=representation"}
    through = [alice.call("POST", "/rest/v1/my_notes", json={"title": "v"}, headers=key(**prefer)) for _ in range(50)]
    answers = await asyncio.gather(*through)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await count(backend) == 1
    mixed = await asyncio.gather(*(add(alice, {"title": f"{number % 2}"}) for number in range(50)))
    assert await count(backend) == 2
    (made,) = await backend.sql("SELECT title FROM data.notes WHERE title <> 'v'")
    codes = [{answer.json()["code"] for answer in mixed[n::2] if answer.status_code != 201} for n in range(2)]
    winner = int(made["title"])
    assert codes[winner] <= {"idempotency.running"}
    assert codes[1 - winner] <= {"idempotency.running", "idempotency.mismatch"}
    assert {answer.status_code for answer in mixed[1 - winner :: 2]} <= {409, 422}


async def test_another_request_with_the_same_key_is_refused(backend: Backend, alice: Person) -> None:
    await add(alice)
    answer = await add(alice, {"title": "b"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.mismatch")
    assert await count(backend) == 1


async def test_a_key_is_its_callers_and_its_routes(backend: Backend, alice: Person) -> None:
    bob = await backend.sign_up("bob")
    answers = [await add(alice), await add(bob), await add(alice, name="open")]
    assert len({answer.content for answer in answers}) == 3
    stranger = await backend.client.post("/api/open", json={"title": "a"}, headers=key())
    assert "idempotency-replayed" not in stranger.headers
    assert await count(backend) == 4


async def test_what_was_refused_left_nothing_and_runs_again(backend: Backend, alice: Person) -> None:
    refused = await add(alice, {"title": "a", "fail": True})
    assert refused.status_code == 403
    assert await backend.sql("SELECT 1 FROM rowgate.first_answers") == []
    assert (await add(alice)).status_code == 201


async def test_writes_through_a_view_and_steps_without_an_answer(backend: Backend, alice: Person) -> None:
    for _ in range(2):
        prefer = {"Prefer": "return=representation"}
        made = await alice.call("POST", "/rest/v1/my_notes", json={"title": "v"}, headers=key(**prefer))
        assert (made.status_code, made.json()[0]["title"]) == (201, "v")
        alone = await add(alice, name="alone")
        assert (alone.status_code, alone.content) == (204, b"")
        patched = await alice.call("PATCH", "/rest/v1/my_notes?title=eq.v", json={"title": "w"}, headers=key())
        assert patched.status_code == 204
    assert await count(backend) == 2
    shown = await alice.call("POST", "/rest/v1/my_notes", json={"title": "v"}, headers=key())
    assert (shown.status_code, shown.json()["rowgate_code"]) == (422, "idempotency.mismatch")


async def test_after_a_day_a_key_is_new(backend: Backend, alice: Person) -> None:
    first = await add(alice)
    await add(alice, **key("k-2"))
    await backend.sql("UPDATE rowgate.first_answers SET created_at = now() - interval '25 hours'")
    again = await add(alice)
    assert again.content != first.content
    assert len(await backend.sql("SELECT 1 FROM rowgate.first_answers")) == 1


async def test_who_may_not_call_any_more_gets_no_answer_again(backend: Backend, alice: Person) -> None:
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'writer')", alice.id)
    assert (await add(alice, name="written")).status_code == 200
    await backend.sql("DELETE FROM rowgate.user_roles")
    assert (await add(alice, name="written")).status_code == 403


@pytest.mark.parametrize("text", ["", " ", "x" * 256, "a\tb", "é"])
async def test_a_key_that_can_be_none_is_refused(backend: Backend, alice: Person, text: str) -> None:
    token = f"Bearer {alice.session['access_token']}".encode()
    headers = {b"Authorization": token, b"Idempotency-Key": text.encode("latin-1")}
    answer = await backend.client.post("/api/add", json={"title": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.key_invalid")
    assert await count(backend) == 0


async def test_a_put_needs_no_key(backend: Backend, alice: Person) -> None:
    for _ in range(2):
        assert (await alice.call("PUT", "/api/put", json={"title": "a"}, headers=key())).status_code == 204
    assert await count(backend) == 2


async def test_a_kept_answer_is_sealed_and_goes_along_with_a_new_master_key(backend: Backend) -> None:
    body = {"title": "ann@example.com"}
    token = (await backend.client.post("/api/join", json=body, headers=key())).json()
    (row,) = await backend.sql("SELECT * FROM rowgate.first_answers")
    assert token.encode() not in b"".join(value for value in row if isinstance(value, bytes))
    assert (await backend.client.post("/api/join", json=body, headers=key())).json() == token
    old, new = SECRET_KEY, OTHER_SECRET_KEY
    connection = await connect(backend.url)
    try:
        assert await rotate(connection, old, new) == 1
        assert await rotate(connection, new, old) == 1
    finally:
        await connection.close()
    assert (await backend.client.post("/api/join", json=body, headers=key())).json() == token


async def test_two_that_let_the_lock_go_have_one_effect(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is hashed without a transaction: both are behind the look for a first answer, and one is kept."""
    body, hashing = {"title": "ann@example.com"}, backend.app.server.auth.passwords.hash
    inside, both = asyncio.Event(), asyncio.Event()

    async def together(*given: Any) -> Any:
        (both if inside.is_set() else inside).set()
        await both.wait()
        return await hashing(*given)

    monkeypatch.setattr(backend.app.server.auth.passwords, "hash", together)
    first = asyncio.create_task(backend.client.post("/api/join", json=body, headers=key()))
    await inside.wait()
    calls = [first, backend.client.post("/api/join", json=body, headers=key())]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert statuses[0] == 200
    assert statuses[1] in (409, 422)
    assert len(await backend.sql("SELECT 1 FROM data.users")) == 1

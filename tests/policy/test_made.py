"""A request that came becomes a policy test, which passes, holds no more than it needs, and fails without its rule."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from app.changes.files import load_text
from app.cli import why
from app.cli.command import app as command_line
from tests.backend import Backend, Person, serving

IN_MODULE = pytest.mark.asyncio(loop_scope="module")
DOCUMENT = """
rowgate: 1
roles: [{name: support}]
users:
  columns:
    - {name: plan, type: enum, values: [free, pro], default: free, required: true}
    - {name: phone, type: text}
    - {name: pin, type: text}
tables:
  - {name: teams, columns: [{name: name, type: text, required: true}]}
  - name: memberships
    columns:
      - {name: member, type: user, required: true, on_delete: cascade}
      - {name: team, type: reference, table: teams, required: true, on_delete: cascade}
    unique: [[member, team]]
  - name: notes
    columns:
      - {name: team, type: reference, table: teams, required: true, on_delete: cascade}
      - {name: written_by, type: user, required: true, on_delete: cascade}
      - {name: text, type: text, required: true}
      - {name: slug, type: text, unique: true}
      - {name: locked, type: boolean, default: false}
      - {name: remark, type: text}
      - {name: api_key, type: text, required: true, default: k}
  - {name: places, id: bigint, columns: [{name: title, type: text, required: true}]}
views:
  - name: my_notes
    table: notes
    columns: [id, text, slug]
    filter: row.written_by == auth.user.id
    allow: [select, insert]
    access: authenticated
    presets: {written_by: =auth.user.id, team: "=auth.user.id"}
  - {name: all_places, table: places, columns: all, filter: "true", access: public}
endpoints:
  - name: read_note
    method: GET
    path: /notes/{slug}
    access: authenticated
    input: {path: {slug: {type: text}}}
    steps:
      - {do: fetch, from: notes, where: item.slug == input.slug, as: note}
      - do: require
        that: memberships.exists(m, m.team == note.team && m.member == auth.user.id)
        message: Not your team's.
      - {do: respond, body: {text: =note.text}}
  - name: lock_note
    method: POST
    path: /notes/{id}/lock
    access: authenticated
    input: {path: {id: {type: uuid}}, body: {why: {type: text, required: true}, reset_token: {type: text}}}
    steps:
      - {do: fetch, from: notes, id: input.id, as: note}
      - {do: require, that: "note.written_by == auth.user.id && auth.user.plan == 'pro' && !note.locked"}
      - {do: update, table: notes, id: note.id, set: {locked: true}}
      - {do: respond, body: {done: true}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(shared_url: str) -> AsyncIterator[Backend]:
    async with serving(shared_url, load_text(DOCUMENT)) as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(backend: Backend) -> dict[str, Any]:
    """An owner's token, two people of whom one is in a team, and what is kept there."""
    root = await backend.admin()
    backend.app.server.recent.slow_after = 0.0  # so that every request is kept
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    rows = f"""
        INSERT INTO data.teams (name) VALUES ('The red team'), ('Another');
        INSERT INTO data.memberships (member, team) SELECT '{alice.id}', id FROM data.teams;
        INSERT INTO data.notes (team, written_by, text, slug, remark, api_key)
        SELECT id, '{alice.id}', 'What nobody reads', 'the-plan', 'private', 'rgk_abcdefghijk' FROM data.teams
        WHERE name = 'The red team';
        INSERT INTO data.places (title) VALUES ('Home');
        UPDATE data.users SET plan = 'pro', phone = '555-1234', pin = '4321' WHERE id = '{alice.id}'"""
    for statement in rows.split(";"):
        await backend.sql(statement)
    await backend.app.server.auth.users.reload(alice.id)
    note = (await backend.sql("SELECT id::text FROM data.notes"))[0]["id"]
    return {"root": root, "alice": alice, "bob": bob, "note": note}


async def made(backend: Backend, known: dict[str, Any], request_id: str, **body: Any) -> dict[str, Any]:
    path = f"/admin/v1/requests/{request_id}/test"
    answer = await backend.client.post(path, json=body, headers=known["root"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    for secret in ("rgk_", "555-1234", "4321", "private", "What nobody reads", "The red team"):
        assert secret not in found["yaml"], found["yaml"]
    return found


async def ask(person: Person, method: str, path: str, id_: str, body: Any = None) -> int:
    sent = {} if body is None else {"json": body}
    return (await person.call(method, path, headers={"X-Request-Id": id_}, **sent)).status_code


@IN_MODULE
async def test_numbers_of_the_body_are_in_the_test_as_they_were_sent(backend: Backend, known: dict[str, Any]) -> None:
    await ask(known["bob"], "GET", "/api/notes/the-plan", "numbers")
    path = "/admin/v1/requests/numbers/test"
    for number in ("1.5", "8.4e90", "12345678901234567890.5"):
        sent = f'{{"body": {{"amount": {number}}}}}'.encode()
        headers = {**known["root"], "Content-Type": "application/json"}
        answer = await backend.client.post(path, content=sent, headers=headers)
        assert answer.status_code == 200, answer.text


@IN_MODULE
async def test_a_refusal_becomes_a_test_that_passes_and_fails_without_its_rule(
    backend: Backend, known: dict[str, Any]
) -> None:
    assert await ask(known["bob"], "GET", "/api/notes/the-plan", "refused") == 403
    found = await made(backend, known, "refused")
    test = found["test"]
    assert (found["result"]["passed"], found["findings"]) == (True, [])
    assert (test["as"], test["name"]) == ({"columns": {"plan": "free"}}, "a_user_may_not_call_read_note")
    assert test["expect"] == {"status": 403, "code": "chain.refused"}
    (note,) = test["given"]["notes"]
    assert (note["id"], note["team"], note["written_by"], note["slug"]) == ("note", "team", "user", "the-plan")
    assert load_text(found["yaml"]) == [test]
    saved = await backend.client.post("/admin/v1/tests", json=test, headers=known["root"])
    assert saved.status_code == 201, saved.text
    report = (await backend.client.post("/admin/v1/test", headers=known["root"])).json()
    assert (report["passed"], report["failed"]) == (1, 0)
    assert (await made(backend, known, "refused"))["test"]["name"] == "a_user_may_not_call_read_note_2"
    endpoint = load_text(DOCUMENT)["endpoints"][0]
    open_to_all = {**endpoint, "steps": [one for one in endpoint["steps"] if one["do"] != "require"]}
    path = "/admin/v1/endpoints/read_note?dry_run=true&allow_wider=true"
    plan = await backend.client.put(path, json=open_to_all, headers={**known["root"], "If-Match": "*"})
    assert [one["place"] for one in plan.json()["tests"]["failures"]] == ["tests/a_user_may_not_call_read_note"]
    gone = {**known["root"], "If-Match": "*"}
    assert (await backend.client.delete(f"/admin/v1/tests/{test['name']}", headers=gone)).status_code == 204


@IN_MODULE
async def test_who_is_let_in_by_a_membership_comes_with_that_row(backend: Backend, known: dict[str, Any]) -> None:
    assert await ask(known["alice"], "GET", "/api/notes/the-plan", "member") == 200
    found = await made(backend, known, "member")
    test = found["test"]
    assert found["result"]["passed"], found
    assert test["given"]["memberships"][0] | {"id": 0} == {"id": 0, "member": "me", "team": "team"}
    assert len(test["given"]["teams"]) == 1  # the other team of hers is none of its business
    assert (test["as"], test["expect"]) == ({"columns": {"plan": "pro"}}, {"status": 200})


@IN_MODULE
async def test_the_body_is_what_the_one_who_asks_says(backend: Backend, known: dict[str, Any]) -> None:
    path = f"/api/notes/{known['note']}/lock"
    assert await ask(known["alice"], "POST", path, "locked", {"why": "Done"}) == 200
    await backend.sql("UPDATE data.notes SET locked = false")
    without = await made(backend, known, "locked")
    assert (without["result"]["passed"], without["result"]["code"]) == (False, "input.invalid")
    body = {"why": f"as {known['note']} {{note}}", "reset_token": "very-secret-token"}
    found = await made(backend, known, "locked", body=body)
    assert found["result"]["passed"], found
    assert found["test"]["request"] == {
        "method": "POST", "path": "/api/notes/{note}/lock",
        "body": {"why": "as {note} {{note}}", "reset_token": "[redacted]"},
    }  # fmt: skip


@IN_MODULE
async def test_strangers_views_and_what_is_not_served_become_tests_too(backend: Backend, known: dict[str, Any]) -> None:
    mark = {"X-Request-Id": "stranger"}
    await backend.client.get("/rest/v1/my_notes", params={"id": f"eq.{known['note']}", "select": "id"}, headers=mark)
    test = (await made(backend, known, "stranger"))["test"]
    assert ("as" in test, test["name"]) == (False, "nobody_may_not_get_my_notes")
    assert test["request"] == {"path": "/rest/v1/my_notes", "query": {"id": "eq.{note}", "select": "id"}}
    assert await ask(known["alice"], "GET", "/rest/v1/all_places?id=eq.1&id=not.is.null", "place") == 200
    found = await made(backend, known, "place")
    assert found["result"]["passed"], found
    assert found["test"]["given"]["places"] == [{"id": 1, "title": "title 1"}]
    assert found["test"]["request"]["query"] == {"id": ["eq.1", "not.is.null"]}
    assert await ask(known["alice"], "GET", "/api/no/such", "nowhere") == 404
    assert (await made(backend, known, "nowhere"))["result"]["passed"]


@IN_MODULE
async def test_what_no_rule_decides_is_no_test(backend: Backend, known: dict[str, Any]) -> None:
    await backend.client.request("OPTIONS", "/api/notes/x", headers={"X-Request-Id": "options"})
    for id_, status, code in (("options", 409, "requests.untestable"), ("never", 404, "requests.not_found")):
        answer = await backend.client.post(f"/admin/v1/requests/{id_}/test", headers=known["root"])
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_command_prints_the_test_and_sends_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def ask_server(url: str, key: str, request_id: str, body: str | None) -> dict[str, Any]:
        asked.append((request_id, body))
        return {"yaml": "- name: one\n", "result": {"passed": False, "failures": [], "status": 200}, "findings": []}

    monkeypatch.setattr(why, "test_made", ask_server)
    environment = {"ROWGATE_URL": "http://localhost", "ROWGATE_KEY": "rgk_x"}
    said = CliRunner().invoke(command_line, ["why", "r1", "--test", "--body", '{"a": 1}'], env=environment)
    assert (said.exit_code, said.stdout, asked) == (1, "- name: one\n", [("r1", '{"a": 1}')])
    assert "doesn't come out" in said.stderr

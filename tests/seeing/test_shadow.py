"""A shadow answers nothing, changes nothing, and differs exactly where its rules do."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.data_plane.seeing import shadow as module
from app.data_plane.seeing.shadow import KEPT, Replay
from app.data_plane.seeing.verdict import differences
from tests.backend import Backend, Person
from tests.turns import Turns

NOTE = {"path": {"id": {"type": "uuid"}}}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}],
    "users": {"columns": [{"name": "plan", "type": "text", "self_editable": True}]},
    "tables": [
        {
            "name": "notes",
            "columns": [
                {"name": "owner", "type": "user"}, {"name": "slug", "type": "text", "unique": True},
                {"name": "n", "type": "integer"},
            ],
        },
        {"name": "logs", "id": "bigint", "columns": [{"name": "word", "type": "text"}]},
    ],
    "views": [
        {
            "name": "mine", "table": "notes", "columns": ["id", "slug", "n"], "filter": "row.owner == auth.user.id",
            "allow": ["select", "insert", "update", "delete"], "presets": {"owner": "=auth.user.id"},
        },
    ],
    "middleware": [
        {"name": "owned", "steps": [
            {"do": "fetch", "from": "notes", "id": "input.id", "as": "note"},
            {"do": "require", "that": "note.owner == auth.user.id"},
        ]},
    ],
    "endpoints": [
        {"name": "look", "method": "GET", "path": "/notes/{id}", "access": "authenticated", "input": NOTE,
         "middleware": ["owned"], "steps": [
             {"do": "respond", "body": {"slug": "=note.slug", "at": "=now", "token": "=random_token(24)"}}]},
        {"name": "write", "method": "POST", "path": "/notes", "access": "authenticated",
         "input": {"body": {"slug": {"type": "text"}, "n": {"type": "integer", "default": 1}}}, "steps": [
             {"do": "require", "that": "input.n < 10"},
             {"do": "quota", "max": 3, "from": "notes", "where": "item.owner == auth.user.id", "status": 402},
             {"do": "insert", "table": "notes", "as": "note",
              "set": {"owner": "=auth.user.id", "slug": "=input.slug", "n": "=input.n"}},
             {"do": "insert", "table": "logs", "set": {"word": "=input.slug"}, "as": "log"},
             {"do": "respond", "status": 201, "body": {"note": "=note", "log": "=log"}}]},
        {"name": "often", "method": "POST", "path": "/often", "access": "public", "steps": [
            {"do": "rate_limit", "limit": "2/minute"}, {"do": "respond", "body": 1}]},
        {"name": "outside", "method": "POST", "path": "/outside", "access": "authenticated",
         "input": {"body": {"n": {"type": "integer"}}}, "steps": [
             {"do": "require", "that": "input.n < 10"},
             {"do": "http", "method": "GET", "url": "http://127.0.0.1:1/", "on_error": "bind", "as": "got"},
             {"do": "respond", "body": "=got.status"}]},
    ],
}  # fmt: skip
TABLES = "SELECT row_to_json(t)::text AS r FROM data.notes t UNION ALL SELECT row_to_json(t)::text FROM data.logs t"


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> AsyncIterator[Backend]:
    backend = await turns.next()
    yield backend
    await backend.client.delete("/admin/v1/shadow", headers=await backend.admin())


def changed(change: str) -> Any:
    """The document with statements run over it."""
    after = copy.deepcopy(DOCUMENT)
    names = {"d": after, "mine": after["views"][0], "owned": after["middleware"][0]}
    names |= {one["name"]: one for one in after["endpoints"]}
    exec(change, names)
    return after


async def start(backend: Backend, admin: dict[str, str], draft: Any = DOCUMENT, query: str = "seconds=5") -> None:
    answer = await backend.client.post(f"/admin/v1/shadow?{query}", json=draft, headers=admin)
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "running"


async def report(backend: Backend, admin: dict[str, str], after: int = 0) -> dict[str, Any]:
    answer = await backend.client.get(f"/admin/v1/shadow?after={after}", headers=admin)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def workload(alice: Person, bob: Person, mark: str) -> list[int]:
    """Reads, writes, refusals of all kinds, a broken constraint, a quota, a limit; gives the statuses."""
    answers = []

    async def call(person: Person, method: str, path: str, body: Any = None) -> Any:
        answer = await (person.call(method, path, json=body) if body is not None else person.call(method, path))
        answers.append(answer.status_code)
        return answer

    made = (await call(alice, "POST", "/api/notes", {"slug": f"{mark}a"})).json()["note"]["id"]
    await call(alice, "POST", "/api/notes", {"slug": f"{mark}a"})
    await call(alice, "POST", "/api/notes", {"slug": f"{mark}b", "n": 10})
    await call(alice, "POST", "/api/notes", {"slug": f"{mark}c", "n": "x"})
    await call(alice, "POST", "/api/notes", {"slug": f"{mark}d", "n": 9})
    await call(alice, "POST", "/api/notes", {"slug": f"{mark}e"})
    await call(alice, "POST", "/api/notes", {"slug": f"{mark}f"})
    for person in (alice, bob):
        await call(person, "GET", f"/api/notes/{made}")
        await call(person, "GET", "/rest/v1/mine?order=slug")
        await call(person, "PATCH", f"/rest/v1/mine?id=eq.{made}", {"n": 2})
    await call(bob, "POST", "/rest/v1/mine", {"slug": f"{mark}a"})
    await call(bob, "POST", "/rest/v1/mine", [{"slug": f"{mark}x"}, {"slug": f"{mark}y"}])
    await call(bob, "GET", "/rest/v1/mine?nothing=eq.1")
    await call(bob, "GET", "/api/nowhere")
    answers.append((await alice.client.get("/rest/v1/mine")).status_code)
    answers.append((await alice.client.get("/rest/v1/mine", headers={"Authorization": "Bearer x"})).status_code)
    answers.append((await alice.client.request("POST", "/api/notes", content=b"{")).status_code)
    answers += [(await alice.client.post("/api/often")).status_code for _ in range(3)]
    await call(alice, "DELETE", f"/rest/v1/mine?id=eq.{made}")
    return answers


async def test_who_is_no_editor_starts_reads_and_ends_none(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    body = {"email": "v@example.com", "password": "a much longer horse battery", "role": "viewer"}
    assert (await backend.client.post("/admin/v1/admins", json=body, headers=root)).status_code == 201
    signed = await backend.client.post("/admin/v1/sign-in", json={k: v for k, v in body.items() if k != "role"})
    viewer = {"Authorization": f"Bearer {signed.json()['access_token']}"}
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {alice.session['access_token']}"}, 401),
                            (viewer, 403)):  # fmt: skip
        for method in ("POST", "GET", "DELETE"):
            answer = await backend.client.request(method, "/admin/v1/shadow", json=DOCUMENT, headers=headers)
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("change", "query", "status", "code"),
    [
        ("d['tables'][1]['columns'].append({'name': 'x', 'type': 'text'})", "", 409, "shadow.changes_tables"),
        ("d['users']['columns'][0]['type'] = 'integer'", "", 409, "shadow.changes_tables"),
        ("mine['filter'] = 'row.ownr == 1'", "", 422, "definition.invalid"),
        ("d['views'].append(3)", "", 422, "definition.invalid"),
        ("pass", "sample=2", 422, "input.invalid"),
        ("pass", "seconds=0", 422, "input.invalid"),
    ],
)
async def test_a_draft_that_can_not_run_beside_is_refused(
    backend: Backend, change: str, query: str, status: int, code: str
) -> None:
    root = await backend.admin()
    answer = await backend.client.post(f"/admin/v1/shadow?{query}", json=changed(change), headers=root)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await backend.client.get("/admin/v1/shadow", headers=root)).json()["code"] == "shadow.not_found"


async def test_there_is_one_at_a_time_and_it_ends(backend: Backend) -> None:
    root = await backend.admin()
    await start(backend, root)
    second = await backend.client.post("/admin/v1/shadow", json=DOCUMENT, headers=root)
    assert (second.status_code, second.json()["code"]) == (409, "shadow.running")
    ended = await backend.client.delete("/admin/v1/shadow", headers=root)
    assert (ended.json()["state"], ended.json()["ended"]) == ("ended", "an admin ended it")
    assert (await backend.client.delete("/admin/v1/shadow", headers=root)).status_code == 404
    assert backend.app.data_plane is not None
    assert backend.app.data_plane.shadow is None
    await start(backend, root)


async def test_the_same_revision_gives_no_difference_and_the_live_answers_are_what_they_were(
    backend: Backend,
) -> None:
    root = await backend.admin()
    people = [await backend.sign_up(name) for name in ("alice", "bob", "carol", "dave")]
    plain = await workload(people[0], people[1], "one")
    assert set(plain) == {200, 201, 204, 400, 401, 402, 403, 404, 409, 422, 429}
    limiter: Any = backend.app.server.limiter
    limiter._side._partitions.clear()
    await start(backend, root)
    assert await workload(people[2], people[3], "two") == plain
    found = await report(backend, root)
    assert found["differences"] == 0, found["kept"]
    assert (found["compared"], found["skipped"], found["kept"]) == (len(plain), 0, [])


async def test_nothing_of_a_rehearsal_stays(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root, changed("write['steps'].insert(3, {'do': 'fail', 'status': 418})"))
    for _ in range(2):
        assert (await alice.post("/api/notes", {"slug": "kept"})).status_code in {201, 409}
    assert (await report(backend, root))["by"] == {"write: 201 → 418 chain.failed": 1}
    rows = await backend.sql(TABLES)
    assert len(rows) == 2
    draft = changed("write['steps'].insert(0, {'do': 'delete', 'table': 'logs', 'where': 'true', 'expect': 'any'})")
    await backend.client.delete("/admin/v1/shadow", headers=root)
    await start(backend, root, draft)
    await alice.post("/api/notes", {"slug": "kept"})
    assert await backend.sql(TABLES) == rows


async def test_a_changed_require_differs_exactly_where_it_decides_otherwise(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root, changed("write['steps'][0]['that'] = 'input.n < 5'"))
    for n in (1, 4, 5, 10):
        await alice.post("/api/notes", {"slug": f"s{n}", "n": n}, headers={"X-Request-Id": f"write-{n}"})
    found = await report(backend, root)
    assert (found["compared"], found["differences"]) == (4, 1)
    assert found["by"] == {"write: 201 → 403 chain.refused": 1}
    (one,) = found["kept"]
    assert (one["request_id"], one["caller"]["id"], one["to"]) == ("write-5", alice.id, "write")
    assert one["live"] == {"status": 201}
    assert one["draft"] == {"status": 403, "code": "chain.refused", "place": "endpoints/write.steps/0"}
    refused = one["traces"]["draft"][-1]["steps"][-1]
    assert (refused["decision"], refused["rules"][0]["saw"]) == ("refused", {"input.n": 5})
    assert one["traces"]["live"][-1]["stage"] == "respond"
    assert "number" in one
    assert (await report(backend, root, after=1))["kept"] == []


async def test_a_changed_middleware_and_a_changed_filter_differ_in_rows_and_refusals(backend: Backend) -> None:
    root = await backend.admin()
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    note = (await alice.post("/api/notes", {"slug": "a", "n": 1})).json()["note"]["id"]
    await alice.post("/api/notes", {"slug": "b", "n": 7})
    draft = "owned['steps'][1]['that'] = 'note.n > 0'; mine['filter'] += ' && row.n < 5'"
    await start(backend, root, changed(draft))
    assert (await alice.get(f"/api/notes/{note}")).status_code == 200
    assert (await bob.get(f"/api/notes/{note}")).status_code == 403
    assert len((await alice.get("/rest/v1/mine?order=n")).json()) == 2
    assert (await alice.get("/rest/v1/mine?n=lt.5")).status_code == 200
    assert (await bob.get("/rest/v1/mine")).json() == []
    assert (await alice.call("PATCH", "/rest/v1/mine?slug=eq.a", json={"n": 6})).status_code == 204
    found = await report(backend, root)
    assert (found["compared"], found["differences"]) == (6, 3)
    told = [(one["to"], one["live"]["status"], one["draft"]["status"]) for one in found["kept"]]
    assert told == [("look", 403, 200), ("mine", 200, 200), ("mine", 204, 403)]
    rows = found["kept"][1]
    assert rows["differs"] == ["headers.content-range", "body"]
    assert rows["traces"]["draft"][-2]["rows_after_filter"] == 1


async def test_what_only_one_of_them_serves_differs(backend: Backend) -> None:
    root = await backend.admin()
    await start(backend, root, changed("often['path'] = '/seldom'; mine['access'] = 'public'"))
    for path in ("/api/often", "/api/seldom"):
        await backend.client.post(path)
    await backend.client.get("/rest/v1/mine")
    assert (await report(backend, root))["by"] == {
        "often: 200 → 404 route.not_found": 1,
        "often: 404 route.not_found → 200": 1,
        "mine: 401 access.sign_in_required → 200": 1,
    }


async def test_behind_a_step_that_is_left_out_nothing_is_decided(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root, changed("outside['steps'][0]['that'] = 'input.n < 5'"))
    for n in (1, 7, 10):
        await alice.post("/api/outside", {"n": n})
    found = await report(backend, root)
    assert (found["undecided"], found["compared"], found["differences"]) == (1, 2, 1)


async def test_it_goes_on_when_rules_change_and_ends_when_tables_do(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root)
    wide = changed("write['steps'][0]['that'] = 'input.n < 20'")
    assert (await backend.client.put("/admin/v1/config?allow_wider=true", json=wide, headers=root)).status_code == 200
    assert (await alice.post("/api/notes", {"slug": "a", "n": 15})).status_code == 201
    assert (await report(backend, root))["by"] == {"write: 201 → 403 chain.refused": 1}
    more = changed("d['tables'][1]['columns'].append({'name': 'x', 'type': 'text'})")
    assert (await backend.client.put("/admin/v1/config", json=more, headers=root)).status_code == 200
    assert (await alice.get("/rest/v1/mine")).status_code == 200
    found = await report(backend, root)
    assert (found["state"], found["compared"]) == ("ended", 1)
    assert "tables" in found["ended"]
    await start(backend, root, more)


async def test_a_slow_or_broken_draft_holds_up_no_request_and_fails_none(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root, query="seconds=0.05")

    async def slow(*_more: Any) -> Any:
        await asyncio.sleep(60)

    async def broken(*_more: Any) -> Any:
        raise ZeroDivisionError

    for number, replaced in enumerate((slow, broken)):
        monkeypatch.setattr(module, "verdict", replaced)
        async with asyncio.timeout(10):
            assert (await alice.post("/api/notes", {"slug": f"s{number}"})).status_code == 201
    found = await report(backend, root)
    assert (found["skipped"], found["compared"], found["differences"]) == (2, 0, 0)


async def test_a_row_that_somebody_holds_is_not_waited_for(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await alice.post("/api/notes", {"slug": "a"})
    await start(backend, root)
    pool = backend.app.server.pool
    async with pool.lease() as holder, holder.transaction():
        await holder.execute("SELECT 1 FROM data.notes FOR UPDATE")
        held = asyncio.create_task(alice.call("PATCH", "/rest/v1/mine?slug=eq.a", json={"n": 3}))
        while (await report(backend, root))["skipped"] < 1:  # before its time is over, in which nobody could
            await asyncio.sleep(0.05)
            assert not held.done()
    assert (await held).status_code == 204


async def test_a_body_that_may_be_too_long_to_be_held_is_skipped_and_served(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"slug\na\n"

    for content in (b"slug\nb\n", pieces()):
        answer = await alice.call("POST", "/rest/v1/mine", content=content, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 201
    found = await report(backend, root)
    assert (found["compared"], found["skipped"]) == (1, 1)


async def test_many_at_once_are_skipped_and_served(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root)
    answers = await asyncio.gather(*(alice.get("/rest/v1/mine") for _ in range(20)))
    assert {one.status_code for one in answers} == {200}
    found = await report(backend, root)
    assert found["skipped"] > 0
    assert found["compared"] + found["skipped"] == 20
    assert found["differences"] == 0


async def test_what_is_kept_is_bounded_and_shows_no_credential(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root, changed("often['path'] = '/seldom'"))
    for number in range(KEPT + 3):
        await alice.post(f"/api/often?token=very-secret-{number}")
    found = await report(backend, root)
    assert (found["differences"], len(found["kept"]), found["kept"][-1]["number"]) == (KEPT + 3, KEPT, KEPT + 3)
    text = str(found)
    assert "very-secret" not in text
    assert alice.session["access_token"] not in text


async def test_a_sample_of_none_looks_at_nothing(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    await start(backend, root, query="sample=0")
    await alice.get("/rest/v1/mine")
    found = await report(backend, root)
    assert (found["compared"], found["skipped"]) == (0, 0)


async def test_a_body_is_read_by_each_as_if_it_were_the_only_one() -> None:
    sent = [{"type": "http.request", "body": bytes([65 + index]), "more_body": index < 2} for index in range(3)]
    left = iter(sent)

    async def receive() -> Any:
        return next(left)

    replay = Replay(receive)
    first, second = replay.reader(), replay.reader()
    assert [await first()] == sent[:1]
    assert [await second() for _ in range(3)] == sent
    assert [await first() for _ in range(2)] == sent[1:]


@pytest.mark.parametrize(
    ("live", "again", "draft", "places"),
    [
        ({"id": 1, "n": 1}, {"id": 2, "n": 1}, {"id": 3, "n": 1}, []),
        ({"id": 1, "n": 1}, {"id": 2, "n": 1}, {"id": 3, "n": 2}, ["n"]),
        ({"id": 1}, {"id": 2}, {}, ["id"]),
        ({}, {}, {"id": 3}, ["id"]),
        ([{"id": 1}], [{"id": 2}], [], [""]),
        ([{"id": 1}], [{"id": 2}], [{"id": 3}], []),
        ({"id": "a"}, {"id": "b"}, {"id": None}, ["id"]),
        ({"a": [1, 2]}, {"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
    ],
)
def test_what_is_never_the_same_twice_is_no_difference(live: Any, again: Any, draft: Any, places: list[str]) -> None:
    assert differences(live, again, draft) == places

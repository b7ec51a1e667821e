"""Simulate answers what the request would be answered, says why, and leaves every table as it was."""

import random
from typing import Any

import pytest
import pytest_asyncio

from tests.backend import Backend, Person, apply, serving
from tests.turns import Turns

DOCUMENT = "documents.yaml"
TABLES = """
SELECT 'd' AS t, row_to_json(d)::text AS r FROM data.documents d
UNION ALL SELECT 'u', row_to_json(u)::text FROM data.users u ORDER BY 1, 2
"""


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def simulate(backend: Backend, admin: dict[str, str], **said: Any) -> dict[str, Any]:
    answer = await backend.client.post("/admin/v1/simulate", json=said, headers=admin)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def created(person: Person) -> str:
    answer = await person.post("/api/documents", {"title": "Plan", "amount": 12.5})
    assert answer.status_code == 201, answer.text
    id_: str = answer.json()["id"]
    return id_


def stage(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in told["trace"] if one["stage"] == name)
    return found


async def test_it_says_which_rule_refused_and_what_the_rule_saw(backend: Backend) -> None:
    admin = await backend.admin()
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    path = f"/api/documents/{await created(alice)}"
    told = await simulate(backend, admin, **{"as": bob.id, "method": "DELETE", "path": path})
    real = await bob.call("DELETE", path)
    assert (told["status"], told["body"]["code"], told["body"]["detail"]) == (
        real.status_code, real.json()["code"], real.json()["detail"],
    )  # fmt: skip
    fetch, require = stage(told, "chain")["steps"][-2:]
    assert (fetch["step"], fetch["decision"], fetch["statements"][0]["rows"]) == ("fetch", "passed", 1)
    assert path.rpartition("/")[2] in fetch["statements"][0]["parameters"]
    assert (require["decision"], require["refusal"]["status"]) == ("refused", 403)
    assert require["rules"][0]["saw"]["auth.user.id"] == bob.id
    assert require["rules"][0]["saw"]["document.owner_user_id"] == alice.id
    assert require["place"].startswith("endpoints/")
    assert [one["stage"] for one in told["trace"]] == ["accept", "authenticate", "authorize", "bind", "chain"]


async def test_every_table_is_as_it_was(backend: Backend) -> None:
    admin = await backend.admin()
    alice = await backend.sign_up("alice")
    path = f"/api/documents/{await created(alice)}"
    before = await backend.sql(TABLES)
    requests: list[tuple[str, str, Any, int]] = [
        ("DELETE", path, None, 204),
        ("PATCH", path, {"title": "Other"}, 200),
        ("POST", "/api/documents", {"title": "New", "amount": 1}, 201),
    ]
    for method, where, body, status in requests:
        told = await simulate(
            backend, admin, **{"as": "alice@example.com", "method": method, "path": where, "body": body}
        )
        assert told["status"] == status, told
    assert await backend.sql(TABLES) == before


async def test_a_view_tells_its_rows_before_and_after_the_filter(backend: Backend) -> None:
    admin = await backend.admin()
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    await created(alice)
    await created(alice)
    await created(bob)
    told = await simulate(backend, admin, **{"as": bob.id, "path": "/rest/v1/my_documents", "query": "select=id"})
    seen = stage(told, "execute")
    assert (told["status"], len(told["body"])) == (200, 1)
    assert (seen["rows_before_filter"], seen["rows_after_filter"]) == (3, 1)
    assert seen["rules"][0]["saw"] == {"auth.user.id": bob.id}


async def test_a_stranger_stops_at_authorize_and_a_made_up_caller_gets_by(backend: Backend) -> None:
    admin = await backend.admin()
    told = await simulate(backend, admin, path="/rest/v1/my_documents")
    assert (told["status"], stage(told, "authorize")["decision"]) == (401, "refused")
    assert stage(told, "authorize")["access"] == "authenticated"
    for plan, status in (("free", 403), ("pro", 200)):
        caller = {"roles": [], "columns": {"plan": plan}}
        assert (await simulate(backend, admin, **{"as": caller, "path": "/api/export"}))["status"] == status


async def test_rate_limits_are_looked_at_and_not_counted(backend: Backend) -> None:
    admin = await backend.admin()
    alice = await backend.sign_up("alice")
    for _ in range(40):
        told = await simulate(
            backend, admin, **{"as": alice.id, "method": "POST", "path": "/api/documents", "body": {"title": "x"}}
        )
        assert told["status"] == 201
    await created(alice)


async def test_a_draft_is_tried_with_the_tables_that_it_would_have(backend: Backend) -> None:
    admin = await backend.admin()
    draft = (await backend.client.get("/admin/v1/config", headers=admin)).json()
    draft["tables"].append({"name": "notes", "columns": [{"name": "text", "type": "text"}]})
    draft["views"].append({"name": "all_notes", "table": "notes", "columns": ["text"], "access": "public"})
    told = await simulate(backend, admin, path="/rest/v1/all_notes", draft=draft)
    assert (told["status"], told["body"]) == (200, [])
    assert (await simulate(backend, admin, path="/rest/v1/all_notes"))["status"] == 404
    assert await backend.sql("SELECT to_regclass('data.notes')::text AS t") == [(None,)]
    draft["views"][-1]["filter"] = "row.txt == 'a'"
    answer = await backend.client.post(
        "/admin/v1/simulate", json={"path": "/rest/v1/all_notes", "draft": draft}, headers=admin
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "definition.invalid")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"path": "/admin/v1/users"}, 422),
        ({"path": "/api/x?y=1"}, 422),
        ({"path": "/api/status", "as": {"roles": [], "email": "a@example.com"}}, 422),
        ({"path": "/api/status", "as": {"columns": {"plam": "pro"}}}, 422),
        ({"path": "/api/status", "as": {"roles": ["nobody_has_it"]}}, 422),
        ({"path": "/api/status", "as": "nobody@example.com"}, 404),
        ({"path": "/api/status", "as": "not-an-id"}, 404),
        ({"path": "/api/status", "more": 1}, 422),
    ],
)
async def test_what_can_not_be_simulated_is_refused(backend: Backend, said: dict[str, Any], status: int) -> None:
    answer = await backend.client.post("/admin/v1/simulate", json=said, headers=await backend.admin())
    assert answer.status_code == status, answer.text


async def test_only_an_editor_simulates(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    for headers in ({}, {"Authorization": f"Bearer {alice.session['access_token']}"}):
        answer = await backend.client.post("/admin/v1/simulate", json={"path": "/api/status"}, headers=headers)
        assert answer.status_code == 401


def policy(chance: random.Random) -> dict[str, Any]:
    """Make a backend of random rules over the same table."""
    atoms = [
        "row.owner == auth.user.id", "row.n > 3", "row.label == auth.user.team", "row.n == null",
        "'staff' in auth.user.roles",
        "auth.signed_in", "row.label != 'a'", "auth.user.team == 'b'",
    ]  # fmt: skip
    access: list[Any] = ["public", "authenticated", {"roles": ["staff"]}]

    def rule(name: str) -> str:
        text = chance.choice(["{} && {}", "{} || {}", "!({}) || {}", "{} && !({})"])
        return text.format(chance.choice(atoms), chance.choice(atoms)).replace("row.", f"{name}.")

    kinds = {"method": "POST", "access": chance.choice(access), "input": {"path": {"id": {"type": "uuid"}}}}
    fetch = {"do": "fetch", "from": "things", "id": "input.id", "as": "thing"}
    return {
        "rowgate": 1,
        "roles": [{"name": "staff"}],
        "users": {"columns": [{"name": "team", "type": "text"}]},
        "tables": [{"name": "things", "columns": [
            {"name": "owner", "type": "user"}, {"name": "n", "type": "integer"}, {"name": "label", "type": "text"},
        ]}],
        "views": [{
            "name": "seen", "table": "things", "columns": "all", "filter": rule("row"), "access": chance.choice(access),
            "allow": ["select", "update"], "writable": ["n"],
        }],
        "middleware": [{"name": "may", "steps": [fetch, {"do": "require", "that": rule("thing")}]}],
        "endpoints": [
            {**kinds, "name": "raise", "path": "/things/{id}/raise", "middleware": ["may"], "steps": [
                {"do": "update", "table": "things", "id": "thing.id", "set": {"n": "=thing.n + 1"}, "as": "thing"},
                {"do": "require", "that": rule("thing")},
                {"do": "respond", "body": "=thing.n"},
            ]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_its_verdict_is_the_real_answer(migrated_url: str, seed: int) -> None:
    chance = random.Random(seed)
    await apply(migrated_url, policy(chance))
    async with serving(migrated_url, policy(chance)) as backend:
        admin = await backend.admin()
        people = [await backend.sign_up(name) for name in ("alice", "bob")]
        await backend.sql("UPDATE data.users SET team = 'b' WHERE id = $1", people[0].id)
        await backend.sql("INSERT INTO rowgate.user_roles (user_id, role) VALUES ($1, 'staff')", people[1].id)
        rows = [
            await backend.sql(
                "INSERT INTO data.things (owner, n, label) VALUES ($1, $2, $3) RETURNING id::text AS id",
                chance.choice([people[0].id, people[1].id, None]),
                chance.choice([None, 1, 4]),
                chance.choice([None, "a", "b"]),
            )
            for _ in range(4)
        ]
        callers: list[Person | None] = [None, *people]
        requests: list[tuple[str, str, Any]] = [("GET", "/rest/v1/seen?order=id", None)]
        requests += [("POST", f"/api/things/{row[0]['id']}/raise", None) for row in rows]
        requests += [("PATCH", f"/rest/v1/seen?id=eq.{row[0]['id']}", {"n": 2}) for row in rows]
        for caller in callers:
            for method, path, body in requests:
                plain, _, query = path.partition("?")
                said = {"as": caller.id if caller else "anonymous", "method": method, "path": plain, "query": query}
                before = await backend.sql("SELECT row_to_json(t)::text FROM data.things t ORDER BY id")
                told = await simulate(backend, admin, **said, body=body)
                assert await backend.sql("SELECT row_to_json(t)::text FROM data.things t ORDER BY id") == before
                more = {} if body is None else {"json": body}
                real = await (
                    caller.call(method, path, **more) if caller else backend.client.request(method, path, **more)
                )
                shown = real.json() if real.content else None
                for one in (shown, told["body"]):
                    if isinstance(one, dict):
                        one.pop("request_id", None)
                assert (told["status"], told["body"]) == (real.status_code, shown)

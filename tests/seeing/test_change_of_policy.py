"""Random changes of random policies: what the plan says of them, and what a shadow counts, is what then happens."""

import copy
import os
import random
from typing import Any

import pytest

from app.definitions.project import Project, parse_project
from app.review.effects import effects
from tests.backend import Backend, Person, apply, serving
from tests.seeing.test_simulate import policy, simulate

SEEDS = int(os.environ.get("ROWGATE_POLICY_SEEDS", "5"))


def project(document: Any) -> Project:
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    return parsed


def changed(chance: random.Random, before: dict[str, Any]) -> dict[str, Any]:
    """Change a few things of a policy, each narrower, wider or just otherwise."""
    after, other = copy.deepcopy(before), policy(chance)
    view, endpoint, may = after["views"][0], after["endpoints"][0], after["middleware"][0]
    rule = may["steps"][1]
    changes: list[Any] = [
        lambda: view.update(filter=f"({view['filter']}) && row.n > 1"),
        lambda: view.update(filter=f"({view['filter']}) || auth.user.team == 'b'"),
        lambda: view.update(filter=other["views"][0]["filter"]),
        lambda: view.update(access=other["views"][0]["access"]),
        lambda: view.update(allow=chance.choice([["select"], ["update"], ["select", "update"]])),
        lambda: endpoint.update(access=other["endpoints"][0]["access"]),
        lambda: rule.update(that=f"({rule['that']}) && 'staff' in auth.user.roles"),
        lambda: rule.update(that=f"({rule['that']}) || thing.n == 4"),
        lambda: rule.update(when="thing.n == 4"),
        lambda: may["steps"][0].update(optional=True),
        lambda: may["steps"].append({"do": "require", "that": "auth.signed_in"}),
        lambda: endpoint["steps"].pop(1),
        lambda: endpoint["steps"].insert(0, {"do": "fail", "status": 400, "when": "thing.label == 'a'"}),
        lambda: endpoint["steps"].insert(0, {"do": "if", "when": "thing.n == 1", "then": [
            {"do": "respond", "body": 1}]}),
    ]  # fmt: skip
    for change in chance.sample(changes, chance.randint(1, 2)):
        change()
    if view["allow"] == ["select"]:
        view.pop("writable", None)
    return after


async def stocked(backend: Backend, chance: random.Random) -> tuple[list[Person | None], list[str]]:
    """Make people of different teams and roles, and rows of theirs and of nobody's."""
    people = [await backend.sign_up(name) for name in ("alice", "bob")]
    await backend.sql("UPDATE data.users SET team = 'b' WHERE id = $1", people[0].id)
    await backend.sql("INSERT INTO rowgate.user_roles (user_id, role) VALUES ($1, 'staff')", people[1].id)
    made = "INSERT INTO data.things (owner, n, label) VALUES ($1, $2, $3) RETURNING id::text AS id"
    owners = [people[0].id, people[1].id, None]
    ids = [
        (await backend.sql(made, chance.choice(owners), n, chance.choice([None, "a", "b"])))[0]["id"]
        for n in (None, 1, 4, 5)
    ]
    return [None, *people], ids


def let_more(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Say whether somebody gets into something by the second policy that the first kept shut."""
    if before["status"] >= 400 or after["status"] >= 400:
        return bool(after["status"] < 400 <= before["status"])
    rows, held = after["body"], before["body"]
    return isinstance(rows, list) and any(row not in held for row in rows)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_a_change_lets_in_was_planned_and_what_it_decides_otherwise_was_counted(
    migrated_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    before = policy(chance)
    after = changed(chance, before)
    await apply(migrated_url, before)
    async with serving(migrated_url, before) as backend:
        root = await backend.admin()
        people, ids = await stocked(backend, chance)
        requests: list[tuple[str, str, Any]] = [("GET", "/rest/v1/seen?order=id", None)]
        requests += [("POST", f"/api/things/{one}/raise", None) for one in ids]
        requests += [("PATCH", f"/rest/v1/seen?id=eq.{one}", {"n": 2}) for one in ids]
        started = await backend.client.post("/admin/v1/shadow?seconds=5", json=after, headers=root)
        assert started.status_code == 201, started.text
        differ, wider = 0, []
        for person in people:
            for method, path, body in requests:
                plain, _, query = path.partition("?")
                said = {"as": person.id if person else "anonymous", "method": method, "path": plain, "query": query}
                live = await simulate(backend, root, **said, body=body)
                draft = await simulate(backend, root, **said, body=body, draft=after)
                for one in (live, draft):
                    if isinstance(one["body"], dict):
                        one["body"].pop("request_id", None)
                differ += any(live[part] != draft[part] for part in ("status", "headers", "body"))
                if let_more(live, draft):
                    wider.append((person and person.id, method, path))
                more = {} if body is None else {"json": body}
                await (person.call(method, path, **more) if person else backend.client.request(method, path, **more))
        found = (await backend.client.get("/admin/v1/shadow", headers=root)).json()
        assert (found["compared"], found["skipped"]) == (len(people) * len(requests), 0)
        assert found["differences"] == differ, found["by"]
        told = effects(project(before), project(after))
        assert not wider or any(one.wider for one in told), (before, after, wider)

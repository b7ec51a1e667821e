"""Changes that come at once take turns: none without If-Match is refused for another, and none undoes one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.changes import apply as applying
from tests.backend import Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": f"r{n}"} for n in range(4)],
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text"}]}],
}
ANY = {"If-Match": "*"}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def numbers(client: httpx.AsyncClient, root: dict[str, str]) -> list[int]:
    return [one["number"] for one in (await client.get("/admin/v1/revisions", headers=root)).json()]


async def test_whoever_makes_a_role_at_once_with_others_makes_it(backend: Backend) -> None:
    root = await backend.admin()
    # Two servers on one database, four of the eight at each.
    async with serving(backend.url, DOCUMENT) as other:
        bodies = [{"name": f"new{n}"} for n in range(8)]
        made = await asyncio.gather(
            *(
                (backend, other)[n % 2].client.post("/admin/v1/roles", json=body, headers=root)
                for n, body in enumerate(bodies)
            )
        )
    assert [one.status_code for one in made] == [201] * 8, [one.text for one in made]
    assert len({one.headers["etag"] for one in made}) == 8
    listed = (await backend.client.get("/admin/v1/roles", headers=root)).json()
    assert {one["name"] for one in listed} == {
        f"{kind}{n}" for kind, count in (("r", 4), ("new", 8)) for n in range(count)
    }
    assert await numbers(backend.client, root) == list(range(9, 0, -1))


async def test_every_kind_of_change_takes_its_turn_and_keeps_what_the_others_did(backend: Backend) -> None:
    root = await backend.admin()
    column = {"name": "more", "type": "text"}
    view = {"name": "all", "table": "notes", "access": "public"}
    calls = [
        ("POST", "/views", view, {}), ("POST", "/roles", {"name": "new"}, {}),
        ("PATCH", "/roles/r0", {"description": "zero"}, {}), ("PUT", "/roles/r1", {"description": "one"}, ANY),
        ("PATCH", "/roles/r2", {"name": "two"}, {}), ("DELETE", "/roles/r3", None, ANY),
        ("PATCH", "/tables/notes", {"columns": [*DOCUMENT["tables"][0]["columns"], column]}, {}),
        ("POST", "/roles", {"name": "newer"}, {}),
    ]  # fmt: skip
    answers = await asyncio.gather(
        *(
            backend.client.request(method, f"/admin/v1{path}", json=body, headers={**root, **more})
            for method, path, body, more in calls
        )
    )
    assert [one.status_code for one in answers] == [201, 201, 200, 200, 200, 204, 200, 201]
    document = (await backend.client.get("/admin/v1/config", headers=root)).json()
    roles = {one["name"]: one.get("description") for one in document["roles"]}
    assert roles == {"r0": "zero", "r1": "one", "two": None, "new": None, "newer": None}
    assert document["views"] == [view]
    assert [one["name"] for one in document["tables"][0]["columns"]] == ["body", "more"]
    assert (await numbers(backend.client, root))[0] == 9


async def test_of_those_that_name_a_revision_one_is_carried_out(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": '"1"'}
    made = await asyncio.gather(
        *(backend.client.post("/admin/v1/roles", json={"name": f"new{n}"}, headers=root) for n in range(4))
    )
    assert sorted(one.status_code for one in made) == [201, 412, 412, 412]
    assert {one.json()["code"] for one in made if one.status_code != 201} == {"change.revision"}


async def test_what_takes_no_turn_and_comes_between_is_kept(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command, or a server that starts, changes the definitions between the reading of an edit and its writing."""
    root = await backend.admin()
    checked = applying._checked
    between = [{**DOCUMENT, "roles": [*DOCUMENT["roles"], {"name": "between"}]}]

    async def meanwhile(*said: Any, **more: Any) -> Any:
        found = await checked(*said, **more)
        if between:
            await backend.apply(between.pop())
        return found

    monkeypatch.setattr(applying, "_checked", meanwhile)
    made = await backend.client.post("/admin/v1/roles", json={"name": "new"}, headers=root)
    assert (made.status_code, made.headers["etag"]) == (201, '"3"')
    listed = (await backend.client.get("/admin/v1/roles", headers=root)).json()
    assert [one["name"] for one in listed] == ["r0", "r1", "r2", "r3", "between", "new"]

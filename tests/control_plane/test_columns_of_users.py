"""The columns that admins add to users, one by one: refusals first."""

from typing import Any

import pytest_asyncio

from tests.auth.conftest import DOCUMENT
from tests.backend import Backend
from tests.turns import Turns

__all__ = ["DOCUMENT"]
ANY = {"If-Match": "*"}
PATH = "/admin/v1/users/columns"


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def call(
    backend: Backend, root: dict[str, str], method: str, path: str = "", body: Any = None, **more: str
) -> Any:
    return await backend.client.request(method, f"{PATH}{path}", json=body, headers={**root, **more})


async def test_a_column_that_makes_no_sense_is_refused_with_its_place(backend: Backend) -> None:
    root = await backend.admin()
    for body, code, words in (
        ({"name": "plan", "type": "text"}, "definition.name_taken", "There is a column of this name."),
        ({"name": "x", "type": "string"}, "definition.invalid", "users"),
        ({"name": "roles", "type": "text"}, "definition.invalid", "roles"),
        ({"type": "text"}, "definition.invalid", "name"),
    ):
        refused = await call(backend, root, "POST", "", body)
        assert (refused.status_code, refused.json()["code"]) == (409 if "taken" in code else 422, code), refused.text
        assert words in refused.text
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        missing = await call(backend, root, method, "/nothing", {"type": "text"}, **ANY)
        assert (missing.status_code, missing.json()["detail"]) == (404, "There is no such column.")
    assert (await call(backend, root, "DELETE", "/plan")).json()["code"] == "change.etag_needed"
    assert [one["name"] for one in (await call(backend, root, "GET")).json()] == ["display_name", "plan"]


async def test_columns_are_made_read_changed_renamed_and_dropped_and_people_have_them_at_once(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    made = await call(backend, root, "POST", "", {"name": "city", "type": "text", "self_editable": True})
    assert (made.status_code, made.json()) == (201, {"name": "city", "type": "text", "self_editable": True})
    assert made.headers["etag"] == (await call(backend, root, "GET")).headers["etag"]
    moved = await alice.call("PUT", "/auth/v1/user", json={"data": {"city": "Rome"}})
    assert moved.json()["user_metadata"]["city"] == "Rome"
    changed = await call(backend, root, "PATCH", "/city", {"max_length": 40})
    assert changed.json() == {"name": "city", "type": "text", "self_editable": True, "max_length": 40}
    whole = await call(backend, root, "PUT", "/city", {"name": "town", "type": "text", "max_length": 40}, **ANY)
    assert (whole.status_code, whole.json()) == (200, {"name": "town", "type": "text", "max_length": 40})
    person = await backend.client.get(f"/admin/v1/users/{alice.id}", headers=root)
    assert (person.json()["town"], "city" in person.json()) == ("Rome", False)
    planned = await call(backend, root, "DELETE", "/town?dry_run=true", **ANY)
    assert planned.json()["destroys"] == ["users.town"]
    kept = await call(backend, root, "DELETE", "/town", **ANY)
    assert (kept.status_code, kept.json()["code"]) == (409, "change.would_destroy")
    assert (await call(backend, root, "DELETE", "/town?destroy=users.town", **ANY)).status_code == 204
    document = (await backend.client.get("/admin/v1/config", headers=root)).json()
    assert document["users"] == DOCUMENT["users"]


async def test_a_column_named_as_a_part_of_a_user_has_its_routes(backend: Backend) -> None:
    root = await backend.admin()
    assert (await call(backend, root, "POST", "", {"name": "password", "type": "text"})).status_code == 201
    changed = await call(backend, root, "PUT", "/password", {"type": "text", "max_length": 9}, **ANY)
    assert changed.json() == {"name": "password", "type": "text", "max_length": 9}


async def test_columns_of_users_that_cant_be_read_are_not_written_over(backend: Backend) -> None:
    root = await backend.admin()
    await backend.sql(
        "UPDATE rowgate.definitions SET body = '{\"columns\": 7}' WHERE kind = 'users' AND valid_to IS NULL"
    )
    for method, body in (("GET", None), ("POST", {"name": "city", "type": "text"})):
        refused = await call(backend, root, method, "", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "definition.invalid")
    (row,) = await backend.sql("SELECT body::text FROM rowgate.definitions WHERE kind = 'users' AND valid_to IS NULL")
    assert row["body"] == '{"columns": 7}'

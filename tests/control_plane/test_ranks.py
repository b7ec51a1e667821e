"""Who may use which route of the admin API, and touch whom: every route, by token and by key, against every rank."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import pytest_asyncio
from fastapi.routing import iter_route_contexts

from app.auth.admin_access import ROLES, hold_rank
from app.control_plane.definitions import CALLED
from tests.auth.conftest import DOCUMENT, admin_sign_in, bearer
from tests.backend import ADMIN_PASSWORD, Backend, serving

RANKS = tuple(reversed(ROLES))


@dataclass(frozen=True)
class Needs:
    """The least rank that a route wants, and what it answers to one who has it: to an empty object for a body.

    With `own` it is about who is signed in, which no key is.
    """

    rank: str | None
    status: int
    own: bool = False


def of_section(section: str) -> dict[tuple[str, str], Needs]:
    path = f"/admin/v1/{section}"
    return {
        ("GET", path): Needs("viewer", 200),
        ("GET", f"{path}/{{name}}"): Needs("viewer", 404),
        ("POST", path): Needs("editor", 422),
        ("PUT", f"{path}/{{name}}"): Needs("editor", 428),
        ("PATCH", f"{path}/{{name}}"): Needs("editor", 404),
        ("DELETE", f"{path}/{{name}}"): Needs("editor", 428),
    }


ROUTES: dict[tuple[str, str], Needs] = {
    ("GET", "/admin/v1/openapi.json"): Needs(None, 200),
    ("GET", "/admin/v1/docs"): Needs(None, 200),
    ("POST", "/admin/v1/setup"): Needs(None, 422),
    ("POST", "/admin/v1/sign-in"): Needs(None, 422),
    ("POST", "/admin/v1/refresh"): Needs(None, 422),
    ("POST", "/admin/v1/browser/sign-in"): Needs(None, 422),
    ("POST", "/admin/v1/browser/refresh"): Needs(None, 401),
    ("POST", "/admin/v1/sign-out"): Needs("viewer", 204),
    ("PUT", "/admin/v1/password"): Needs("viewer", 422),
    ("GET", "/admin/v1/users"): Needs("viewer", 200),
    ("POST", "/admin/v1/users"): Needs("editor", 422),
    ("POST", "/admin/v1/users/import"): Needs("editor", 415),
    ("GET", "/admin/v1/users/{user_id}"): Needs("viewer", 404),
    ("PATCH", "/admin/v1/users/{user_id}"): Needs("editor", 404),
    ("DELETE", "/admin/v1/users/{user_id}"): Needs("editor", 404),
    ("PUT", "/admin/v1/users/{user_id}/roles"): Needs("editor", 422),
    ("PUT", "/admin/v1/users/{user_id}/password"): Needs("editor", 422),
    ("GET", "/admin/v1/users/{user_id}/sessions"): Needs("viewer", 404),
    ("DELETE", "/admin/v1/users/{user_id}/sessions/{session_id}"): Needs("editor", 404),
    ("POST", "/admin/v1/users/{user_id}/{action}"): Needs("editor", 404),
    ("GET", "/admin/v1/api-keys"): Needs("viewer", 200),
    ("POST", "/admin/v1/api-keys"): Needs("editor", 422),
    ("GET", "/admin/v1/api-keys/{name}"): Needs("viewer", 404),
    ("DELETE", "/admin/v1/api-keys/{name}"): Needs("editor", 404),
    ("GET", "/admin/v1/admins"): Needs("viewer", 200),
    ("POST", "/admin/v1/admins"): Needs("owner", 422),
    ("PATCH", "/admin/v1/admins/{admin_id}"): Needs("owner", 404),
    ("DELETE", "/admin/v1/admins/{admin_id}"): Needs("owner", 404),
    ("PUT", "/admin/v1/admins/{admin_id}/password"): Needs("owner", 422),
    ("DELETE", "/admin/v1/admins/{admin_id}/factors"): Needs("owner", 404),
    ("GET", "/admin/v1/admins/{admin_id}/sessions"): Needs("owner", 404),
    ("DELETE", "/admin/v1/admins/{admin_id}/sessions"): Needs("owner", 404),
    ("GET", "/admin/v1/admins/{admin_id}/sign-ins"): Needs("owner", 404),
    ("GET", "/admin/v1/admins/invites"): Needs("viewer", 200),
    ("POST", "/admin/v1/admins/invites"): Needs("owner", 422),
    ("DELETE", "/admin/v1/admins/invites/{invite_id}"): Needs("owner", 404),
    ("POST", "/admin/v1/admins/invites/accept"): Needs(None, 422),
    ("POST", "/admin/v1/recover"): Needs(None, 422),
    ("POST", "/admin/v1/recover/redeem"): Needs(None, 422),
    ("GET", "/admin/v1/account"): Needs("viewer", 200, own=True),
    ("POST", "/admin/v1/account/factors"): Needs("viewer", 422, own=True),
    ("POST", "/admin/v1/account/factors/{factor_id}/verify"): Needs("viewer", 422, own=True),
    ("POST", "/admin/v1/account/factors/{factor_id}/remove"): Needs("viewer", 422, own=True),
    ("POST", "/admin/v1/account/recovery-codes"): Needs("viewer", 422, own=True),
    ("GET", "/admin/v1/account/sessions"): Needs("viewer", 200, own=True),
    ("DELETE", "/admin/v1/account/sessions/{session_id}"): Needs("viewer", 404, own=True),
    ("GET", "/admin/v1/account/sign-ins"): Needs("viewer", 200, own=True),
    ("GET", "/admin/v1/secrets"): Needs("editor", 200),
    ("GET", "/admin/v1/secrets/{name}"): Needs("editor", 404),
    ("POST", "/admin/v1/secrets"): Needs("editor", 422),
    ("PUT", "/admin/v1/secrets/{name}"): Needs("editor", 428),
    ("PATCH", "/admin/v1/secrets/{name}"): Needs("editor", 404),
    ("DELETE", "/admin/v1/secrets/{name}"): Needs("editor", 428),
    ("GET", "/admin/v1/outbox"): Needs("viewer", 200),
    ("GET", "/admin/v1/mail"): Needs("editor", 200),
    ("GET", "/admin/v1/mail/queue"): Needs("viewer", 200),
    ("POST", "/admin/v1/mail/{mail_id}/retry"): Needs("editor", 404),
    ("GET", "/admin/v1/instances"): Needs("viewer", 200),
    ("GET", "/admin/v1/queues"): Needs("viewer", 200),
    ("POST", "/admin/v1/outbox/{call_id}/retry"): Needs("editor", 404),
    ("DELETE", "/admin/v1/outbox/{call_id}"): Needs("editor", 404),
    ("POST", "/admin/v1/simulate"): Needs("editor", 422),
    ("POST", "/admin/v1/explain"): Needs("editor", 422),
    ("POST", "/admin/v1/shadow"): Needs("editor", 422),
    ("GET", "/admin/v1/shadow"): Needs("editor", 404),
    ("DELETE", "/admin/v1/shadow"): Needs("editor", 404),
    ("POST", "/admin/v1/test"): Needs("viewer", 422),
    ("POST", "/admin/v1/test/isolation"): Needs("viewer", 422),
    ("GET", "/admin/v1/test/isolation"): Needs("viewer", 200),
    ("GET", "/admin/v1/test/coverage"): Needs("viewer", 200),
    ("POST", "/admin/v1/requests/{request_id}/test"): Needs("viewer", 404),
    ("GET", "/admin/v1/requests"): Needs("viewer", 200),
    ("GET", "/admin/v1/requests/{request_id}"): Needs("viewer", 404),
    ("GET", "/admin/v1/access"): Needs("viewer", 200),
    ("GET", "/admin/v1/config"): Needs("viewer", 200),
    ("PUT", "/admin/v1/config"): Needs("editor", 422),
    ("POST", "/admin/v1/config/plan"): Needs("viewer", 422),
    ("POST", "/admin/v1/check"): Needs("viewer", 200),
    ("GET", "/admin/v1/revisions"): Needs("viewer", 200),
    ("GET", "/admin/v1/revisions/{number}"): Needs("viewer", 404),
    ("POST", "/admin/v1/revisions/{number}/restore"): Needs("editor", 404),
    ("GET", "/admin/v1/schema"): Needs("viewer", 200),
    ("GET", "/admin/v1/examples"): Needs("viewer", 200),
    ("GET", "/admin/v1/settings"): Needs("viewer", 200),
    ("GET", "/admin/v1/audit"): Needs("viewer", 200),
    ("GET", "/admin/v1/tables/{name}/rows"): Needs("viewer", 404),
    **{(method, "/admin/v1/tables/{name}/rows"): Needs("editor", 404) for method in ("POST", "PATCH", "DELETE")},
    **{route: needs for section in CALLED for route, needs in of_section(section).items()},
}
FILLED = {
    **dict.fromkeys((
        "user_id", "admin_id", "call_id", "mail_id", "request_id", "invite_id", "factor_id", "session_id",
    ), "018f0000-0000-7000-8000-00000000000a"),
    "name": "nothing", "number": "999", "action": "disable",
}  # fmt: skip
OWN_PAGE = {"Origin": "http://testserver"}  # what a browser says of a page of this server

Callers = dict[str, tuple[str | None, dict[str, str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(shared_url: str) -> AsyncIterator[Backend]:
    async with serving(shared_url, DOCUMENT) as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def root(backend: Backend) -> dict[str, str]:
    return await backend.admin()


async def make_key(backend: Backend, root: dict[str, str], name: str, **more: Any) -> str:
    made = await backend.client.post("/admin/v1/api-keys", json={"name": name, **more}, headers=root)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def make_admin(backend: Backend, root: dict[str, str], email: str, role: str) -> str:
    body = {"email": email, "password": ADMIN_PASSWORD, "role": role}
    made = await backend.client.post("/admin/v1/admins", json=body, headers=root)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(backend: Backend, root: dict[str, str]) -> Callers:
    """Everybody there is: by what they are called, their rank, and the headers that they send."""
    alice = await backend.sign_up("alice")
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'support')", alice.id)
    found: Callers = {
        "stranger": (None, {}),
        "user": (None, bearer(alice.session["access_token"])),
        "key of the backend": (None, bearer(await make_key(backend, root, "backend", roles=["support"]))),
        "publishable key": (None, {"apikey": backend.app.server.auth.publishable_key}),
    }
    for role in RANKS:
        await make_admin(backend, root, f"{role}@example.com", role)
        session = (await admin_sign_in(backend, f"{role}@example.com", ADMIN_PASSWORD)).json()
        found[f"{role} by token"] = role, bearer(session["access_token"])
        found[f"{role} by key"] = role, {"apikey": await make_key(backend, root, f"as-{role}", admin_role=role)}
    return found


def reaches(rank: str | None, needed: str | None) -> bool:
    return needed is None or (rank is not None and ROLES.index(rank) >= ROLES.index(needed))


async def standing(backend: Backend) -> list[Any]:
    """Give all that a refused request could have changed, but for the audit log."""
    return await backend.sql(
        "SELECT name AS what, admin_role AS rank, revoked_at::text AS ended FROM rowgate.api_keys"
        " UNION ALL SELECT email, role, disabled_at::text FROM rowgate.admins"
        " UNION ALL SELECT 'revision', revision::text, NULL FROM rowgate.live ORDER BY 1, 2, 3"
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_of_the_admin_api_wants_the_rank_that_stands_here(backend: Backend, callers: Callers) -> None:
    routes = {
        (method, str(route.path))
        for route in iter_route_contexts(backend.app.fastapi.routes)
        if str(route.path).startswith("/admin/v1")
        for method in route.methods or ()
    }
    assert routes == set(ROUTES), "each route of the admin API has its line in this table, and each line a route"
    before = await standing(backend)
    # Who signs out is out: last of all.
    ordered = sorted(ROUTES.items(), key=lambda one: one[0][1].endswith("/sign-out"))
    for ((method, path), needs), (name, (rank, headers)) in product(ordered, callers.items()):
        url = path.format_map(FILLED)
        body: Any = {} if method in {"POST", "PUT", "PATCH"} else None
        answer = await backend.client.request(method, url, json=body, headers={**OWN_PAGE, **headers})
        wanted = needs.status if reaches(rank, needs.rank) else 401 if rank is None else 403
        if needs.own and name.endswith(" by key") and wanted != 401:
            assert (answer.status_code, answer.json()["code"]) == (403, "admin.no_account"), (method, path, name)
            continue
        assert answer.status_code == wanted, (method, path, name, answer.text)
        if wanted == 403:
            assert answer.json()["code"] == "admin.role_missing"
    assert await standing(backend) == before


async def touched(
    backend: Backend, root: dict[str, str], what: str, rank: str | None, tag: str
) -> tuple[str, str, Any, int]:
    """Give a request that makes, changes or takes away an admin or a key of a rank, and the status of one that may."""
    email, name = f"{tag}@example.com", f"key-{tag}"
    if what == "makes a key":
        return "POST", "/admin/v1/api-keys", {"name": name, "admin_role": rank}, 201
    if what == "revokes a key":
        await make_key(backend, root, name, admin_role=rank)
        return "DELETE", f"/admin/v1/api-keys/{name}", None, 204
    if what == "makes an admin":
        return "POST", "/admin/v1/admins", {"email": email, "password": ADMIN_PASSWORD, "role": rank}, 201
    assert rank is not None
    if what == "gives a rank":
        path = f"/admin/v1/admins/{await make_admin(backend, root, email, 'editor' if rank == 'viewer' else 'viewer')}"
        return "PATCH", path, {"role": rank}, 200
    path = f"/admin/v1/admins/{await make_admin(backend, root, email, rank)}"
    if what == "deletes an admin":
        return "DELETE", path, None, 204
    other = {"role": "editor" if rank == "viewer" else "viewer"}
    return "PATCH", path, {"disabled": True} if what == "disables an admin" else other, 200


# What a route needs of whoever calls it, before it is asked what it touches.
TOUCHING = {
    "makes a key": "editor", "revokes a key": "editor", "makes an admin": "owner", "gives a rank": "owner",
    "takes a rank": "owner", "disables an admin": "owner", "deletes an admin": "owner",
}  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("what", TOUCHING)
async def test_nobody_touches_what_has_a_higher_rank(
    backend: Backend, root: dict[str, str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = backend.app.server.auth.passwords

    async def quick(*_: Any) -> str:
        return "not a hash"

    monkeypatch.setattr(passwords, "hash", quick)  # what is made here never signs in
    keys = {role: {"apikey": await make_key(backend, root, f"{what}, {role}", admin_role=role)} for role in RANKS}
    of_keys = "key" in what
    for number, (role, rank) in enumerate(product(RANKS, (*RANKS, None) if of_keys else RANKS)):
        tag = f"{what.partition(' ')[0]}-{of_keys}-{number}".lower()
        method, path, body, status = await touched(backend, root, what, rank, tag)
        before = await standing(backend)
        denied = await backend.sql("SELECT 1 FROM rowgate.audit WHERE action = 'admin.denied'")
        answer = await backend.client.request(method, path, json=body, headers=keys[role])
        may = reaches(role, TOUCHING[what]) and reaches(role, rank)
        assert answer.status_code == (status if may else 403), (what, role, rank, answer.text)
        assert (await standing(backend) == before) is not may
        after = await backend.sql("SELECT 1 FROM rowgate.audit WHERE action = 'admin.denied'")
        assert len(after) - len(denied) == (not may)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_that_took_the_name_of_another_is_not_revoked_in_its_place(
    backend: Backend, root: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a key's rank and its end an owner makes another key of that name."""
    editor = bearer(await make_key(backend, root, "swapper", admin_role="editor"))
    await make_key(backend, root, "swapped", admin_role="editor")

    async def slow(*parts: Any) -> None:
        await hold_rank(*parts)
        monkeypatch.undo()
        assert (await backend.client.delete("/admin/v1/api-keys/swapped", headers=root)).status_code == 204
        await make_key(backend, root, "swapped", admin_role="owner")

    monkeypatch.setattr("app.control_plane.api_keys.hold_rank", slow)
    assert (await backend.client.delete("/admin/v1/api-keys/swapped", headers=editor)).status_code == 404
    rows = await backend.sql("SELECT admin_role FROM rowgate.api_keys WHERE name = 'swapped' AND revoked_at IS NULL")
    assert [row["admin_role"] for row in rows] == ["owner"]

"""The step rate_limit on a backend of its own: by whom it counts, what, and several at once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, Person, serving


def endpoint(name: str, *limits: dict[str, Any], then: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    fields = {"code": {"type": "text"}, "weight": {"type": "integer", "default": 1}}
    steps = [*({"do": "rate_limit", **limit} for limit in limits), *then, {"do": "respond", "body": "done"}]
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "public", "input": {"body": fields},
        "steps": steps,
    }  # fmt: skip


RIGHT = {"do": "require", "that": 'input.code == "right"', "status": 422}
ANSWERED = {"do": "respond", "status": 400, "body": "no", "when": 'input.code != "right"'}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "pro"}],
    "endpoints": [
        endpoint("by_user", {"limit": "2/minute"}),
        endpoint("by_role", {"limit": '="pro" in auth.user.roles ? "3/minute" : "1/minute"', "by": "auth.user.id"}),
        endpoint("by_input", {"limit": "1/minute", "by": "input.code"}),
        endpoint("by_weight", {"limit": "5/minute", "cost": "=input.weight"}),
        endpoint("by_two", {"limit": "1/minute", "by": "input.code"}, {"limit": "2/minute", "scope": "both"}),
        endpoint("guess", {"limit": "2/minute", "count": "failures"}, then=(RIGHT,)),
        endpoint("answered", {"limit": "2/minute", "count": "failures"}, then=(ANSWERED,)),
        endpoint("watched", {"limit": "1/minute", "count": "failures", "dry_run": True}, then=(RIGHT,)),
        endpoint("apart", {"limit": "2/minute", "count": "failures", "by": "input.code"}, then=(RIGHT,)),
    ],
}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


async def statuses(backend: Backend, name: str, *bodies: Any, person: Person | None = None) -> list[int]:
    headers = {"Authorization": f"Bearer {person.session['access_token']}"} if person else {}
    found = []
    for body in bodies:
        answer = await backend.client.post(f"/api/{name}", json=body, headers=headers)
        found.append(answer.status_code)
    return found


async def test_each_person_and_each_address_is_counted_apart(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    assert await statuses(backend, "by_user", {}, {}, {}, person=alice) == [200, 200, 429]
    assert await statuses(backend, "by_user", {}, {}, {}, person=bob) == [200, 200, 429]
    assert await statuses(backend, "by_user", {}, {}, {}) == [200, 200, 429]


async def test_a_role_may_have_a_limit_of_its_own(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'pro')", alice.id)
    assert await statuses(backend, "by_role", {}, {}, {}, {}, person=alice) == [200, 200, 200, 429]
    assert await statuses(backend, "by_role", {}, {}, person=bob) == [200, 429]


async def test_an_input_is_a_key_and_without_one_the_caller_is(backend: Backend) -> None:
    codes = [{"code": "a"}, {"code": "b"}, {"code": "a"}, {}, {}]
    assert await statuses(backend, "by_input", *codes) == [200, 200, 429, 200, 429]


async def test_a_request_costs_what_it_says(backend: Backend) -> None:
    weights = [{"weight": 3}, {"weight": 3}, {"weight": 2}, {}]
    assert await statuses(backend, "by_weight", *weights) == [200, 429, 200, 429]


async def test_of_several_limits_each_holds_and_all_are_told(backend: Backend) -> None:
    assert await statuses(backend, "by_two", {"code": "a"}, {"code": "b"}, {"code": "c"}) == [200, 200, 429]
    answer = await backend.client.post("/api/by_two", json={"code": "d"})
    assert answer.headers["ratelimit-policy"].count("q=") == 2


async def test_only_failures_count_and_then_nothing_goes_on(backend: Backend) -> None:
    right, wrong = {"code": "right"}, {"code": "wrong"}
    assert await statuses(backend, "guess", right, right, right, wrong, right, wrong) == [200, 200, 200, 422, 200, 422]
    answer = await backend.client.post("/api/guess", json=right)
    assert (answer.status_code, answer.json()["code"]) == (429, "chain.rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert await statuses(backend, "guess", wrong) == [429]


async def test_an_answer_of_400_or_more_is_a_failure(backend: Backend) -> None:
    wrong = {"code": "wrong"}
    assert await statuses(backend, "answered", wrong, wrong, wrong) == [400, 400, 429]


async def test_what_is_refused_before_the_step_is_not_its_failure(backend: Backend) -> None:
    bad = {"weight": "no number"}
    assert await statuses(backend, "guess", bad, bad, bad, {"code": "right"}) == [422, 422, 422, 200]


async def test_failures_are_counted_apart_by_key(backend: Backend) -> None:
    one, two = {"code": "one"}, {"code": "two"}
    assert await statuses(backend, "apart", one, one, one, two) == [422, 422, 429, 422]


async def test_a_dry_run_refuses_nobody(backend: Backend) -> None:
    wrong = {"code": "wrong"}
    assert await statuses(backend, "watched", wrong, wrong, wrong, {"code": "right"}) == [422, 422, 422, 200]

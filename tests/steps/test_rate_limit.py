"""The step rate_limit on a backend of its own: by whom it counts, what, and several at once."""

import asyncio
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
COUNTED = {"do": "count", "from": "notes", "as": "n"}
KEPT = {"do": "insert", "table": "notes", "set": {"body": "=input.code"}}
GUESSED = {"do": "rate_limit", "limit": "2/minute", "count": "failures"}
ANSWERED = {"do": "respond", "status": 400, "body": "no", "when": 'input.code != "right"'}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "pro"}],
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text"}]}],
    "endpoints": [
        endpoint("by_user", {"limit": "2/minute"}),
        endpoint("by_role", {"limit": '="pro" in auth.user.roles ? "3/minute" : "1/minute"', "by": "auth.user.id"}),
        endpoint("by_input", {"limit": "1/minute", "by": "input.code"}),
        endpoint("by_weight", {"limit": "5/minute", "cost": "=input.weight"}),
        endpoint("by_two", {"limit": "1/minute", "by": "input.code"}, {"limit": "2/minute", "scope": "both"}),
        endpoint("guess", {"limit": "2/minute", "count": "failures"}, then=(RIGHT,)),
        endpoint("answered", {"limit": "2/minute", "count": "failures"}, then=(ANSWERED,)),
        endpoint("watched", {"limit": "1/minute", "count": "failures", "dry_run": True}, then=(RIGHT,)),
        endpoint("tried", {"limit": "1/minute", "dry_run": True}),
        endpoint("tried_then", {"limit": "1/hour", "dry_run": True}, {"limit": "1/10 seconds", "scope": "short"}),
        endpoint("dear", {"limit": "5/minute", "count": "failures", "cost": 3}, then=(RIGHT,)),
        endpoint("dear_said", {"limit": "5/minute", "count": "failures", "cost": "=input.weight"}, then=(RIGHT,)),
        endpoint("slow_guess", {"limit": "2/minute", "count": "failures"}, then=(COUNTED, RIGHT)),
        endpoint("kept_guess", {"limit": "2/minute", "count": "failures"}, then=(RIGHT, KEPT)),
        endpoint("kept_inside", then=({"do": "if", "when": "true", "then": [GUESSED]}, RIGHT, KEPT)),
        endpoint("by_said", {"limit": "=input.code"}),
        endpoint("by_kind", {"limit": '=auth.kind == "key" ? "2/minute" : "1/minute"'}),
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


async def told(backend: Backend, name: str, body: Any) -> tuple[int, str | None, str | None, str | None]:
    answer = await backend.client.post(f"/api/{name}", json=body)
    names = ("ratelimit-policy", "ratelimit", "retry-after")
    policy, state, wait = (answer.headers.get(one) for one in names)
    return answer.status_code, policy, state, wait


async def test_headers_say_the_policy_what_is_left_and_how_long_to_wait(backend: Backend) -> None:
    said = '"by_weight";q=5;w=60'
    assert await told(backend, "by_weight", {"weight": 3}) == (200, said, '"by_weight";r=2;t=60', None)
    status, policy, state, wait = await told(backend, "by_weight", {"weight": 3})
    assert (status, policy) == (429, said)
    assert state == f'"by_weight";r=2;t={wait}'
    assert wait is not None
    assert 1 <= int(wait) <= 60


async def test_headers_of_several_limits_are_told_on_success_and_refusal(backend: Backend) -> None:
    policy = '"by_two";q=1;w=60, "both";q=2;w=60'
    assert await told(backend, "by_two", {"code": "a"}) == (200, policy, '"by_two";r=0;t=60, "both";r=1;t=60', None)
    assert (await told(backend, "by_two", {"code": "a"}))[:2] == (429, '"by_two";q=1;w=60')
    assert (await told(backend, "by_two", {"code": "b"}))[0] == 200
    status, named, state, wait = await told(backend, "by_two", {"code": "c"})
    assert (status, named) == (429, policy)
    assert state is not None
    assert state.endswith(f'"both";r=0;t={wait}')


async def test_of_failures_only_a_refusal_tells(backend: Backend) -> None:
    for status in (422, 422):
        assert await told(backend, "guess", {"code": "wrong"}) == (status, None, None, None)
    status, policy, state, wait = await told(backend, "guess", {"code": "right"})
    assert (status, policy, state) == (429, '"guess";q=2;w=60', f'"guess";r=0;t={wait}')


async def test_a_dry_run_tells_what_is_left_and_no_one_to_wait(backend: Backend) -> None:
    assert (await told(backend, "tried", {}))[:3] == (200, '"tried";q=1;w=60', '"tried";r=0;t=60')
    for _ in range(2):
        status, _, state, wait = await told(backend, "tried", {})
        assert (status, wait) == (200, None)
        assert str(state).startswith('"tried";r=0;t=')


async def test_a_refusal_behind_a_dry_run_tells_its_own_wait(backend: Backend) -> None:
    assert await statuses(backend, "tried_then", {}, {}) == [200, 429]
    answer = await backend.client.post("/api/tried_then", json={})
    assert 1 <= int(answer.headers["retry-after"]) <= 10  # and not the hour of the dry run


async def test_guesses_that_cost_more_are_fewer(backend: Backend) -> None:
    wrong = {"code": "wrong"}
    assert await statuses(backend, "dear", wrong, wrong, {"code": "right"}) == [422, 429, 429]


async def test_guesses_sent_at_once_gain_nothing(backend: Backend) -> None:
    codes = ["wrong"] * 12 + ["right"]
    answers = await asyncio.gather(*(backend.client.post("/api/slow_guess", json={"code": code}) for code in codes))
    assert sorted(answer.status_code for answer in answers) == [422] * 2 + [429] * 11
    assert await backend.sql("SELECT 1 FROM data.notes") == []


@pytest.mark.parametrize("name", ["kept_guess", "kept_inside"])
async def test_a_right_guess_behind_too_many_wrong_ones_keeps_nothing(backend: Backend, name: str) -> None:
    async with backend.app.server.pool.lease() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE data.notes IN EXCLUSIVE MODE")
            right = asyncio.create_task(backend.client.post(f"/api/{name}", json={"code": "right"}))
            asks = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while not await backend.sql(asks):  # noqa: ASYNC110 - Postgres tells nobody
                await asyncio.sleep(0.01)
            assert await statuses(backend, name, {"code": "a"}, {"code": "b"}) == [422, 422]
        assert (await right).status_code == 429
    assert await backend.sql("SELECT 1 FROM data.notes") == []


async def test_right_ones_sent_at_once_are_not_in_each_others_way(backend: Backend) -> None:
    answers = await asyncio.gather(*(backend.client.post("/api/slow_guess", json={"code": "right"}) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("name", "body"),
    [("by_weight", {"weight": 6}), ("by_weight", {"weight": -1}), ("by_said", {"code": "many"}), ("by_said", {}),
     ("dear_said", {"weight": 9, "code": "wrong"})],
)  # fmt: skip
async def test_a_limit_or_cost_that_an_expression_gets_wrong_is_a_422(backend: Backend, name: str, body: Any) -> None:
    answer = await backend.client.post(f"/api/{name}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "limit.invalid")


async def test_a_limit_may_come_from_the_input(backend: Backend) -> None:
    twice, once = {"code": "2/minute"}, {"code": "1/hour"}
    assert await statuses(backend, "by_said", twice, twice, twice, once, once) == [200, 200, 429, 200, 429]


async def test_an_api_key_may_have_a_limit_of_its_own(backend: Backend) -> None:
    root = await backend.admin()
    made = [
        (await backend.client.post("/admin/v1/api-keys", json={"name": name}, headers=root)).json()["key"]
        for name in ("one", "two")
    ]
    found = []
    for key in [made[0], made[0], made[0], made[1], None, None]:
        headers = {"apikey": key} if key else {}
        found.append((await backend.client.post("/api/by_kind", json={}, headers=headers)).status_code)
    assert found == [200, 200, 429, 200, 200, 429]

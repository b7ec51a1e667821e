"""A guard that is taken away, weakened or moved is called wider: for every kind of step, and over random chains."""

import dataclasses
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.review.effects import effects
from app.steps.kind import Asks, always, never
from app.steps.registry import KINDS
from tests.compiler.chains import Chains, changed, taken_away
from tests.compiler.worlds import Got, Run, World, world
from tests.docs.step_examples import AROUND, Example, examples

# How many random chains are changed; a long run by hand takes many more.
CHAINS = int(os.environ.get("ROWGATE_RANDOM_CHAINS", "16"))
CALLERS = 200


def parsed(document: Any) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def is_sound(document: Any) -> bool:
    return check_project(parsed(document)) == []


def is_wider(before: Project, after: Project) -> bool:
    return any(one.wider for one in effects(before, after))


def gains(got: list[tuple[World, Got]], after: Any) -> World | None:
    """Find a caller who comes to more by the document than was got before."""
    return next((one for one, had in got if Run(after, one).result().is_more_than(had)), None)


def variants(chains: Chains, before: Any) -> Iterator[Any]:
    """Yield a document without each of its steps, and with other changes."""
    yield from taken_away(before)
    for _ in range(8):
        yield changed(chains, before)


@pytest.mark.parametrize("seed", range(4))
def test_what_any_of_200_callers_newly_reaches_was_called_wider(seed: int) -> None:
    chance = random.Random(f"{seed} of {CHAINS}")
    chains = Chains(chance)
    told, tried = {True: 0, False: 0}, 0
    while tried < CHAINS // 4:
        before = chains.document()
        if not is_sound(before):
            continue
        tried += 1
        worlds = [world(chance) for _ in range(CALLERS)]
        got = [(one, Run(before, one).result()) for one in worlds]
        for after in variants(chains, before):
            wider = is_wider(parsed(before), parsed(after))
            if wider or is_sound(after):
                told[wider] += 1
                found = None if wider else gains(got, after)
                assert found is None, (before["endpoints"], after["endpoints"], found)
    assert min(told.values()) > 0, told


STEP_OF_EACH_KIND = [one for one in examples() if one.number == 1]
WRITE = {"do": "update", "table": "documents", "id": "input.record_id", "set": {"title": "=input.title"}}


def beside(*said: dict[str, Any]) -> Project:
    """Give a backend whose endpoint has these steps, and then writes, if they don't end with an answer."""
    first = {"do": "set", "values": {"first": 1}}
    ends = any(one["do"] == "respond" and "when" not in one for one in said)
    steps = [first, *said, *(() if ends else [WRITE])]
    endpoint = {**Example("fetch", 0, first).endpoint, "name": "one", "path": "/one/{record_id}", "steps": steps}
    return parsed({**AROUND, "endpoints": [endpoint]})


RESPOND = next(one.step for one in STEP_OF_EACH_KIND if one.kind == "respond")


def refuses(step: dict[str, Any]) -> bool:
    """Say whether a step of the examples may refuse, by what its kind says, or one inside it."""
    called: dict[str, Any] = next((one for one in AROUND["middleware"] if one["name"] == step.get("use")), {})
    inner = [one for key in ("then", "else", "steps") for one in {**called, **step}.get(key, [])]
    return KINDS[step["do"]].refuses(step) or any(map(refuses, inner))


def test_there_is_an_example_of_every_kind() -> None:
    assert {one.kind for one in STEP_OF_EACH_KIND} == set(KINDS)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"respond"}))
def test_a_step_taken_away_is_wider_unless_its_kind_says_that_it_refuses_nobody(kind: str) -> None:
    step = next(one.step for one in STEP_OF_EACH_KIND if one.kind == kind)
    assert is_wider(beside(step), beside()) is refuses(step)
    assert is_wider(beside(step), beside({"do": "if", "when": "input.count > 1", "then": [step]})) is refuses(step)
    if kind != "if":  # whose `when` is its own
        rarely = {**step, "when": "input.count > 1"}
        assert is_wider(beside(step), beside(rarely)) is refuses(step)
        assert is_wider(beside(rarely), beside()) is refuses(step)


def test_an_answer_refuses_by_its_status_and_keeps_others_from_what_comes_behind_it() -> None:
    assert not is_wider(beside(RESPOND), beside({**RESPOND, "body": {}}))
    early = {"do": "respond", "when": "input.count > 1"}
    for status in (200, 403):
        assert is_wider(beside({**early, "status": status}), beside())
    assert is_wider(beside({**early, "status": 403}), beside({**early, "status": 200}))
    assert not is_wider(beside(), beside({**early, "status": 403}))
    fail = {"do": "fail", "status": 403, "when": "input.count > 1"}
    # A refusal that is answered keeps what was written, so that a later rule comes too late for it.
    late = (WRITE, {**early, "status": 403}, GUARDS[0])
    assert is_wider(beside(GUARDS[0], *late), beside(*late))
    assert not is_wider(beside(GUARDS[0], *late[1:]), beside(*late[1:]))
    # What was written before it would be kept now.
    assert is_wider(beside(WRITE, fail), beside(WRITE, {**early, "status": 403}))
    assert not is_wider(beside(WRITE, {**early, "status": 403}), beside(WRITE, fail))


GUARDS = [
    {"do": "require", "that": "auth.user.plan == 'pro'"},
    {"do": "fetch", "from": "documents", "where": "item.owner_user_id == auth.user.id", "as": "own"},
    {"do": "time_window", "timezone": "UTC", "until": "2036-01-31T18:00:00"},
]
CALL = {"do": "http", "method": "GET", "url": "https://api.pay.example/"}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: one["do"])
def test_a_guard_that_is_moved_behind_a_call_out_comes_too_late(guard: dict[str, Any]) -> None:
    assert is_wider(beside(guard, CALL), beside(CALL, guard))
    assert not is_wider(beside(CALL, guard), beside(guard, CALL))


def test_a_row_that_has_to_be_there_is_a_rule_and_is_compared_as_one() -> None:
    own = GUARDS[1]
    fewer, more = (own | {"where": f"{own['where']} {word} item.amount > 1"} for word in ("&&", "||"))
    assert not is_wider(beside(own), beside(fewer))
    assert is_wider(beside(fewer), beside(own))
    assert is_wider(beside(own), beside(more))
    assert not is_wider(beside(), beside(own))
    # Of several rows one is taken: another one, where that is left out.
    shown = {"do": "respond", "body": "=own"}
    assert is_wider(beside(own, shown), beside(fewer, shown))
    by_id = {"do": "fetch", "from": "documents", "id": "input.record_id", "as": "own"}
    assert not is_wider(beside(by_id, shown), beside(by_id, {"do": "fail", "status": 403, "when": "true"}, shown))


def test_a_read_that_is_moved_behind_a_write_reads_something_else() -> None:
    own = GUARDS[1]
    take = {
        "do": "update",
        "table": "documents",
        "where": "true",
        "expect": "any",
        "set": {"owner_user_id": "=auth.user.id"},
    }
    assert is_wider(beside(own, take), beside(take, own))


def test_what_a_guard_reads_through_a_view_counts_as_its_own() -> None:
    """A view that shows fewer rows lets more people past a step that asks that there be none."""
    banned = {"name": "banned", "table": "documents", "filter": "row.owner_user_id == auth.user.id"}
    none = [{"do": "exists", "from": "banned", "as": "any"}, {"do": "require", "that": "!any"}]
    held = beside(*none, WRITE).model_dump(by_alias=True, exclude_unset=True)
    before = {**held, "views": [banned]}
    fewer = {**held, "views": [{**banned, "filter": f"{banned['filter']} && row.amount > 1"}]}
    assert any(one.wider and one.where == "endpoints/one" for one in effects(parsed(before), parsed(fewer)))
    around = {"name": "around", "table": "documents", "columns": [
        "id", {"name": "all", "list": "banned", "where": "item.id == row.id"}]}  # fmt: skip
    counts = [{"do": "exists", "from": "around", "where": "size(item.all) > 0", "as": "any"}, none[1]]
    held = beside(*counts, WRITE).model_dump(by_alias=True, exclude_unset=True)
    before, fewer = {**held, "views": [banned, around]}, {**held, "views": [fewer["views"][0], around]}
    assert any(one.wider and one.where == "endpoints/one" for one in effects(parsed(before), parsed(fewer)))


REFUSES_NOBODY = {"aggregate", "call", "count", "exists", "if", "list", "set"}


def test_which_kinds_never_refuse_and_which_do_by_what_they_say_stands_here() -> None:
    assert {name for name, kind in KINDS.items() if kind.refuses is never} == REFUSES_NOBODY
    said = {name for name, kind in KINDS.items() if kind.refuses not in (never, always)}
    assert said == {"fetch", "http", "rate_limit", "respond"}


@pytest.mark.parametrize(
    ("kind", "refusing", "not_refusing"),
    [
        ("fetch", {}, {"optional": True}),
        ("http", {}, {"on_error": "bind"}),
        ("http", {"on_error": "fail"}, {"after": "commit"}),
        ("rate_limit", {}, {"dry_run": True}),
        ("respond", {"status": 403}, {"status": 204}),
    ],
)
def test_what_a_kind_proves_it_by(kind: str, refusing: dict[str, Any], not_refusing: dict[str, Any]) -> None:
    assert KINDS[kind].refuses(refusing)
    assert not KINDS[kind].refuses(not_refusing)


def test_a_kind_that_may_refuse_counts_as_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "knock", dataclasses.replace(KINDS["set"], refuses=always, asks=Asks.RULE))
    knock = {"do": "knock", "values": {"x": 1}}
    assert is_wider(beside(knock), beside())
    assert is_wider(beside(knock), beside({**knock, "when": "input.count > 1"}))

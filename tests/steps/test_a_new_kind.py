"""A new kind is one file and one line in the registry: both are made here, and nothing else knows of them."""

import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

import pytest

from app.compiler.check import check_project
from app.definitions.expression_text import ExpressionText
from app.definitions.project import Project, parse_project
from app.policy_tests.result import checks_passed
from app.relations.locks import Reading
from app.relations.select import any_row
from app.review.doubts import doubts
from app.review.effects import effects
from app.steps.chosen import SomeRows
from app.steps.context import Context, Step
from app.steps.holding import held_read
from app.steps.kind import READS, Asks, Does, Kind, Means, Rows, StepBody, always, never
from app.steps.refusals import StepRefused
from app.steps.registry import KINDS
from app.steps.running import Call
from tests.backend import Backend, Person, serving

# ---- What would stand in app/steps/kinds/admit.py: a guard that asks for a row, copied from no other kind. ----


class AdmitBody(SomeRows):
    """`from`, `where`, `as`, `because`."""

    because: Annotated[str, Means.LOOKS] = "You are on no list."


def _compile(body: AdmitBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    condition = None if source is None else context.where("where", body.where or "true", source.item)
    if source is None or condition is None:
        return None
    read = held_read(context, any_row(source, condition), Reading(source, condition))
    name, because = body.as_, body.because

    async def admit(call: Call) -> None:
        call.env[name] = (await read.rows(call))[0]["value"]
        if not call.env[name]:
            raise StepRefused(because)

    return Step(admit, {name: condition.type}, statements=read.statements)


ADMIT = Kind(
    body=AdmitBody,
    compile=_compile,
    refuses=always,
    asks=Asks.RULE,
    rules=None,
    does=replace(READS, words="admits by", grows=True),
    answers=False,
    pauses=None,
)

# ---- And another one: it shouts to the outside, and refuses nobody. ----


class ShoutBody(StepBody):
    """`words`."""

    words: Annotated[ExpressionText, Means.RULE]


SHOUTED: list[str] = []


def _compile_shout(body: ShoutBody, context: Context) -> Step | None:
    words = context.expression("words", body.words)
    return None if words is None else Step(lambda _: SHOUTED.append(body.words))


SHOUT = Kind(
    body=ShoutBody,
    compile=_compile_shout,
    refuses=never,
    asks=None,
    rules=None,
    does=Does(words="shouts", rows=Rows.NONE, lasts=always, picks=never, is_beyond=True),
    answers=False,
    pauses=None,
)

# ---- What they are used by. ----

GUESTS = "item.email == auth.user.email"
STEP: dict[str, Any] = {"do": "admit", "from": "guests", "where": GUESTS, "as": "on_list"}
WRITE: dict[str, Any] = {"do": "insert", "table": "visits", "set": {"who": "=auth.user.id"}}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "guests", "columns": [{"name": "email", "type": "text"}]},
        {"name": "visits", "columns": [{"name": "who", "type": "user"}]},
    ],
    "middleware": [{"name": "door", "steps": [dict(STEP)]}],
    "endpoints": [
        {
            "name": "visit", "method": "POST", "path": "/visit", "access": "authenticated", "middleware": ["door"],
            "steps": [{"do": "shout", "words": "auth.user.email"}, WRITE, {"do": "respond", "body": "=on_list"}],
        },
        {
            "name": "look", "method": "GET", "path": "/look", "access": "authenticated",
            "steps": [
                {"do": "if", "when": "auth.signed_in", "then": [dict(STEP)]},
                {"do": "respond", "body": "=on_list"},
            ],
        },
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "admit", ADMIT)
    monkeypatch.setitem(KINDS, "shout", SHOUT)
    SHOUTED.clear()


def parsed(document: dict[str, Any]) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def without(*, steps: bool) -> dict[str, Any]:
    """Give the document without the guard: in the middleware, or in the branch of an endpoint's steps."""
    after = copy.deepcopy(DOCUMENT)
    if steps:
        after["endpoints"][1]["steps"][0]["then"] = [{"do": "set", "values": {"on_list": "=true"}}]
    else:
        after["middleware"][0]["steps"] = [{"do": "set", "values": {"on_list": "=true"}}]
    return after


def wider(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {one.where for one in effects(parsed(before), parsed(after)) if one.wider}


def test_it_compiles_and_its_mistakes_are_findings_at_their_place() -> None:
    assert check_project(parsed(DOCUMENT)) == []
    wrong = copy.deepcopy(DOCUMENT)
    wrong["middleware"][0]["steps"] = [STEP | {"where": "item.mail == auth.user.email", "colour": "red"}]
    assert [one.place for one in check_project(parsed(wrong))] == ["middleware/door.steps/0"]
    wrong["middleware"][0]["steps"] = [STEP | {"where": "item.mail == auth.user.email"}]
    (found,) = check_project(parsed(wrong))
    assert found.place.startswith("middleware/door.steps/0.where")


def test_taken_away_or_weakened_it_is_wider_and_what_refuses_nobody_is_not() -> None:
    assert wider(DOCUMENT, without(steps=False)) == {"endpoints/visit"}
    assert wider(DOCUMENT, without(steps=True)) == {"endpoints/look"}
    weaker, stricter = copy.deepcopy(DOCUMENT), copy.deepcopy(DOCUMENT)
    weaker["middleware"][0]["steps"][0]["where"] = f"{GUESTS} || item.email == 'all'"
    stricter["middleware"][0]["steps"][0]["where"] = f"{GUESTS} && item.email != 'all'"
    assert wider(DOCUMENT, weaker) == {"endpoints/visit"}
    assert wider(DOCUMENT, stricter) == set()
    quiet = copy.deepcopy(DOCUMENT)
    del quiet["endpoints"][0]["steps"][0]
    assert wider(DOCUMENT, quiet) == set()
    # What is done in another's place is something else; and what lasts is not to come before who may do it is asked.
    louder = copy.deepcopy(DOCUMENT)
    louder["endpoints"][0]["steps"][0]["words"] = "auth.user.id"
    assert wider(DOCUMENT, louder) == {"endpoints/visit"}
    early = copy.deepcopy(DOCUMENT)
    early["endpoints"][0]["middleware"] = []
    early["endpoints"][0]["steps"].insert(1, STEP)
    assert wider(DOCUMENT, early) == {"endpoints/visit"}


def test_as_a_check_it_is_doubted_behind_a_write_and_stands_for_a_limit() -> None:
    late, public = copy.deepcopy(DOCUMENT), copy.deepcopy(DOCUMENT)
    late["endpoints"][0]["steps"].insert(2, STEP | {"as": "again"})
    codes = {(one.place, one.code) for one in doubts(parsed(late))}
    assert ("endpoints/visit.steps/2", "access.check_after_write") in codes
    public["endpoints"][0]["access"] = "public"
    assert "access.public_write" not in {one.code for one in doubts(parsed(public))}
    public["endpoints"][0]["middleware"] = []
    public["endpoints"][0]["steps"] = [WRITE]
    assert "access.public_write" in {one.code for one in doubts(parsed(public))}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def simulated(backend: Backend, root: dict[str, str], who: Person, method: str, path: str) -> Any:
    said = {"as": who.id, "method": method, "path": path}
    answer = await backend.client.post("/admin/v1/simulate", json=said, headers=root)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_it_runs_in_a_chain_is_traced_and_can_not_be_taken_away_in_silence(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql("INSERT INTO data.guests (email) VALUES ('alice@example.com')")
    for method, path in (("POST", "/api/visit"), ("GET", "/api/look")):
        refused = await bob.call(method, path)
        assert (refused.status_code, refused.json()["code"]) == (403, "chain.refused"), path
        assert refused.json()["detail"] == "You are on no list."
        assert (await alice.call(method, path)).json() is True
    assert SHOUTED == ["auth.user.email"]
    assert [row["who"] for row in await backend.sql("SELECT who::text FROM data.visits")] == [alice.id]

    told = await simulated(backend, root, bob, "POST", "/api/visit")
    (step,) = told["trace"][-1]["steps"]
    assert (step["step"], step["decision"], step["refusal"]["status"]) == ("admit", "refused", 403)
    assert step["place"] == "endpoints/visit.middleware/door(door).steps/0"
    assert (step["rules"][0]["field"], step["rules"][0]["text"]) == ("where", GUESTS)
    told = await simulated(backend, root, alice, "POST", "/api/visit")
    steps = [step for stage in told["trace"] for step in stage.get("steps", ())]
    decisions = [(step["step"], step["decision"]) for step in steps]
    # No rollback undoes a shout: a rehearsal leaves it out.
    assert decisions[:3] == [("admit", "passed"), ("shout", "stubbed"), ("insert", "passed")]
    assert SHOUTED == ["auth.user.email"]
    assert steps[0]["bound"] == {"on_list": True}
    # Where a test expects a refusal, the check that let by is named.
    assert [one["place"] for one in checks_passed(told["trace"])] == [steps[0]["place"]]

    for after in (without(steps=True), without(steps=False)):
        refused = await backend.client.put("/admin/v1/config", json=after, headers=root)
        assert (refused.status_code, refused.json()["code"]) == (409, "change.wider")
    assert (await bob.get("/api/look")).status_code == 403

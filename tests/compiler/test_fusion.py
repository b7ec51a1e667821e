"""Steps that are sent as one statement mean what they mean one after the other."""

import asyncio
import json
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.command import app
from app.compiler.check import check_document
from app.compiler.compile import compile_project
from app.data_plane import asgi
from app.data_plane.run import Run
from app.database.pool import connect
from app.database.session import Session
from app.relations.bound_row import PartOfRow
from app.steps.trace import RuleInfo, rules_seen
from tests.backend import Backend, Person, serving
from tests.compiler.fusible import DOCUMENT, INPUT, Fusible, Step

CHAINS = int(os.environ.get("ROWGATE_TEST_CHAINS", "60"))
SEED = int(os.environ.get("ROWGATE_TEST_SEED", "18"))
ME, OTHER, MISSING = (f"{number:08d}-0000-4000-8000-000000000000" for number in (1, 2, 9))
GROUPS = {owner: f"{number:08d}-0000-4000-8000-00000000000a" for number, owner in enumerate((ME, OTHER), 1)}
THINGS = [f"{number:08d}-0000-4000-8000-00000000000b" for number in range(1, 5)]
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][0-9:.]+(Z|\+00(:00)?)")
_RESET = f"""
TRUNCATE data.things, data.groups;
INSERT INTO data.groups (id, owner, n) VALUES ('{GROUPS[ME]}', '{ME}', 1), ('{GROUPS[OTHER]}', '{OTHER}', 2);
INSERT INTO data.things (id, owner, n, label, kind, price, due, parent) VALUES
 ('{THINGS[0]}', '{ME}', 1, 'a', 'a', 1.5, '2020-01-01T00:00Z', '{GROUPS[ME]}'),
 ('{THINGS[1]}', '{OTHER}', 2, 'b', 'b', 2.5, 'infinity', '{GROUPS[OTHER]}'),
 ('{THINGS[2]}', '{ME}', NULL, 'c', NULL, NULL, NULL, NULL),
 ('{THINGS[3]}', '{ME}', 3, NULL, 'a', 0, '2090-01-01T00:00Z', '{GROUPS[OTHER]}');
"""


class Plain(Run):
    """A run that sends each step's own statements."""

    __slots__ = ()

    def begin(self) -> None:
        self.plain = True
        super().begin()


def endpoint(name: str, steps: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "authenticated", "input": {"body": INPUT},
        "steps": steps, **more,
    }  # fmt: skip


def drawn(count: int, chance: random.Random) -> dict[str, Any]:
    """Give a document of so many chains that are sound."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        steps = Fusible(chance).chain()
        one = endpoint(f"e{len(found)}", steps)
        if len(steps) > 2 and chance.random() < 0.3:
            cut = chance.randint(1, len(steps) - 1)
            one |= {"middleware": [f"m{len(found)}"], "steps": steps[cut:]}
            middleware = [{"name": f"m{len(found)}", "steps": steps[:cut]}]
        else:
            middleware = []
        checked, findings = check_document({**DOCUMENT, "middleware": middleware, "endpoints": [one]})
        if checked is not None and not findings:
            found.append({"endpoint": one, "middleware": middleware})
    return {
        **DOCUMENT,
        "endpoints": [one["endpoint"] for one in found],
        "middleware": [made for one in found for made in one["middleware"]],
    }


class Compared:
    """Runs a request in both forms, each on the same rows."""

    def __init__(self, backend: Backend, me: Person, connection: Any, patched: pytest.MonkeyPatch) -> None:
        self.backend, self.me, self.connection, self.patched = backend, me, connection, patched

    async def hold(self, name: str, body: dict[str, Any]) -> tuple[Any, ...]:
        """Give what it comes to, and fail where the two differ."""
        fused = await self.outcome(name, body)
        with self.patched.context() as plain:
            plain.setattr(asgi, "Run", Plain)
            alone = await self.outcome(name, body)
        assert fused == alone, (name, body)
        return fused

    async def outcome(self, name: str, body: dict[str, Any]) -> tuple[Any, ...]:
        """Give all that it comes to: its answer, the rows behind it, and what is kept of a refusal."""
        await self.connection.execute(_RESET.replace(ME, self.me.id))
        answer = await self.me.post(f"/api/{name}", body)
        rows = await self.connection.fetch("SELECT to_jsonb(t) - 'updated_at' AS r FROM data.things t")
        rows += await self.connection.fetch("SELECT to_jsonb(g) AS r FROM data.groups g")
        kept = [json.dumps(row["r"], default=str, sort_keys=True) for row in rows]
        assert self.backend.app.data_plane is not None
        kept_request = self.backend.app.data_plane.recent.find(answer.headers["x-request-id"])
        found: dict[str, Any] = {} if kept_request is None else kept_request.shown()
        seen = {key: found.get(key) for key in ("status", "code", "detail", "errors", "stage", "steps_before", "step")}
        refused = json.dumps(seen, default=str) if answer.status_code >= 400 else ""
        text = answer.text.replace(answer.headers["x-request-id"], "")
        return (answer.status_code, *map(self._shown, (text, *sorted(map(self._shown, kept)), refused)))

    def _shown(self, text: str) -> str:
        """Give a text without what is new in every run."""
        known = {*THINGS, *GROUPS.values(), OTHER, MISSING, self.me.id}
        text = _UUID.sub(lambda found: found[0] if found[0] in known else "new", text)
        return _TIME.sub(lambda found: found[0] if found[0][:4] in ("2020", "2090") else "time", text)


@asynccontextmanager
async def compared(url: str, document: Any) -> AsyncIterator[Compared]:
    async with serving(url, document) as backend:
        me = await backend.sign_up("me")
        connection: Any = await connect(url)
        try:
            await connection.execute(f"INSERT INTO data.users (id, email) VALUES ('{OTHER}', 'other@example.com')")
            with pytest.MonkeyPatch.context() as patched:
                yield Compared(backend, me, connection, patched)
        finally:
            await connection.close()


FETCH = {"do": "fetch", "from": "things", "id": "input.id", "as": "x"}
OWNED = {"do": "require", "that": "x.owner == auth.user.id"}
UPDATE = {"do": "update", "table": "things", "id": "x.id", "set": {"n": 2}, "as": "x"}
DELETE = {"do": "delete", "table": "things", "id": "x.id"}
GROUP = {"do": "fetch", "from": "groups", "id": "x.parent", "as": "g"}
ALLOWED = {"do": "require", "that": "groups.exists(g, g.owner == auth.user.id)"}
INSERT = {"do": "insert", "table": "things", "set": {"n": 1, "owner": "=auth.user.id"}, "as": "y"}
ANSWER = {"do": "respond", "body": "=x"}
COUNTED = {"do": "require", "that": "size(things.filter(t, t.owner == auth.user.id)) < 5"}
UNLIKE = {"do": "require", "that": "!things.exists(t, t.owner == auth.user.id && t.parent == input.group)"}

TOGETHER: dict[str, list[Step]] = {
    "update": [FETCH, OWNED, UPDATE, ANSWER],
    "a row that answers": [FETCH, OWNED, ANSWER],
    "a row that answers with a rule whose refusal reads it": [
        FETCH, {"do": "require", "that": "x.n < 2", "message": "=x.label"}, ANSWER,
    ],
    "a row that answers, whose id another one has": [
        FETCH, {"do": "fetch", "from": "groups", "id": "x.parent", "as": "g"}, {"do": "respond", "body": "=g"},
    ],
    "a row that is inserted and answers": [INSERT, {"do": "respond", "status": 201, "body": "=y"}],
    "a row that is inserted, or is there, and answers": [
        INSERT | {"set": {"label": "=input.label"}, "on_conflict": {"columns": ["label"], "do": "nothing"}},
        {"do": "respond", "body": "=y"},
    ],
    "rows that answer": [
        {
            "do": "list", "from": "things", "where": "item.n != null", "order": ["n desc"], "limit": "=input.n",
            "offset": 1, "as": "found",
        },
        {"do": "respond", "body": "=found"},
    ],
    "a row that is updated and answers": [UPDATE | {"id": "input.id"}, ANSWER],
    "delete": [FETCH, OWNED, DELETE],
    "same id": [FETCH, OWNED, {**UPDATE, "id": "input.id"}],
    "two rules": [FETCH, OWNED, {"do": "require", "that": "x.n < 3 && input.on"}, UPDATE],
    "a view": [{**FETCH, "from": "mine"}, OWNED, UPDATE],
    "values of the row": [FETCH, OWNED, {**UPDATE, "set": {"n": "=item.n + 1", "parent": "=x.parent"}}],
    "insert under a rule": [ALLOWED, INSERT],
    "insert under a rule and the caller's": [ALLOWED, {"do": "require", "that": "input.on"}, INSERT],
    "insert beside a row": [GROUP | {"id": "input.group"}, {"do": "require", "that": "g.n > 0"}, INSERT],
    "two rows": [FETCH, OWNED, GROUP, {"do": "respond", "body": {"x": "=x", "g": "=g"}}],
    "two rows and an insert": [FETCH, OWNED, GROUP, {"do": "insert", "table": "groups", "set": {"n": "=g.n"}}],
}  # fmt: skip
APART: dict[str, tuple[list[Step], int]] = {
    "a write between": ([FETCH, OWNED, {"do": "insert", "table": "groups", "set": {"n": 1}}, UPDATE], 2),
    "a name between": ([FETCH, {"do": "set", "values": {"q": "=input.n"}}, OWNED, UPDATE], 2),
    "a count of requests between": (
        [FETCH, {"do": "rate_limit", "limit": "100/minute", "by": "auth.user.id"}, OWNED, UPDATE], 2,
    ),
    "a rule that Postgres can't say": ([FETCH, {"do": "require", "that": 'x.label.lowerAscii() == "a"'}, UPDATE], 2),
    "a time that may be infinite": ([FETCH, {"do": "require", "that": "x.due < now"}, UPDATE], 2),
    "a value that is computed of the row": ([FETCH, OWNED, {**UPDATE, "set": {"n": "=x.n + 1"}}], 2),
    "a value inside of a list": ([FETCH, OWNED, {**UPDATE, "id": "[x.id][0]"}], 2),
    "another row": ([FETCH, OWNED, {**UPDATE, "id": "input.group"}], 2),
    "rows by a condition": ([FETCH, OWNED, {"do": "delete", "table": "things", "where": "item.n == x.n"}], 2),
    "a row that may miss": ([FETCH | {"optional": True}, UPDATE], 3),
    "a step that may not run": ([FETCH, {**OWNED, "when": "input.on"}, UPDATE], 2),
    "a write that may not run": ([FETCH, OWNED, {**UPDATE, "when": "input.on"}], 2),
    "a row that is read behind one that is locked": ([FETCH, OWNED, GROUP, UPDATE], 2),
    "rows that are asked behind one that is locked": ([FETCH, ALLOWED, UPDATE], 2),
    "what counts rows that are written": (
        [{"do": "require", "that": "things.all(t, t.n != 9)"}, INSERT], 3,
    ),
    "what counts rows that are written, beside the like": ([COUNTED, UNLIKE, INSERT], 3),
    "what counts rows that are written, beside the caller's": (
        [COUNTED, {"do": "require", "that": "input.on"}, UNLIKE, INSERT], 3,
    ),
    "what counts rows that are written, beside others": ([COUNTED, ALLOWED, UNLIKE, INSERT], 6),
}  # fmt: skip


def planned(steps: list[Step], **more: Any) -> Any:
    checked, findings = check_document({**DOCUMENT, "endpoints": [endpoint("e", steps)], **more})
    assert checked is not None
    assert findings == []
    runtime, _ = compile_project(checked.project)
    assert runtime is not None
    return runtime.endpoints["e"].plan


@pytest.mark.parametrize("said", TOGETHER)
def test_steps_are_one_statement(said: str) -> None:
    plan = planned(TOGETHER[said])
    assert (plan.begin, plan.round_trips, len(plan.sent)) == (None, 1, 1)


@pytest.mark.parametrize("said", APART)
def test_steps_stay_apart(said: str) -> None:
    steps, statements = APART[said]
    plan = planned(steps)
    assert sum(one.at_most for one in plan.sent) == statements


def test_a_row_that_middleware_fetches_is_updated_in_its_statement() -> None:
    middleware = {"name": "owned", "steps": [FETCH, OWNED]}
    more = {"middleware": [middleware], "endpoints": [endpoint("e", [UPDATE, ANSWER], middleware=["owned"])]}
    plan = planned([], **more)
    assert (plan.begin, plan.round_trips) == (None, 1)
    places = ["endpoints/e.middleware/owned(owned).steps/0", "endpoints/e.middleware/owned(owned).steps/1"]
    assert [place for place, _ in plan.sent[0].steps] == [*places, "endpoints/e.steps/0", "endpoints/e.steps/1"]


FAILING = {"do": "rate_limit", "limit": "5/minute", "count": "failures"}


@pytest.mark.parametrize(("before", "is_read"), [([], False), ([FAILING], True)], ids=["ends", "may be refused behind"])
def test_of_a_row_that_answers_only_what_is_told_comes_as_values(before: list[Step], *, is_read: bool) -> None:
    (sent,) = planned([*before, FETCH, OWNED, ANSWER]).sent
    assert 'rowgate_f0."owner" AS c' in sent.statements[0]
    assert ('rowgate_f0."n" AS c' in sent.statements[0]) is is_read


def test_a_part_of_a_row_is_not_told_as_the_row() -> None:
    rule = RuleInfo("body", "=x", ("x", "x.owner"))
    (seen,) = rules_seen([rule], {"x": PartOfRow(owner=ME)})
    assert seen["saw"] == {"x.owner": ME}


def test_a_rule_that_is_known_in_process_is_no_part_of_a_statement_behind_it() -> None:
    known = {"do": "require", "that": "input.on"}
    (sent,) = planned([known, FETCH, OWNED, ANSWER]).sent
    assert [place for place, _ in sent.steps] == ["endpoints/e.steps/1", "endpoints/e.steps/2", "endpoints/e.steps/3"]
    assert "::boolean" not in sent.statements[0]


async def test_each_that_is_together_or_apart_is_the_same_fused_and_plain(migrated_url: str) -> None:
    chains = [*TOGETHER.values(), *(steps for steps, _ in APART.values())]
    endpoints = [endpoint(f"e{index}", steps) for index, steps in enumerate(chains)]
    seen: Counter[int] = Counter()
    async with compared(migrated_url, {**DOCUMENT, "endpoints": endpoints}) as compare:
        for one in endpoints:
            for thing in (*THINGS, MISSING):
                body = {"id": thing, "group": GROUPS[ME], "n": 2, "label": "b", "on": True}
                status, *_ = await compare.hold(one["name"], body)
                seen[status] += 1
    assert {200, 204, 403, 404, 422} <= seen.keys()


async def test_a_row_that_others_wait_for_is_judged_as_they_leave_it(migrated_url: str) -> None:
    async with compared(migrated_url, {**DOCUMENT, "endpoints": [endpoint("e", TOGETHER["update"])]}) as compare:
        await compare.connection.execute(_RESET.replace(ME, compare.me.id))
        body = {"id": THINGS[0]}
        change = f"UPDATE data.things SET owner = '{OTHER}', n = 3 WHERE id = '{THINGS[0]}'"
        async with compare.connection.transaction():
            await compare.connection.execute(change)
            asked = asyncio.create_task(compare.me.post("/api/e", body))
            await waiting(compare.backend)
        assert (await asked).status_code == 403
        rows = await compare.backend.sql(f"SELECT n FROM data.things WHERE id = '{THINGS[0]}'")
        assert rows[0]["n"] == 3


async def waiting(backend: Backend) -> None:
    """Wait until a statement waits for a row."""
    asks = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not (await backend.sql(asks))[0]["count"]:  # noqa: ASYNC110 - Postgres tells nobody
        await asyncio.sleep(0.01)


async def test_random_chains_are_the_same_fused_and_plain(migrated_url: str) -> None:
    chance = random.Random(SEED)
    document = drawn(CHAINS, chance)
    statuses: Counter[int] = Counter()
    async with compared(migrated_url, document) as compare:
        for one in document["endpoints"]:
            for _ in range(2):
                body = {
                    "id": chance.choice((*THINGS, *THINGS, MISSING)),
                    "group": chance.choice((*GROUPS.values(), MISSING)),
                    "n": chance.choice((0, 1, 1, 2, 3, 9)),
                    "label": chance.choice(("a", "b", "new", "new")),
                    "on": chance.choice((True, False)),
                }
                kept = {name: value for name, value in body.items() if chance.random() < 0.95}
                status, *_ = await compare.hold(one["name"], kept)
                statuses[status] += 1
    assert statuses[200] > CHAINS // 4
    assert statuses[403] > CHAINS // 4
    assert {404, 409, 422} <= statuses.keys()


COUNT = {"do": "count", "from": "groups", "as": "many"}
ENDS = {"do": "respond", "body": {"many": "=many"}}
TRANSACTIONS: dict[str, tuple[list[Step], list[str]]] = {
    "reads alone": ([FETCH, {"do": "set", "values": {"q": 1}}, COUNT, ENDS], []),
    "a read before a write that is the end": ([COUNT, INSERT, {"do": "respond", "body": "=y"}], []),
    "a read before a write and a refusal": (
        [COUNT, INSERT, {"do": "require", "that": "many < 9"}, ENDS], ["SELECT", "BEGIN", "WITH", "COMMIT"],
    ),
    "a read behind a write": ([INSERT, COUNT, ENDS], ["BEGIN", "WITH", "SELECT", "COMMIT"]),
    "a lock that has to last": (
        [FETCH, {"do": "set", "values": {"q": 1}}, UPDATE], ["BEGIN", "WITH", "WITH", "COMMIT"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", TRANSACTIONS)
def test_a_transaction_is_planned_where_something_comes_behind_a_lock_or_a_write(said: str) -> None:
    steps, words = TRANSACTIONS[said]
    assert planned(steps).begin == ("BEGIN" if words else None)


async def test_a_transaction_begins_where_it_first_locks_or_writes(migrated_url: str) -> None:
    endpoints = [endpoint(f"e{index}", steps) for index, (steps, _) in enumerate(TRANSACTIONS.values())]
    async with compared(migrated_url, {**DOCUMENT, "endpoints": endpoints}) as compare:
        for one, (said, (_, words)) in zip(endpoints, TRANSACTIONS.items(), strict=True):
            await compare.connection.execute(_RESET.replace(ME, compare.me.id))
            with sent_by(compare.patched) as sent:
                answer = await compare.me.post(f"/api/{one['name']}", {"id": THINGS[0]})
            assert answer.status_code in (200, 204), answer.text
            transactions = [word for word in sent if word in ("BEGIN", "COMMIT")]
            assert transactions == [word for word in words if word in ("BEGIN", "COMMIT")], said
            if "BEGIN" in words:
                assert sent.index("BEGIN") == words.index("BEGIN"), said


@contextmanager
def sent_by(patched: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Gather the first word of what sessions send, in order."""
    words: list[str] = []
    real, begin, commit = Session._fetch, Session._begin_by, Session.commit

    async def fetch(self: Session, statement: Any, parameters: Any) -> Any:
        words.append(statement.sql.partition(" ")[0])
        return await real(self, statement, parameters)

    async def begin_by(self: Session, said: str) -> None:
        words.append(said.partition(";")[0])
        await begin(self, said)

    async def committed(self: Session) -> None:
        words.extend(["COMMIT"] * (self._connection is not None and self._in_transaction))
        await commit(self)

    with patched.context() as inside:
        inside.setattr(Session, "_fetch", fetch)
        inside.setattr(Session, "_begin_by", begin_by)
        inside.setattr(Session, "commit", committed)
        yield words


def test_explain_prints_what_an_endpoint_becomes(tmp_path: Path) -> None:
    file = tmp_path / "backend.yaml"
    chains = {"one": TOGETHER["update"], "two": APART["a name between"][0], "none": [{"do": "respond"}]}
    endpoints = [endpoint(name, steps) for name, steps in chains.items()]
    file.write_text(json.dumps({**DOCUMENT, "endpoints": endpoints}))
    told = {name: run("explain", str(file), name) for name in chains}
    assert told["one"].startswith(
        "POST /one: 1 round trip, no transaction\n\n-- fetch (endpoints/one.steps/0), require"
    )
    assert told["two"].startswith("POST /two: at most 4 round trips, a transaction\n\nBEGIN;\n\n-- fetch")
    assert told["two"].endswith("\n\nCOMMIT;\n")
    assert "no step sends a statement" in told["none"]
    assert json.loads(run("explain", str(file), "one", "--json"))["round_trips"] == 1
    assert "did you mean two?" in run("explain", str(file), "twoo", refused=2)


def run(*words: str, refused: int = 0) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == refused, done.output
    return done.output

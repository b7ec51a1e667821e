"""A small world in which a chain is run by hand: what a caller gets by it, told by other means than the compiler's."""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.expressions.check import Scope, check
from app.expressions.evaluate import EvaluationError, compile_condition, compile_value
from app.expressions.types import DYN

Document = dict[str, Any]
NAMES = ("auth", "input", "item", "row", "params", "thing", "other", "many", "any", "all", "named", "made", "answer")
SCOPE = Scope(dict.fromkeys(NAMES, DYN))
LABELS = ("a", "b", None)


@functools.cache
def condition(text: str) -> Callable[[Any], bool]:
    return compile_condition(check(text, SCOPE))


@functools.cache
def value(text: str) -> Callable[[Any], Any]:
    return compile_value(check(text.removeprefix("="), SCOPE))


class Refused(Exception):
    """The chain ended by a refusal: all that was written is undone."""


class Answered(Exception):
    """The chain ended by an answer."""


@dataclass
class Got:
    """What a caller came to: an answer, the rows that it shows, what was written, and which calls were made."""

    passed: bool = True
    shown: frozenset[str] = frozenset()
    done: set[str] = field(default_factory=set)
    calls: int = 0

    def is_more_than(self, other: "Got") -> bool:
        if self.calls > other.calls or (self.passed and not other.passed):
            return True
        return bool(self.shown - other.shown or self.done - other.done)


@dataclass
class World:
    """Rows, a caller, an input, and what is so outside: how often was called, whether a password is right."""

    tables: dict[str, list[dict[str, Any]]]
    auth: dict[str, Any]
    sent: dict[str, Any]
    hits: int
    is_open: bool
    upstream: bool
    password: bool


def world(chance: random.Random) -> World:
    """Draw one."""
    people = ("ann", "bob")
    things = [
        {"id": f"t{n}", "owner": chance.choice((*people, None)), "n": chance.choice((None, 1, 2, 3)),
         "label": chance.choice(LABELS)}
        for n in range(chance.randint(0, 3))
    ]  # fmt: skip
    members = [{"id": f"m{n}", "who": chance.choice(people), "n": chance.randint(1, 3)} for n in range(2)]
    user = {
        "id": chance.choice(people), "team": chance.choice(LABELS), "level": chance.choice((None, 1, 2)),
        "roles": chance.sample(("staff", "guest"), chance.randint(0, 2)),
    }  # fmt: skip
    signed_in = chance.random() < 0.8
    auth = {"signed_in": signed_in, "user": user if signed_in else dict.fromkeys(user) | {"roles": []}}
    sent = {"id": chance.choice(("t0", "t1", "t9")), "n": chance.choice((1, 2, 3)), "on": chance.random() < 0.5,
            "label": chance.choice(("a", "b"))}  # fmt: skip
    flags = (chance.random() < 0.7 for _ in range(3))
    return World({"things": things, "members": members}, auth, sent, chance.randint(1, 4), *flags)


class Run:
    """One run of an endpoint of a document in a world."""

    def __init__(self, document: Document, at: World) -> None:
        self.document, self.world = document, at
        self.tables = {name: [dict(row) for row in rows] for name, rows in at.tables.items()}
        self.env: dict[str, Any] = {"auth": at.auth, "input": dict(at.sent)}
        self.got, self.shown = Got(), set[str]()
        self.views = {one["name"]: one for one in document["views"]}
        self.middleware = {one["name"]: one["steps"] for one in document["middleware"]}

    def result(self) -> Got:
        endpoint = self.document["endpoints"][0]
        try:
            if not self._lets_in(endpoint["access"]) or not all(
                condition(one["rule"])(self.env) for one in endpoint.get("rules", ())
            ):
                raise Refused
            for use in endpoint.get("middleware", ()):
                self.steps(self.middleware[use])
            self.steps(endpoint["steps"])
        except Refused:
            return Got(passed=False, calls=self.got.calls)
        except Answered:
            pass
        self.got.shown = frozenset(self.shown) if self.got.passed else frozenset()
        return self.got

    def _lets_in(self, access: Any) -> bool:
        if isinstance(access, dict):
            return bool(set(access["roles"]) & set(self.world.auth["user"]["roles"]))
        return access == "public" or bool(self.world.auth["signed_in"])

    def steps(self, steps: Sequence[Document]) -> None:
        for step in steps:
            if step["do"] == "if" or step.get("when") is None or condition(step["when"])(self.env):
                getattr(self, f"do_{step['do']}")(step)
            elif "as" in step:
                self.env[step["as"]] = None

    def rows(self, step: Document) -> list[dict[str, Any]]:
        source = step.get("from") or step["table"]
        view = self.views.get(source)
        found = self.tables[source if view is None else view["table"]]
        if view is not None and view.get("filter"):
            found = [row for row in found if condition(view["filter"])({**self.env, "row": row})]
        if step.get("id") is not None:
            wanted = value(step["id"])(self.env)
            return [row for row in found if wanted is not None and row["id"] == wanted]
        rule = step.get("where") or "true"
        return [row for row in found if condition(rule)({**self.env, "item": row})]

    def counted(self, step: Document) -> int | None:
        """Count the rows; nobody knows how many where a rule that has no answer might hold."""
        rule = f"!({step.get('where') or 'true'})"
        there = self.rows({key: one for key, one in step.items() if key != "where"})
        if not all(condition(f"({rule}) || !({rule})")({**self.env, "item": row}) for row in there):
            return None
        return len(self.rows(step))

    def evaluated(self, said: Any) -> Any:
        if isinstance(said, str) and said.startswith("="):
            try:
                return value(said)(self.env)
            except EvaluationError:
                raise Refused from None
        if isinstance(said, dict):
            return {key: self.evaluated(one) for key, one in said.items()}
        return said

    def must(self, holds: bool) -> None:
        if not holds:
            raise Refused

    def do_require(self, step: Document) -> None:
        self.must(condition(step["that"])(self.env))

    def do_validate(self, step: Document) -> None:
        self.must(all(condition(one["rule"])(self.env) for one in step["rules"]))

    def do_fail(self, _step: Document) -> None:
        raise Refused

    def do_rate_limit(self, step: Document) -> None:
        self.must(bool(step.get("dry_run")) or self.world.hits <= int(step["limit"].partition("/")[0]))

    def do_time_window(self, _step: Document) -> None:
        self.must(self.world.is_open)

    def do_quota(self, step: Document) -> None:
        count = self.counted(step)
        self.must(count is not None and count < step["max"])

    def do_sign_in(self, _step: Document) -> None:
        self.must(self.world.password)
        self.got.done.add("signed in")

    def do_http(self, step: Document) -> None:
        self.got.calls += 1
        self.must(self.world.upstream or step.get("on_error") == "bind")
        if "as" in step:
            self.env[step["as"]] = {"status": 200 if self.world.upstream else 0}

    def do_fetch(self, step: Document) -> None:
        found = self.rows(step)
        self.must(bool(found) or bool(step.get("optional")))
        self.env[step["as"]] = found[0] if found else None

    def do_list(self, step: Document) -> None:
        self.env[step["as"]] = self.rows(step)

    def do_count(self, step: Document) -> None:
        self.env[step["as"]] = self.counted(step)

    def do_exists(self, step: Document) -> None:
        self.env[step["as"]] = bool(self.rows(step)) or (None if self.counted(step) is None else False)

    def do_set(self, step: Document) -> None:
        for name, said in step["values"].items():
            self.env[name] = self.evaluated(said)

    def do_if(self, step: Document) -> None:
        self.steps(step["then"] if condition(step["when"])(self.env) else step.get("else", ()))

    def do_for_each(self, step: Document) -> None:
        items = value(step["each"])(self.env) or ()
        self.must(len(items) <= step.get("limit", 1000))
        for item in items:
            self.env[step["as"]] = item
            self.steps(step["steps"])

    def do_call(self, step: Document) -> None:
        outer, self.env = self.env, dict(self.env)
        try:
            self.steps(self.middleware[step["use"]])
        finally:
            self.env = outer

    def do_insert(self, step: Document) -> None:
        row = {"id": f"new{len(self.tables['things'])}", "label": None, "n": None, "owner": None}
        row |= self.evaluated(step["set"])
        self.must(all((one["owner"], one["label"]) != (row["owner"], row["label"]) for one in self.tables["things"]))
        self.tables["things"].append(row)
        self.got.done.add(f"insert {row['owner']} {row['label']} {row['n']}")

    def do_update(self, step: Document) -> None:
        found = self.written(step)
        for row in found:
            row.update(self.evaluated(step["set"]))
            self.got.done.add(f"update {row['id']} {sorted(step['set'])} {row['n']} {row['label']}")
        self.must(all((row["n"] or 0) < 4 for row in found))

    def do_delete(self, step: Document) -> None:
        for row in self.written(step):
            self.tables["things"].remove(row)
            self.got.done.add(f"delete {row['id']}")

    def written(self, step: Document) -> list[dict[str, Any]]:
        found = list(self.rows(step))
        if (step.get("expect") or ("one" if step.get("id") else "any")) == "one":
            self.must(len(found) == 1)
        return found

    def do_respond(self, step: Document) -> None:
        self._show(self.evaluated(step.get("body")))
        self.got.passed = step.get("status", 200) < 400  # what was written stays either way
        raise Answered

    def _show(self, body: Any) -> None:
        if isinstance(body, dict):
            self.shown |= {f"{body['id']}"} if "id" in body else set()
            for one in body.values():
                self._show(one)
        elif isinstance(body, list):
            for one in body:
                self._show(one)

"""Random rows, people and writes through views with rules of their own: what comes is what the rules say in process."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.compiler.compile import compile_project
from app.definitions.project import parse_project
from app.expressions.check import check
from app.expressions.evaluate import compile_condition
from app.expressions.types import BOOL
from tests.backend import Backend, Person

WRITES = int(os.environ.get("ROWGATE_AGREEMENT_WRITES", "400"))
RULES = (
    "row.owner == auth.user.id", "row.owner != auth.user.id", 'row.status == "open"', "row.n > 2", "row.n != 1",
    'row.status == "open" || row.owner == auth.user.id', 'row.n < 4 && row.status != "gone"', "auth.signed_in",
    "row.n == null || row.owner == auth.user.id", "!(row.n == 3)", "true",
)  # fmt: skip
COLUMNS = ("owner", "status", "n", "slug")
ACTIONS = ("select", "insert", "update", "delete")
Row = dict[str, Any]


def said_view(name: str, chance: random.Random) -> dict[str, Any]:
    """Say a view with rules that are chosen by chance; most of them allow everything in some way."""
    allow: dict[str, Any] = {}
    for action in ACTIONS:
        said: dict[str, Any] = {"access": chance.choice(["public", "public", "authenticated"])}
        if action != "insert" and chance.random() < 0.5:
            said["filter"] = chance.choice(RULES)
        if action in ("insert", "update") and chance.random() < 0.5:
            said["check"] = chance.choice(RULES)
        if action == "update":
            said["writable"] = chance.choice([["owner", "status"], ["status"], ["owner", "status", "slug"]])
            said |= chance.choice([{}, {"presets": {"n": 2}}])
        if action != "select" or chance.random() < 0.8:
            allow[action] = said
    view = {"name": name, "table": "things", "columns": ["id", *COLUMNS], "allow": allow}
    return view if chance.random() < 0.3 else {**view, "filter": chance.choice(RULES)}


VIEWS = {f"v{number}": said_view(f"v{number}", random.Random(number)) for number in range(16)}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "things",
            "columns": [
                {"name": "owner", "type": "user"},
                {"name": "status", "type": "enum", "values": ["open", "gone"]},
                {"name": "n", "type": "integer"},
                {"name": "slug", "type": "text", "unique": True},
            ],
        },
    ],
    "views": list(VIEWS.values()),
}


def conditions() -> dict[str, Callable[[Any], bool]]:
    project, _ = parse_project(DOCUMENT)
    assert project is not None
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    scope = runtime.schema.scope.with_names(row=runtime.schema.tables["things"].record)
    return {text: compile_condition(check(text, scope, BOOL)) for text in RULES}


CONDITIONS = conditions()


class Refused(Exception):
    """What the rules say of a write: its code."""


@dataclass
class Model:
    """The rows, and what the rules say of them in process."""

    rows: dict[str, Row] = field(default_factory=dict)

    def holds(self, text: str | None, row: Row, caller: str | None) -> bool:
        user = None if caller is None else {"id": caller}
        env = {"auth": {"user": user, "signed_in": caller is not None, "kind": "user"}, "row": row}
        return text is None or CONDITIONS[text](env)

    def admitted(self, view: Row, action: str, caller: str | None) -> bool:
        return view["allow"][action]["access"] == "public" or caller is not None

    def is_for(self, view: Row, action: str, row: Row, caller: str | None) -> bool:
        own = view["allow"].get(action, {}).get("filter")
        return self.holds(view.get("filter"), row, caller) and self.holds(own, row, caller)

    def reads(self, view: Row, row: Row, caller: str | None) -> bool:
        seen = "select" in view["allow"] and self.admitted(view, "select", caller)
        return seen and self.is_for(view, "select", row, caller)

    def passes(self, view: Row, action: str, row: Row, caller: str | None) -> bool:
        return self.holds(view["allow"][action].get("check", view.get("filter")), row, caller)

    def changed(self, view: Row, row: Row, sent: Row) -> Row:
        update = view["allow"]["update"]
        return {**row, **{key: sent[key] for key in sent if key in update["writable"]}, **update.get("presets", {})}

    def change(self, view: Row, ids: list[str], sent: Row | None, caller: str | None, *, named: bool) -> list[Row]:
        """Update rows, or delete them where nothing is `sent`; give those that come back."""
        action = "delete" if sent is None else "update"
        self.enter(view, action, caller)
        hit = [self.rows[one] for one in ids if self.is_for(view, action, self.rows[one], caller)]
        if named and not hit and any(self.reads(view, self.rows[one], caller) for one in ids):
            raise Refused("view.not_allowed")
        after = hit if sent is None else [self.changed(view, row, sent) for row in hit]
        if sent is not None and not all(self.passes(view, action, row, caller) for row in after):
            raise Refused("access.row_outside")
        for row in hit:
            del self.rows[row["id"]]
        self.rows |= {} if sent is None else {row["id"]: row for row in after}
        return [row for row in after if self.reads(view, row, caller)]

    def insert(self, view: Row, sent: list[Row], caller: str | None, resolution: str | None) -> list[Row]:
        self.enter(view, "insert", caller)
        if resolution == "merge-duplicates":
            self.enter(view, "update", caller)
        written, by_slug = [], {row["slug"]: row for row in self.rows.values()}
        for new in sent:
            there = by_slug.get(new["slug"])
            made = new if there is None else self.met(view, there, new, caller, resolution)
            written += [] if made is None else [made]
        if not all(self.passes(view, "insert" if row in sent else "update", row, caller) for row in written):
            raise Refused("access.row_outside")
        self.rows |= {row["id"]: row for row in written}
        return [row for row in written if self.reads(view, row, caller)]

    def met(self, view: Row, there: Row, new: Row, caller: str | None, resolution: str | None) -> Row | None:
        """Give what becomes of a row that stands in the way of a new one; None where it is left alone."""
        if resolution is not None and not self.passes(view, "insert", new, caller):
            raise Refused("access.row_outside")
        if resolution == "merge-duplicates" and self.is_for(view, "update", there, caller):
            return self.changed(view, there, {key: value for key, value in new.items() if key not in ("id", "slug")})
        if resolution is None or not self.reads(view, there, caller):
            raise Refused("db.unique")
        if resolution == "merge-duplicates":
            raise Refused("view.not_allowed")
        return None

    def enter(self, view: Row, action: str, caller: str | None) -> None:
        if action not in view["allow"]:
            raise Refused("route.method_not_allowed")
        if not self.admitted(view, action, caller):
            raise Refused("access.sign_in_required")


@dataclass
class Write:
    """A request, and what the model says of it."""

    method: str
    path: str
    body: Any
    prefer: str
    expected: Callable[[], list[Row]]


def any_write(model: Model, people: list[str], number: int, chance: random.Random) -> tuple[Write, str | None]:
    """Choose a caller and a write through some view."""
    view = VIEWS[f"v{number % len(VIEWS)}"]
    caller = chance.choice([*people, None])
    prefer = "return=representation" if "select" in view["allow"] else "return=minimal"
    path, ids = f"/rest/v1/{view['name']}", list(model.rows)
    row: Row = {
        "owner": chance.choice([*people, None]), "status": chance.choice(["open", "gone", None]),
        "n": chance.choice([1, 2, 3, 4, None]),
    }  # fmt: skip
    kind = chance.choice(
        ["insert", "merge-duplicates", "ignore-duplicates", "update", "delete", "update", "one", "one"]
    )
    if kind in ("insert", "merge-duplicates", "ignore-duplicates") or not ids:
        slugs = chance.sample(range(14), k=chance.choice([1, 1, 2]))
        first = chance.getrandbits(60)
        sent = [{**row, "slug": f"s{slug}", "n": chance.choice([1, 3, None])} for slug in slugs]
        new = [{"id": f"new {first + at}", **one} for at, one in enumerate(sent)]
        resolution = kind if kind.endswith("duplicates") else None
        said = prefer if resolution is None else f"{prefer},resolution={resolution}"
        target = path if resolution is None else f"{path}?on_conflict=slug"
        return Write("POST", target, sent, said, lambda: model.insert(view, new, caller, resolution)), caller
    named = kind == "one"
    chosen = [chance.choice(ids)] if named else chance.sample(ids, k=min(len(ids), 3))
    tests = f"id=eq.{chosen[0]}" if named else f"id=in.({','.join(chosen)})"
    deletes = kind == "delete" or (named and chance.random() < 0.5)
    change: Row | None = None if deletes else {key: row[key] for key in ("owner", "status") if key in writable(view)}
    method = "DELETE" if deletes else "PATCH"
    expected = lambda: model.change(view, chosen, change, caller, named=named)  # noqa: E731 - as the other one
    return Write(method, f"{path}?{tests}", change, prefer, expected), caller


def writable(view: Row) -> list[str]:
    found: list[str] = view["allow"].get("update", {}).get("writable", ["status"])
    return found


def without_ids(rows: list[Row]) -> list[Any]:
    return sorted((row["slug"], row["owner"], row["status"], row["n"]) for row in map(told, rows))


def told(row: Row) -> Row:
    return {key: repr(value) for key, value in row.items()}


async def stored(backend: Backend) -> dict[str, Row]:
    found = await backend.sql("SELECT id::text, owner::text, status, n, slug FROM data.things")
    return {row["id"]: dict(row) for row in found}


async def test_what_a_write_does_and_shows_is_what_the_rules_say(backend: Backend) -> None:
    chance = random.Random(int(os.environ.get("ROWGATE_AGREEMENT_SEED", "1")))
    people = [await backend.sign_up("ann"), await backend.sign_up("ben")]
    by_id: dict[str | None, Person] = {one.id: one for one in people}
    model, came = Model(), dict[str, int]()
    for number in range(WRITES):
        write, caller = any_write(model, [one.id for one in people], number, chance)
        headers = {"Prefer": write.prefer}
        person = by_id.get(caller)
        call = backend.client.request if person is None else person.call
        answer = await call(write.method, write.path, json=write.body, headers=headers)
        before = await stored(backend)
        case = (VIEWS[write.path.split("/")[3].partition("?")[0]], caller, write)
        try:
            rows = write.expected()
        except Refused as refusal:
            code = str(refusal)
            assert answer.status_code >= 400, case
            assert answer.json()["rowgate_code"] in (code, "query.unsupported"), (answer.text, case)
        else:
            code = write.method
            assert answer.status_code < 300, (answer.text, code, case)
            if "representation" in write.prefer:
                assert without_ids(answer.json()) == without_ids(rows), case
        assert without_ids(list(before.values())) == without_ids(list(model.rows.values())), case
        model.rows = before
        came[code] = came.get(code, 0) + 1
    assert {"POST", "PATCH", "DELETE", "view.not_allowed", "access.row_outside", "db.unique"} <= came.keys(), came

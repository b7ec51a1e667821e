"""Random chains of fetches, rules and writes, such as may be sent as one statement, and some that may not."""

import random
from typing import Any

Step = dict[str, Any]

COLUMNS = [
    {"name": "owner", "type": "user"}, {"name": "n", "type": "integer", "max": 3},
    {"name": "label", "type": "text", "unique": True}, {"name": "kind", "type": "enum", "values": ["a", "b"]},
    {"name": "price", "type": "decimal"}, {"name": "due", "type": "timestamp"},
    {"name": "parent", "type": "reference", "table": "groups"},
]  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}],
    "tables": [
        {"name": "groups", "columns": [{"name": "owner", "type": "user"}, {"name": "n", "type": "integer"}]},
        {"name": "things", "columns": COLUMNS},
    ],
    "views": [
        {"name": "mine", "table": "things", "columns": ["id", "owner", "n", "label", "kind", "parent"],
         "filter": "row.owner == auth.user.id", "access": "authenticated"},
        {"name": "counted", "table": "groups", "access": "authenticated", "filter": "true",
         "columns": ["id", "owner", "n", {"name": "many", "count": "things", "where": "item.parent == row.id"}]},
    ],
}  # fmt: skip
INPUT = {
    "id": {"type": "uuid"}, "group": {"type": "uuid"}, "n": {"type": "integer"}, "label": {"type": "text"},
    "on": {"type": "boolean"},
}  # fmt: skip
OF_CALLER = ("auth.signed_in", '"staff" in auth.user.roles', "input.on", "input.n < 3", "1 / input.n > 0")
OF_ROW = (
    "{0}.owner == auth.user.id", "{0}.owner != auth.user.id", "{0}.n > 1", "{0}.n == input.n", "{0}.n != null",
    "!({0}.n < 2)", "{0}.n in [1, 2, 7]", "{0}.owner == auth.user.id && {0}.n < 3", "{0}.n == 1 || input.on",
)  # fmt: skip
OF_THING = (
    "{0}.label == input.label", '{0}.kind == "a"', "{0}.price > 1", "{0}.due < now", "size({0}.label) > 1",
    '{0}.label.startsWith("a")', '{0}.label >= "b"',
)  # fmt: skip
OF_OTHERS = ("groups.exists(g, g.owner == auth.user.id)", "things.exists(t, t.n == input.n && t.owner == auth.user.id)")
SOURCES = ("things", "things", "groups", "mine", "counted")


class Fusible:
    """Draws chains; names that are bound are rows, each with its source."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.bound: dict[str, str] = {}

    def chain(self) -> list[Step]:
        """Give the steps of an endpoint."""
        self.bound = {}
        steps = [self._read() for _ in range(self.chance.randint(0, 2))]
        steps = [one for step in steps for one in self._guarded(step)]
        if not steps or self.chance.random() < 0.2:
            steps = [*self._guards(), *steps]
        if self.chance.random() < 0.8:
            steps.append(self._write())
        if self.chance.random() < 0.2:
            steps += self._guards()
        if self.chance.random() < 0.1:
            steps.append(self._write())
        body: object = {name: f"={name}" for name in self.bound} or {"done": True}
        if self.bound and self.chance.random() < 0.5:
            body = f"={self.chance.choice(list(self.bound))}"
        return [*steps, {"do": "respond", "body": body}]

    def _guarded(self, step: Step) -> list[Step]:
        between = self.chance.random()
        if between < 0.1:
            return [step, {"do": "set", "values": {"seen": "=input.n"}}, *self._guards()]
        return [step, *self._guards()]

    def _guards(self) -> list[Step]:
        return [self._guard() for _ in range(self.chance.choice((0, 1, 1, 2)))]

    def _guard(self) -> Step:
        step: Step = {"do": "require", "that": self.rule()}
        if self.chance.random() < 0.3:
            step |= {"status": self.chance.choice((402, 404, 409)), "code": "own.code", "message": "=string(input.n)"}
        if self.chance.random() < 0.1:
            step["when"] = "input.on"
        return step

    def rule(self) -> str:
        """Give a rule about the caller, rows that are bound, or others."""
        kind = self.chance.random()
        if not self.bound or kind < 0.2:
            return self.chance.choice(OF_CALLER if kind < 0.15 else OF_OTHERS)
        name, source = self.chance.choice(list(self.bound.items()))
        rules = (*OF_ROW, *OF_THING) if source == "things" else OF_ROW
        return self.chance.choice(rules).format(name)

    def _read(self) -> Step:
        source = self.chance.choice(SOURCES)
        is_thing = source in ("things", "mine")
        name = self.chance.choice(("x", "y"))
        step: Step = {"do": "fetch", "from": source, "as": name}
        parents = [one for one, of in self.bound.items() if of in ("things", "mine")]
        if not is_thing and parents and self.chance.random() < 0.6:
            step["id"] = f"{parents[0]}.parent"
        elif self.chance.random() < 0.75:
            step["id"] = "input.id" if is_thing else "input.group"
        else:
            step["where"] = "item.n == input.n && item.owner == auth.user.id"
        if self.chance.random() < 0.1:
            step |= self.chance.choice(({"optional": True}, {"lock": True}))
        if not step.get("optional"):
            self.bound[name] = source
        return step

    def _write(self) -> Step:
        things = [name for name, source in self.bound.items() if source in ("things", "mine")]
        row = self.chance.choice(things) if things and self.chance.random() < 0.8 else None
        which = self.chance.choice((f"{row}.id", f"{row}.id", "input.id")) if row else "input.id"
        do = self.chance.choice(("update", "update", "delete", "insert"))
        step: Step = {"do": do, "table": "things"}
        if do != "insert":
            step["id"] = which
        if do != "delete":
            step["set"] = self._settings(row, do)
        if do == "insert" and self.chance.random() < 0.3:
            step["on_conflict"] = {"columns": ["label"], "do": self.chance.choice(("nothing", "update"))}
        if self.chance.random() < 0.6:
            name = self.chance.choice(("x", "z"))
            self.bound[name] = "things" if "on_conflict" not in step else "none"
            step["as"] = name
        return step

    def _settings(self, row: str | None, do: str) -> dict[str, object]:
        choices: dict[str, tuple[object, ...]] = {
            "n": (1, "=input.n", "=input.n + 1"), "label": ("a", "=input.label"), "kind": ("b",),
            "owner": ("=auth.user.id",), "price": ("1.50",),
        }  # fmt: skip
        if row is not None:
            choices["n"] += (f"={row}.n", f"={row}.n + 1")
            choices["parent"] = (f"={row}.parent",)
        if do == "update":
            choices["n"] += ("=item.n + 1",)
        names = self.chance.sample(sorted(choices), self.chance.randint(1, 3))
        if do == "insert":
            names = sorted({*names, "label"})
        return {name: self.chance.choice(choices[name]) for name in names}

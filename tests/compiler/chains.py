"""Random chains of an endpoint, and random changes of them: a guard is taken away, weakened, moved, made stricter."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Document = dict[str, Any]
Step = dict[str, Any]

BARE: Document = {
    "rowgate": 1,
    "roles": [{"name": "staff"}, {"name": "guest"}],
    "users": {"columns": [{"name": "team", "type": "text"}, {"name": "level", "type": "integer"}]},
    "tables": [
        {"name": "things", "unique": [["owner", "label"]], "columns": [
            {"name": "owner", "type": "user"}, {"name": "n", "type": "integer", "max": 3},
            {"name": "label", "type": "text"},
        ]},
        {"name": "members", "columns": [{"name": "who", "type": "user"}, {"name": "n", "type": "integer"}]},
    ],
}  # fmt: skip
OF_CALLER = (
    "auth.signed_in", '"staff" in auth.user.roles', 'auth.user.team == "a"', "auth.user.level > 1",
    "auth.user.level == 1 || auth.user.level == 2", "input.on", "input.n < 3", 'input.label == "a"',
)  # fmt: skip
OF_ROWS = {
    "things": ("item.owner == auth.user.id", "item.n > 1", 'item.label == "a"', "item.n == input.n",
               "item.label == input.label", "item.owner != auth.user.id"),
    "members": ("item.who == auth.user.id", "item.n > 1", "item.n == input.n"),
}  # fmt: skip
OF_ROWS["seen"] = OF_ROWS["things"]


class Chains:
    """Draws documents."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def rule(self, atoms: tuple[str, ...]) -> str:
        first, second = self.chance.choice(atoms), self.chance.choice(atoms)
        return self.chance.choice((first, first, f"({first}) && ({second})", f"({first}) || ({second})"))

    def where(self, source: str) -> str:
        return self.rule(OF_ROWS[source])

    def source(self) -> str:
        return self.chance.choice(("things", "members", "seen"))

    def known(self, name: str) -> Step:
        """Give a read, which binds a name that later rules may ask about."""
        source = self.source()
        do = self.chance.choice(("fetch", "fetch", "count", "exists", "list"))
        step: Step = {"do": do, "from": source, "where": self.where(source), "as": name}
        if do == "fetch" and self.chance.random() < 0.3:
            step["optional"] = True
        if do == "fetch" and source != "members" and self.chance.random() < 0.4:
            step = {"do": "fetch", "from": source, "where": f"item.n == input.n && ({self.where(source)})", "as": name}
        return step

    def about(self, step: Step) -> Step:
        """Give a guard that asks about what a read has bound."""
        name, source = step["as"], step["from"]
        owner = "who" if source == "members" else "owner"
        rule = {
            "fetch": self.chance.choice((f"{name}.{owner} == auth.user.id", f"{name}.n > 1", f"{name}.n == null")),
            "count": f"{name} < {self.chance.choice((1, 2))}",
            "exists": self.chance.choice((name, f"!{name}")),
            "list": f"size({name}) > 0",
        }[step["do"]]
        return {"do": "require", "that": rule}

    def guard(self) -> Step:
        source, chance = self.source(), self.chance
        return chance.choice((
            {"do": "require", "that": self.rule(OF_CALLER)},
            {"do": "require", "that": self.rule(OF_CALLER), "status": 404},
            {"do": "validate", "rules": [{"rule": self.rule(OF_CALLER)}, {"rule": self.rule(OF_CALLER)}]},
            {"do": "fail", "status": 403, "when": self.rule(OF_CALLER)},
            {"do": "respond", "status": 403, "when": self.rule(OF_CALLER)},
            {"do": "respond", "status": 200, "when": self.rule(OF_CALLER)},
            {"do": "rate_limit", "limit": f"{chance.choice((1, 2, 3))}/minute"},
            {"do": "time_window", "timezone": "UTC", "until": "2036-01-31T18:00:00"},
            {"do": "quota", "max": chance.choice((1, 2)), "from": "things", "where": self.where("things")},
            {"do": "sign_in", "email": "input.label", "password": "input.label"},
            {"do": "http", "method": "GET", "url": "https://example.com/", "on_error": chance.choice(("fail", "bind"))},
            {"do": "fetch", "from": source, "where": self.where(source), "as": "other"},
            {"do": "set", "values": {"named": "=input.n"}},
        ))  # fmt: skip

    def write(self) -> Step:
        chance = self.chance
        return chance.choice((
            {"do": "insert", "table": "things", "set": {"owner": "=auth.user.id", "label": "=input.label", "n": 1}},
            {"do": "update", "table": "things", "where": self.where("things"), "set": {"n": "=input.n"},
             "expect": chance.choice(("one", "any"))},
            {"do": "update", "table": "things", "where": self.where("things"), "set": {"label": "b"}, "expect": "any"},
            {"do": "delete", "table": "things", "where": self.where("things"), "expect": chance.choice(("one", "any"))},
        ))  # fmt: skip

    def nested(self, step: Step) -> Step:
        """Put a step into a branch, a loop or a middleware that is called."""
        if step["do"] in {"http", "sign_in"} or self.chance.random() < 0.75:
            return step
        rule = self.rule(OF_CALLER)
        return self.chance.choice((
            {"do": "if", "when": rule, "then": [step]},
            {"do": "if", "when": rule, "then": [{"do": "set", "values": {"made": 1}}], "else": [step]},
            {"do": "for_each", "each": "[1, 2]", "as": "turn", "steps": [step], "limit": 5},
            {"do": "call", "use": "called"},
        ))  # fmt: skip

    def document(self) -> Document:
        chance = self.chance
        asked: list[Step] = []
        for number in range(chance.randint(1, 4)):
            if chance.random() < 0.5:
                asked.append(self.guard())
            else:
                read = self.known(("thing", "many", "any", "all")[number])
                asked += [read, self.about(read)] if chance.random() < 0.8 else [read]
        steps = [self.nested(one) if "as" not in one else one for one in asked]
        steps += [self.nested(self.write()) for _ in range(chance.randint(0, 2))]
        bound = [one["as"] for one in steps if "as" in one and one["do"] != "for_each"]
        if chance.random() < 0.8:
            steps.append({"do": "respond", "body": {f"x{at}": f"={name}" for at, name in enumerate(bound)}})
        guards = [{"do": "require", "that": self.rule(OF_CALLER)} for _ in range(chance.randint(1, 2))]
        return copy.deepcopy(BARE | {
            "views": [{"name": "seen", "table": "things", "filter": self.where("things").replace("item.", "row.")
                       .replace("input.n", "1").replace("input.label", '"a"')}],
            "middleware": [{"name": "gate", "steps": guards}, {"name": "called", "steps": [self.write()]}],
            "endpoints": [{
                "name": "act", "method": "POST", "path": "/act",
                "access": chance.choice(("public", "authenticated", {"roles": ["staff"]})),
                "input": {"body": {"n": {"type": "integer", "required": True}, "on": {"type": "boolean"},
                                   "label": {"type": "text", "required": True}}},
                "rules": [{"rule": self.rule(OF_CALLER)}] if chance.random() < 0.3 else [],
                "middleware": ["gate"] if chance.random() < 0.5 else [],
                "steps": steps or [{"do": "respond"}],
            }],
        })  # fmt: skip


def places(document: Document) -> Iterator[tuple[list[Step], int]]:
    """Yield each step by the list that it stands in and its place there."""
    waiting = [document["endpoints"][0]["steps"], *(one["steps"] for one in document["middleware"])]
    while waiting:
        steps = waiting.pop()
        yield from ((steps, index) for index in range(len(steps)))
        waiting += [step[key] for step in steps for key in ("then", "else", "steps") if key in step]


def without(steps: list[Step], index: int) -> None:
    """Take a step away; where it was the only one, one that does nothing stands in its place."""
    steps.pop(index)
    if not steps:
        steps.append({"do": "set", "values": {"nothing": 1}})


def taken_away(document: Document) -> Iterator[Document]:
    """Yield the document without each of its steps in turn."""
    for number, _ in enumerate(list(places(document))):
        after = copy.deepcopy(document)
        steps, index = list(places(after))[number]
        without(steps, index)
        yield after


def changed(chains: Chains, before: Document) -> Document:
    """Change a step or two, or what stands around them."""
    after = copy.deepcopy(before)
    for _ in range(chains.chance.choice((1, 1, 2))):
        chains.chance.choice((_step, _step, _step, _step, _around))(chains, after)
    return after


def _step(chains: Chains, document: Document) -> None:
    chance = chains.chance
    steps, index = chance.choice(list(places(document)))
    step, rule = steps[index], chains.rule(OF_CALLER)
    options: list[Callable[[], Any]] = [
        lambda: without(steps, index),
        lambda: steps.insert(min(index + 1, len(steps) - 1), steps.pop(index)),
        lambda: steps.insert(0, steps.pop(index)),
        lambda: steps.insert(index, chains.guard()),
        lambda: steps.insert(index, chains.write()),
        lambda: steps.__setitem__(index, {"do": "if", "when": rule, "then": [step]}),
    ]
    if step["do"] != "if":
        options.append(lambda: step.update(when=f"({step['when']}) && ({rule})" if "when" in step else rule))
        options.append(lambda: step.pop("when", None))
    for key in ("that", "where", "when"):
        if key in step:
            more = chance.choice(OF_ROWS[step.get("from") or step["table"]]) if key == "where" else rule
            options += [
                lambda key=key, more=more: step.update({key: f"({step[key]}) || ({more})"}),  # type: ignore[misc]
                lambda key=key, more=more: step.update({key: f"({step[key]}) && ({more})"}),  # type: ignore[misc]
                lambda key=key, more=more: step.update({key: more}),  # type: ignore[misc]
            ]
    special: dict[str, list[Callable[[], Any]]] = {
        "fetch": [lambda: step.update(optional=True), lambda: step.pop("optional", None)],
        "update": [lambda: step.update(expect=chance.choice(("one", "any")))],
        "delete": [lambda: step.update(expect=chance.choice(("one", "any")))],
        "rate_limit": [lambda: step.update(limit=f"{chance.randint(1, 4)}/minute"), lambda: step.update(dry_run=True)],
        "quota": [lambda: step.update(max=chance.randint(1, 3))],
        "http": [lambda: step.update(on_error=chance.choice(("fail", "bind")))],
        "validate": [lambda: step["rules"].pop() if len(step["rules"]) > 1 else None],
        "respond": [lambda: step.update(status=chance.choice((200, 403))), lambda: step.update(body={})],
        "fail": [lambda: step.update(do="respond")],
        "for_each": [lambda: step.update(limit=chance.choice((1, 2, 9)), each=chance.choice(("[1]", "[1, 2, 3]")))],
    }
    chance.choice([*options, *special.get(step["do"], []) * 3])()


def _around(chains: Chains, document: Document) -> None:
    chance, endpoint, view = chains.chance, document["endpoints"][0], document["views"][0]
    rule = chance.choice(("row.owner == auth.user.id", 'row.label == "a"', "row.n > 1"))
    chance.choice(
        (
            lambda: endpoint.update(access=chance.choice(("public", "authenticated", {"roles": ["staff"]}))),
            lambda: endpoint.update(middleware=chance.choice(([], ["gate"]))),
            lambda: endpoint.update(rules=chance.choice(([], [{"rule": chains.rule(OF_CALLER)}]))),
            lambda: view.update(filter=f"({view['filter']}) || {rule}"),
            lambda: view.update(filter=f"({view['filter']}) && {rule}"),
        )
    )()

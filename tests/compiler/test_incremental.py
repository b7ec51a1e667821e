"""After any chain of changes, what is taken over from before is what a compilation from nothing gives."""

import copy
import dataclasses
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.changes.files import load_file
from app.compiler.compile import checked_rules, compile_project
from app.compiler.runtime import Runtime
from app.compiler.stored import compile_stored
from app.data_plane.described.openapi import openapi_document
from app.definitions.project import Project, parse_project
from app.definitions.stored import Stored
from app.expressions import check as checking
from app.expressions import evaluate, types
from app.http.json_answer import to_json
from app.relations.memory import Memory
from app.review.surface import surface_of
from tests.backend import EXAMPLES
from tests.compiler.fingerprint import Fingerprints
from tests.definitions.junk import (
    INPUT,
    MIDDLEWARE,
    NASTY,
    RELATED,
    ROLES,
    STEPS,
    TEST,
    USERS,
    VIEW,
    T,
    places,
    replaced,
)

CHANGES = int(os.environ.get("ROWGATE_CHAIN_CHANGES", "15"))
OPEN = {"name": "open", "table": "t", "columns": ["id", "a"], "filter": "row.b > 1", "access": "public"}
THROUGH = {
    "name": "through", "table": "t", "access": "public",
    "columns": ["id", {"name": "o", "list": "open", "where": "item.id == row.id"}],
}  # fmt: skip
ROUND = {
    "name": "round", "table": "t", "access": "authenticated", "columns": [{"name": "r", "exists": "through"}, "a"],
    "allow": ["select", "insert", "delete"], "presets": {"b": 1}, "writable": ["a"],
}  # fmt: skip
OWNS = {"name": "owns", "steps": [{"do": "fetch", "from": "open", "where": "item.a == 'x'", "as": "owned"}]}
CALLS = {"name": "calls", "steps": [{"do": "call", "use": "owns"}, {"do": "require", "that": "auth.signed_in"}]}


def everything() -> dict[str, Any]:
    """Give a document in which much rests on much."""
    refers = {"name": "t_id", "type": "reference", "table": "t", "on_delete": "cascade"}
    kinds: list[dict[str, Any]] = [
        {"name": f"e{index}", "method": "POST", "path": f"/e{index}", "access": "public", "input": INPUT,
         "steps": steps, "middleware": [["calls"], ["owns"], []][index % 3]}
        for index, steps in enumerate(STEPS)
    ]  # fmt: skip
    reads = [{"do": "list", "from": "through", "as": "x"}, {"do": "respond", "body": {"x": "=x", "n": 1}}]
    kinds.append({"name": "reads", "method": "GET", "path": "/reads/{a}", "access": {"roles": ["r"]}, "steps": reads,
                  "input": {"path": {"a": {"type": "reference", "table": "u"}}}})  # fmt: skip
    kinds.append({**kinds[0], "name": "e", "path": "/e"})
    return {
        "rowgate": 1, "roles": ROLES, "users": USERS,
        "project": {"middleware": ["m"], "http_allow": ["example.com:80"]},
        "tables": [T, {"name": "u", "id": "bigint", "columns": [refers]}],
        "views": [ROUND, THROUGH, OPEN, {"name": "v", "table": "t", "columns": "all", "access": "public"},
                  {**VIEW, "name": "p"}, RELATED],
        "middleware": [CALLS, OWNS, MIDDLEWARE], "endpoints": kinds, "tests": [TEST],
    }  # fmt: skip


def _one(section: str, chance: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = chance.choice(document.get(section) or [{}])
    return found


def _toggle(listed: list[Any], one: Any) -> None:
    if one in listed:
        listed.remove(one)
    else:
        listed.append(one)


def _role(d: dict[str, Any], chance: random.Random) -> None:
    _toggle(d.setdefault("roles", []), {"name": chance.choice("rsss")})


def _column(d: dict[str, Any], chance: random.Random) -> None:
    columns = _one("tables", chance, d).setdefault("columns", [])
    _toggle(columns, {"name": chance.choice("zzzzzyyya"), "type": chance.choice(["text", "integer"])})


def _table(d: dict[str, Any], chance: random.Random) -> None:
    said = _one("tables", chance, d)
    others = [one for one in ("uuid", "bigint", "text", {"type": "reference", "table": "t"}) if one != said.get("id")]
    said["id"] = chance.choice(others)


def _reference(d: dict[str, Any], chance: random.Random) -> None:
    for column in _one("tables", chance, d).get("columns", []):
        if "on_delete" in column:
            column["on_delete"] = chance.choice(["cascade", "set_null", "restrict"])
            column["column"] = chance.choice(["id", "a"])


def _person(d: dict[str, Any], chance: random.Random) -> None:
    _toggle(d.setdefault("users", {}).setdefault("columns", []), {"name": chance.choice("nooo"), "type": "text"})


def _filter(d: dict[str, Any], chance: random.Random) -> None:
    _one("views", chance, d)["filter"] = f"row.{chance.choice(['a', 'b', 'id', 'z', 'nothing'])} != null"


def _view(d: dict[str, Any], chance: random.Random) -> None:
    said = _one("views", chance, d)
    choices: list[tuple[str, list[Any]]] = [
        ("access", ["public", "authenticated", {"roles": ["r"]}]), ("max_rows", [1, 2, True]), ("columns", ["all"]),
        ("allow", [["select"], ["insert"], ["select", "update"]]), ("middleware", [["owns"], []]), ("order", [["a"]]),
        ("columns", [["id", {"name": "c", "list": "round"}]]), ("table", ["t", "t", "u", "gone"]),
        ("columns", [["id", "a"]]),
        ("presets", [{"b": 1}, {"b": "=1"}, {"b": True}, {"b": 1.0}]),
    ]  # fmt: skip
    part, values = chance.choice(choices)
    said[part] = chance.choice(values)


def _rule(d: dict[str, Any], chance: random.Random) -> None:
    steps = _one("middleware", chance, d).setdefault("steps", [])
    _toggle(
        steps,
        {
            "do": "require",
            "that": chance.choice(["1 < 2", "1 < 2.0", "request.ip != ''", "auth.user.o == 'x'", "oops"]),
        },
    )


def _calls(d: dict[str, Any], chance: random.Random) -> None:
    names = [one.get("name") for one in d.get("middleware", [])] or ["gone"]
    _toggle(_one("middleware", chance, d).setdefault("steps", []), {"do": "call", "use": chance.choice(names)})


def _endpoint(d: dict[str, Any], chance: random.Random) -> None:
    said = _one("endpoints", chance, d)
    choices: list[tuple[str, list[Any]]] = [
        ("access", ["public", {"roles": ["r"]}]), ("path", ["/e", "/new"]), ("middleware", [["m"], ["calls", "owns"]]),
        ("steps", [*STEPS, [{"do": "respond", "body": [1]}], [{"do": "respond", "body": [True]}]]), ("skip", [["m"]]),
        ("isolation", ["serializable", "read committed"]), ("timeout", [1, 1.0, 3.5]),
    ]  # fmt: skip
    part, values = chance.choice(choices)
    said[part] = chance.choice(values)


def _settings(d: dict[str, Any], chance: random.Random) -> None:
    d["project"] = chance.choice([{}, {"name": "p"}, {"middleware": ["calls"]}, {"http_allow": ["a.example:1"]}])


def _gone(d: dict[str, Any], chance: random.Random) -> None:
    listed = d.get(chance.choice(["tables", "views", "middleware", "endpoints", "tests"])) or [None]
    listed.pop(chance.randrange(len(listed)))


def _shuffled(d: dict[str, Any], chance: random.Random) -> None:
    chance.shuffle(d.get(chance.choice(["tables", "views", "middleware", "endpoints"]), []))


ALTERED: list[Callable[[dict[str, Any], random.Random], None]] = [
    _role, _column, _table, _reference, _person, _filter, _filter, _view, _view, _rule, _calls, _endpoint, _settings,
    _gone, _shuffled,
]  # fmt: skip


def changed(document: dict[str, Any], earlier: list[dict[str, Any]], chance: random.Random) -> dict[str, Any]:
    """Give a document with something altered, or with junk in it, or one that was before."""
    kind = chance.random()
    if kind < 0.2:
        return copy.deepcopy(chance.choice(earlier))
    altered = copy.deepcopy(document)
    if kind < 0.3:
        path = chance.choice([one for one in places(document) if one])
        found: dict[str, Any] = replaced(altered, path, chance.choice(["", "gone"]), chance.choice(NASTY))
        return found
    chance.choice(ALTERED)(altered, chance)
    return altered


def told(runtime: Runtime | None) -> dict[str, Any]:
    """Give all that a runtime is, part by part."""
    if runtime is None:
        return {}
    parts = Fingerprints()
    found: dict[str, Any] = {
        one.name: parts.of(getattr(runtime, one.name)) for one in dataclasses.fields(runtime) if one.name != "project"
    }
    found |= {f"endpoint {name}": parts.of(one) for name, one in runtime.endpoints.items()}
    found |= {f"view {name}": parts.of(one) for name, one in runtime.views.items()}
    found |= {"openapi": to_json(openapi_document(runtime)), "surface": surface_of(runtime.project)}
    return found


@contextmanager
def nothing_known() -> Iterator[None]:
    """Compile a block from texts alone: neither what was checked before nor what it spoke of is found."""
    remembered: list[dict[Any, Any]] = [checking._REMEMBERED, evaluate._REMEMBERED, types._RECORDS]
    before = [dict(one) for one in remembered]
    evaluate.forget()
    types._RECORDS.clear()
    yield
    for one, known in zip(remembered, before, strict=True):
        one.clear()
        one.update(known)


def check(project: Project, memory: Memory) -> Runtime | None:
    kept, found = compile_project(project, memory=memory)
    with nothing_known():
        fresh, wanted = compile_project(project, memory=Memory())
    assert found == wanted
    assert checked_rules(project, memory) == checked_rules(project, Memory())
    if kept is None:  # what of it can be served all the same
        stored = Stored(project)
        served, anew = compile_stored(stored, memory=memory), compile_stored(stored, memory=Memory())
        assert told(served) == told(anew)
    else:
        assert told(kept) == told(fresh)
    return kept


def _begin(name: str) -> dict[str, Any]:
    begun: dict[str, Any] = load_file(EXAMPLES / f"{name}.yaml") if name else everything()
    return begun


@pytest.mark.parametrize(("name", "seed"), [("", seed) for seed in range(4)] + [("shop", 6)])
def test_after_any_chain_of_changes_everything_is_as_compiled_from_nothing(name: str, seed: int) -> None:
    chance, memory = random.Random(seed), Memory()
    document = _begin(name)
    project, findings = parse_project(document)
    assert project is not None, findings
    assert check(project, memory) is not None
    earlier = [document]
    for _ in range(CHANGES):
        altered = changed(document, earlier, chance)
        project, _ = parse_project(altered)
        if project is None:
            continue
        # What is broken is seldom built upon: most of what there is to see is seen of what is sound.
        sound = check(project, memory) is not None
        if sound or chance.random() < 0.2:
            document = altered
        if sound:
            earlier.append(altered)


def test_a_role_more_makes_no_other_part_anew() -> None:
    memory = Memory()
    project, findings = parse_project(everything())
    assert project is not None, findings
    assert compile_project(project, memory=memory)[0] is not None
    (before,) = memory._recent["data"]
    more, findings = parse_project({"rowgate": 1, "roles": [*ROLES, {"name": "more"}]}, within=project)
    assert more is not None, findings
    assert (more.endpoints, [role.name for role in more.roles][-1]) == (project.endpoints, "more")
    assert compile_project(more, memory=memory)[0] is not None
    after = memory._recent["data"][0]
    assert after.keys() == before.keys()
    assert [place for place, part in after.items() if part is not before[place]] == []

"""What wasn't sent is left alone: everywhere that a value is written, at every depth that an input has."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from app.compiler.check import check_project
from app.definitions.project import parse_project
from tests.backend import PASSWORD, Backend, serving
from tests.outward.upstream import Upstream, upstream

TEXT: Any = {"type": "text"}
DEPTHS: dict[str, dict[str, Any]] = {
    "nick": {"nick": TEXT},
    "user.nick": {"user": {"type": "object", "fields": {"nick": TEXT}}},
    "a.user.nick": {"a": {"type": "object", "fields": {"user": {"type": "object", "fields": {"nick": TEXT}}}}},
    "must.nick": {"must": {"type": "object", "required": True, "fields": {"nick": TEXT}}},
    'free["nick"]': {"free": {"type": "json"}},
}
OLD = {"do": "insert", "table": "people", "set": {"key": "=request.id", "nick": "old"}, "as": "before"}
ANSWER = {"do": "respond", "body": {"nick": "=it.nick"}}


def update(value: str) -> dict[str, Any]:
    return {"do": "update", "table": "people", "id": "before.id", "set": {"nick": value}, "as": "it"}


def upsert(value: str) -> dict[str, Any]:
    conflict = {"columns": ["key"], "do": "update"}
    return {
        "do": "insert", "table": "people", "set": {"key": "=request.id", "nick": value}, "on_conflict": conflict,
        "as": "it",
    }  # fmt: skip


def listed(value: str) -> list[Any]:
    rows = [{"nick": value}, {"key": "=request.id"}]
    return [
        {"do": "insert", "table": "people", "rows": rows, "as": "rows"},
        {"do": "set", "values": {"it": "=rows[0]"}},
    ]


# For each place that writes: its steps, and what is there where nothing was sent.
PLACES: dict[str, tuple[Any, str]] = {
    "update": (lambda value: [OLD, update(value), ANSWER], "old"),
    "on_conflict": (lambda value: [OLD, upsert(value), ANSWER], "old"),
    "insert": (lambda value: [{"do": "insert", "table": "people", "set": {"nick": value}, "as": "it"}, ANSWER], "new"),
    "rows": (lambda value: [*listed(value), ANSWER], "new"),
    "bound": (lambda value: [OLD, {"do": "set", "values": {"said": value}}, update("=said"), ANSWER], "old"),
    "bound_inside": (
        lambda value: [OLD, {"do": "set", "values": {"u": {"n": {"nick": value}}}}, update("=u.n.nick"), ANSWER], "old",
    ),
    "param": (lambda value: [{"do": "call", "use": "renames", "with": {"nick": value}, "as": "done"},
                             {"do": "set", "values": {"it": "=done.it"}}, ANSWER], "old"),
    "param_of_param": (lambda value: [{"do": "call", "use": "passes", "with": {"nick": value}, "as": "done"},
                                      {"do": "set", "values": {"it": "=done.done.it"}}, ANSWER], "old"),
    "param_with_default": (lambda value: [{"do": "call", "use": "names", "with": {"nick": value}, "as": "done"},
                                          {"do": "set", "values": {"it": "=done.it"}}, ANSWER], "default"),
    "branch": (lambda value: [OLD, {"do": "if", "when": "true", "then": [{"do": "set", "values": {"said": value}}]},
                              update("=said"), ANSWER], "old"),
    "update_user": (lambda value: [
        {"do": "update_user", "user": "auth.user.id", "set": {"nick": "old"}},
        {"do": "update_user", "user": "auth.user.id", "set": {"nick": value}, "as": "it"}, ANSWER,
    ], "old"),
    "json_column": (lambda value: [
        {"do": "insert", "table": "people", "set": {"meta": {"nick": value, "more": {"nick": value}}}, "as": "it"},
        {"do": "respond", "body": {"nick": '=has(it.meta.nick) ? it.meta.nick : "nothing"'}},
    ], "nothing"),
}  # fmt: skip
MIDDLEWARE = [
    {"name": "renames", "params": {"nick": TEXT}, "steps": [OLD, update("=params.nick")]},
    {
        "name": "names", "params": {"nick": {"type": "text", "default": "default"}},
        "steps": [OLD, update("=params.nick")],
    },
    {
        "name": "passes", "params": {"nick": {"type": "text", "required": True}},
        "steps": [{"do": "call", "use": "renames", "with": {"nick": "=params.nick"}, "as": "done"}],
    },
]  # fmt: skip
LINES = {"lines": {"type": "list", "of": {"type": "object", "fields": {"nick": TEXT, "token": TEXT}}}}


def endpoint(name: str, steps: list[Any], /, access: Any = "authenticated", **body: Any) -> dict[str, Any]:
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": access, "input": {"body": body}, "steps": steps,
    }  # fmt: skip


def outward(host: str) -> dict[str, Any]:
    base = {"do": "http", "method": "POST", "url": f"http://{host}/"}
    user = {"user": "=input.user.nick", "list": ["=input.user.nick"], "inside": {"nick": "=input.user.nick"}}
    return {
        "json": {**base, "json": user},
        "form": {**base, "form": {"user": "=input.user.nick", "kept": 1}},
        "headers": {**base, "headers": {"X-Nick": "=input.user.nick", "X-Kept": "1"}},
    }


def document(host: str = "example.com:80") -> dict[str, Any]:
    columns: list[dict[str, Any]] = [
        {"name": "key", "type": "text", "unique": True}, {"name": "nick", "type": "text", "default": "new"},
        {"name": "meta", "type": "json"}, {"name": "token", "type": "text", "default": "=random_token(24)"},
        {"name": "tags", "type": "text", "array": True, "default": ["x"]},
    ]  # fmt: skip
    endpoints = [
        endpoint(f"{place}_{index}", made(f"=input.{path}"), **inputs)
        for place, (made, _) in PLACES.items()
        for index, (path, inputs) in enumerate(DEPTHS.items())
    ]
    endpoints += [endpoint(f"http_{kind}", [step], **DEPTHS["user.nick"]) for kind, step in outward(host).items()]
    endpoints += [
        endpoint("answers", [{"do": "respond", "body": {"nick": "=input.user.nick"}}], **DEPTHS["user.nick"]),
        endpoint("each", [
            {"do": "for_each", "each": "input.lines", "as": "line", "steps": [
                {"do": "insert", "table": "people", "set": {"nick": "=line.nick"}},
                {"do": "insert", "table": "people", "set": {"nick": "old"}, "as": "before"}, update("=line.nick"),
            ]},
            {"do": "list", "from": "people", "where": "true", "order": ["id"], "as": "all"},
            {"do": "respond", "body": "=all.map(one, one.nick)"},
        ], **LINES),
        endpoint("lines", [
            {"do": "insert", "table": "people", "rows": "=input.lines", "as": "all"}, {"do": "respond", "body": "=all"},
        ], **LINES),
        endpoint("tags", [
            {"do": "insert", "table": "people", "set": {"tags": ["=input.user.nick", "literal"]}, "as": "it"},
            {"do": "respond", "body": "=it.tags"},
        ], **DEPTHS["user.nick"]),
        endpoint("join", [
            {"do": "sign_up", "email": "input.email", "password": "input.password",
             "set": {"nick": "=input.user.nick"}, "as": "made"},
            {"do": "respond", "body": {"nick": "=made.user.nick"}},
        ], "public", email=TEXT, password=TEXT, **DEPTHS["user.nick"]),
    ]  # fmt: skip
    view = {
        "name": "mine", "table": "people", "columns": ["id", "key", "nick", "token"], "access": "public",
        "filter": "true", "allow": ["select", "insert"], "params": {"said": TEXT}, "presets": {"nick": "=params.said"},
    }  # fmt: skip
    return {
        "rowgate": 1, "project": {"http_allow": [host]},
        "users": {"columns": [{"name": "nick", "type": "text", "default": "new"}]},
        "tables": [{"name": "people", "columns": columns}], "views": [view], "middleware": MIDDLEWARE,
        "endpoints": endpoints,
    }  # fmt: skip


def cases(path: str) -> dict[str, Any]:
    """Give the bodies: what is sent, null, or not sent, and a parent that isn't sent or is null."""
    *parents, leaf = path.replace('["', ".").removesuffix('"]').split(".")

    def under(value: Any) -> dict[str, Any]:
        for parent in reversed(parents):
            value = {parent: value}
        found: dict[str, Any] = value
        return found

    found = {"sent": under({leaf: "sent"}), "null": under({leaf: None}), "not sent": under({})}
    for depth in range(len(parents)) if parents[:1] != ["must"] else ():
        outer: Any = None
        for parent in reversed(parents[: depth + 1]):
            outer = {parent: outer}
        found[f"parent {depth} null"] = outer
        inner: Any = {}
        for parent in reversed(parents[:depth]):
            inner = {parent: inner}
        found[f"parent {depth} not sent"] = inner
    return found


@pytest.fixture
async def called() -> AsyncIterator[Upstream]:
    async with upstream() as called:
        yield called


@pytest.fixture
async def backend(migrated_url: str, called: Upstream) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(called.host)) as backend:
        yield backend


async def test_an_entry_that_wasnt_sent_is_left_out_at_every_place_and_depth(backend: Backend) -> None:
    person = await backend.sign_up("alice")
    wrong = []
    for place, (_, untouched) in PLACES.items():
        for index, path in enumerate(DEPTHS):
            for case, body in cases(path).items():
                answer = await person.post(f"/api/{place}_{index}", body)
                wanted = {"sent": "sent", "null": None}.get(case, untouched)
                if answer.status_code != 200 or answer.json() != {"nick": wanted}:
                    wrong.append((place, path, case, answer.text[:200]))
    assert wrong == []


async def test_each_item_of_a_list_is_as_it_was_sent(backend: Backend) -> None:
    person = await backend.sign_up("alice")
    lines = {"lines": [{"nick": "sent"}, {"nick": None}, {}]}
    answer = await person.post("/api/each", lines)
    assert sorted(map(str, answer.json())) == ["None", "None", "new", "old", "sent", "sent"]
    answer = await person.post("/api/lines", lines)
    assert [row["nick"] for row in answer.json()] == ["sent", None, "new"]
    tokens = {row["token"] for row in answer.json()}
    assert len(tokens) == 3
    assert all(len(token) == 24 for token in tokens)


async def test_a_list_keeps_its_places(backend: Backend) -> None:
    person = await backend.sign_up("alice")
    assert (await person.post("/api/tags", {"user": {"nick": "sent"}})).json() == ["sent", "literal"]
    assert (await person.post("/api/answers", {})).json() == {"nick": None}


async def test_a_new_account_has_the_default_of_what_wasnt_sent(backend: Backend) -> None:
    told: list[Any] = [({"user": {"nick": None}}, None), ({}, "new"), ({"user": {}}, "new")]
    for index, (user, nick) in enumerate(told):
        body = {"email": f"p{index}@example.com", "password": PASSWORD, **user}
        assert (await backend.client.post("/api/join", json=body)).json() == {"nick": nick}


async def test_a_preset_that_wasnt_sent_is_the_default(backend: Backend) -> None:
    prefer = {"Prefer": "return=representation"}
    for query, nick in (("?said=yes", "yes"), ("", "new")):
        answer = await backend.client.post(f"/rest/v1/mine{query}", json={"key": f"k{nick}"}, headers=prefer)
        (row,) = answer.json()
        assert (row["nick"], len(row["token"])) == (nick, 24)


async def test_a_call_leaves_out_what_wasnt_sent(backend: Backend, called: Upstream) -> None:
    person = await backend.sign_up("alice")
    for kind in ("json", "form", "headers"):
        for body in ({"user": {"nick": "sent"}}, {}):
            answer = await person.post(f"/api/http_{kind}", body)
            assert answer.status_code == 204, answer.text
    asked = called.asked
    assert json.loads(asked[0].body) == {"user": "sent", "list": ["sent"], "inside": {"nick": "sent"}}
    assert json.loads(asked[1].body) == {"list": [None], "inside": {}}
    assert dict(parse_qsl(asked[2].body.decode())) == {"user": "sent", "kept": "1"}
    assert dict(parse_qsl(asked[3].body.decode())) == {"kept": "1"}
    assert asked[4].headers["x-nick"] == "sent"
    assert "x-nick" not in asked[5].headers
    assert asked[5].headers["x-kept"] == "1"


def test_a_part_of_an_object_that_reads_the_row_is_refused_when_it_is_saved() -> None:
    step = {"do": "update", "table": "people", "where": "true", "set": {"meta": {"nick": "=item.nick"}}}
    said = document()
    said["endpoints"] = [endpoint("e", [step])]
    project, findings = parse_project(said)
    assert project is not None, findings
    (found,) = check_project(project)
    assert (found.place, found.hint is not None) == ("endpoints/e.steps/0.set.meta", True)

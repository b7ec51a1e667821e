"""A value that has no answer where an input is null is found when it is saved, whatever asks for it."""

import json
from typing import Any

import pytest

from app.compiler.check import check_project
from app.compiler.stored import compile_stored
from app.definitions.project import parse_project
from app.definitions.stored import stored_of
from app.errors import Finding

BODY = {
    "items": {"type": "list", "of": {"type": "text"}},
    "note": {"type": "text"},
    "count": {"type": "integer", "default": 1},
    "flag": {"type": "boolean"},
    "day": {"type": "date"},
    "ship": {"type": "object", "fields": {"city": {"type": "text", "required": True}}},
    "sure": {"type": "text", "required": True},
    "given": {"type": "integer", "required": True, "default": 1},
}


def endpoint(*steps: Any, **said: Any) -> dict[str, Any]:
    one = {"name": "e", "method": "POST", "path": "/e", "access": "public", "input": {"body": BODY}, **said}
    return {**one, "steps": [*steps, {"do": "respond"}]}


def found(*steps: Any, middleware: Any = (), **said: Any) -> list[Finding]:
    document = {"rowgate": 1, "endpoints": [endpoint(*steps, **said)], "middleware": list(middleware)}
    project, findings = parse_project(document)
    assert project is not None, findings
    return check_project(project)


def value(text: str) -> dict[str, Any]:
    return {"do": "set", "values": {"x": f"={text}"}}


@pytest.mark.parametrize(
    ("text", "path", "operation"),
    [
        ("size(input.items)", "input.items", "size"),
        ("input.items.size()", "input.items", "size"),
        ("input.note + 'x'", "input.note", "+"),
        ("'x' + string(input.count)", "input.count", "string"),
        ("-input.count", "input.count", "-"),
        ("input.count * 2 > 1", "input.count", "*"),
        ("!input.flag", "input.flag", "!"),
        ("input.flag && input.given > 1", "input.flag", "&&"),
        ("input.flag ? 1 : 2", "input.flag", "? :"),
        ("'a' in input.items", "input.items", "in"),
        ("input.note == 'a'", "input.note", "=="),
        ("input.items[0]", "input.items", "[…]"),
        ("input.items.map(x, x + 'a')", "input.items", "map"),
        ("input.items.exists(x, x == 'a')", "input.items", "exists"),
        ("['a'].filter(x, x == input.note)", "input.note", "=="),
        ("input.ship.city.upperAscii()", "input.ship", "upperAscii"),
        ("input.note.substring(1).size()", "input.note", "substring"),
        ("[1, {'a': size(input.note)}]", "input.note", "size"),
        ("(input.flag == null ? input.note : 'a') + 'b'", "input.note", "+"),
        ("input.note != null || size(input.note) > 1", "input.note", "size"),
        ("input.note == null ? size(input.note) : 1", "input.note", "size"),
        ("input.day.getFullYear()", "input.day", "getFullYear"),
    ],
)
def test_an_operation_on_what_may_be_null_is_found(text: str, path: str, operation: str) -> None:
    (finding,) = found(value(text))
    assert (finding.place, finding.code, finding.stricter) == ("endpoints/e.steps/0.values.x", "expression.null", True)
    assert finding.message == f"{path} may be null, of which {operation} has no answer: the request would fail"
    assert f"{path} == null ? … : …" in str(finding.hint)


@pytest.mark.parametrize(
    "text",
    [
        "input.items",
        "input.ship.city",
        "[input.note, null]",
        "size(input.sure) + input.given",
        "input.items == null ? 0 : size(input.items)",
        "input.items != null ? size(input.items) : 0",
        "has(input.items) ? size(input.items) : 0",
        "!has(input.items) || size(input.items) > 1",
        "size(input.items) > 1 && input.items != null",
        "input.items == null || input.note == null ? 0 : size(input.items) + size(input.note)",
        "(input.note == null ? 'a' : input.note) + 'b'",
        "size(input.items) == null",
        "type(input.note) == string",
        "input.ship == null ? '' : input.ship.city == null ? '' : input.ship.city.upperAscii()",
    ],
)
def test_what_has_an_answer_whatever_is_sent_is_sound(text: str) -> None:
    assert found(value(text)) == []


@pytest.mark.parametrize(
    ("place", "path", "default", "codes"),
    [
        ("path", "/e/{n}", None, []), ("query", "/e", None, ["expression.null"]), ("query", "/e", 1, []),
        ("headers", "/e", None, ["expression.null"]), ("headers", "/e", 1, []), ("body", "/e", 1, ["expression.null"]),
    ],
)  # fmt: skip
def test_only_a_body_sends_null(place: str, path: str, default: int | None, codes: list[str]) -> None:
    field = {"type": "integer"} | ({} if default is None else {"default": default})
    assert [one.code for one in found(value("input.n + 1"), path=path, input={place: {"n": field}})] == codes


SIZE = value("size(input.items)")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{**SIZE, "when": "input.items != null"}], {}),
        ([{**SIZE, "when": "size(input.items) > 1"}], {}),
        ([{"do": "require", "that": "has(input.items)"}, SIZE], {}),
        ([{"do": "validate", "rules": [{"rule": "input.items != null"}]}, SIZE], {}),
        ([{"do": "fail", "status": 400, "when": "input.items == null"}, SIZE], {}),
        ([{"do": "if", "when": "input.items != null", "then": [SIZE]}], {}),
        ([{"do": "if", "when": "!has(input.items)", "then": [value("1")], "else": [SIZE]}], {}),
        ([SIZE], {"rules": [{"rule": "size(input.items) < 9"}]}),
        ([{"do": "rate_limit", "limit": "9/minute", "by": "input.note + 'x'"}], {}),
        ([{"do": "require", "that": "true", "message": "=input.note + 'x'"}], {}),
    ],
)
def test_what_the_chain_has_asked_for_is_there(steps: list[Any], said: dict[str, Any]) -> None:
    assert found(*steps, **said) == []


@pytest.mark.parametrize(
    "steps",
    [
        [{"do": "require", "that": "has(input.items)", "when": "input.given > 1"}, SIZE],
        [{"do": "fail", "status": 400, "when": "size(input.items) > 3"}, SIZE],
        [{"do": "if", "when": "input.items == ['a']", "then": [value("1")], "else": [SIZE]}],
        [{"do": "if", "when": "has(input.items)", "then": [value("1")]}, SIZE],
    ],
)
def test_what_may_not_have_been_asked_for_is_not_taken_as_there(steps: list[Any]) -> None:
    assert [one.code for one in found(*steps)] == ["expression.null"]


def test_a_parameter_is_null_where_its_argument_may_be() -> None:
    shout = {"name": "shout", "params": {"text": {"type": "text"}}, "steps": [value("params.text + '!'")]}
    use = {"do": "call", "use": "shout"}
    mild = {**shout, "params": {"text": {"type": "text", "default": "a"}}}
    assert found(use, middleware=[mild]) == []
    assert len(found({**use, "with": {"text": "=input.note"}}, middleware=[mild])) == 1
    (alone,) = found(middleware=[shout])
    assert alone.place == "middleware/shout.steps/0.values.x"
    loud = {**shout, "params": {"text": {"type": "text", "required": True}}}
    assert found({**use, "with": {"text": "=input.sure"}}, middleware=[loud]) == []
    (passed,) = found({**use, "with": {"text": "=input.note"}}, middleware=[loud])
    assert passed.place == "endpoints/e.steps/0(shout).steps/0.values.x"


def test_what_is_stored_so_goes_on_and_is_a_doubt() -> None:
    runtime = compile_stored(stored_of([("endpoint", "e", json.dumps(endpoint(SIZE)))]))
    assert set(runtime.endpoints) == {"e"}
    assert [one.code for one in runtime.doubts] == ["expression.null"]

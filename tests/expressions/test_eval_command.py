import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from app.cli.evaluate import Names, caller_names, converse, eval_lines
from app.errors import RowgateError
from tests.backend import EXAMPLES


def answer(line: str) -> Any:
    written: list[str] = []
    eval_lines([line, "\n"], written.append)
    return json.loads("".join(written))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "input.bad_json"),
        ("[]", "input.invalid"),
        ('{"expr": 1}', "input.invalid"),
        ('{"expr": "1", "vars": []}', "input.invalid"),
        ('{"expr": "1 +"}', "expression.syntax"),
        ('{"expr": "x"}', "expression.unknown_name"),
        ('{"expr": "1 / 0"}', "expression.failed"),
        ('{"expr": "x", "vars": {"x": {"timestamp": "never"}}}', "input.bad_json"),
        ('{"expr": "\\u0000"}', "input.bad_text"),
    ],
)
def test_a_line_without_an_answer_says_why_and_where(line: str, code: str) -> None:
    assert answer(line)["error"].keys() == {"code", "message", "line", "column"}
    assert answer(line)["error"]["code"] == code


@pytest.mark.parametrize(
    ("expression", "variables", "value"),
    [
        ("x + 1", {"x": 2}, 3),
        ("x.y[0]", {"x": {"y": ["a"]}}, "a"),
        ("x", {"x": None}, None),
        ('duration("1h") + duration("1500ms")', {}, {"duration": "3601.5s"}),
        ('duration("-1.5s")', {}, {"duration": "-1.5s"}),
        ('x + duration("24h")', {"x": {"timestamp": "2026-01-01T00:00:00Z"}}, {"timestamp": "2026-01-02T00:00:00Z"}),
        ("x", {"x": {"bytes": "AAE="}}, {"bytes": "AAE="}),
        ("x", {"x": {"double": "NaN"}}, {"double": "NaN"}),
        ("[x, -x]", {"x": {"double": "Infinity"}}, [{"double": "Infinity"}, {"double": "-Infinity"}]),
        ('{"a": decimal("0.10")}', {}, {"a": {"decimal": "0.10"}}),
        ('date("2026-01-01")', {}, {"date": "2026-01-01"}),
        ("x == 1.5", {"x": 1.5}, True),
        ("type(x)", {"x": [1]}, {"type": "list"}),
        ("1.0 / 0.0", {}, {"double": "Infinity"}),
    ],
)
def test_values_are_read_and_shown_in_their_form(expression: str, variables: Any, value: Any) -> None:
    assert answer(json.dumps({"expr": expression, "vars": variables})) == {"value": value}


def talk(*typed: str, config: bool = True) -> str:
    names = caller_names(EXAMPLES / "documents.yaml", None) if config else Names()
    lines, written = iter(typed), list[str]()

    def read(_prompt: str) -> str:
        for line in lines:
            return line
        raise EOFError

    converse(read, written.append, names)
    return "".join(written)


def test_a_conversation_keeps_values_and_shows_where_a_mistake_is() -> None:
    said = talk("x = [1, 2]", "x.map(n, n * 2)", "", "auth.user.pln", "1 / 0", "auth.signed_in")
    assert "[1, 2]  list of int\n[2, 4]  list of int\n" in said
    assert "auth.user.pln\n          ^\n1:11: auth.user has no field 'pln' (did you mean plan?)\n" in said
    assert "No answer: division by zero, at 1:1." in said
    assert said.endswith("false  bool\n")


def test_a_comparison_is_no_binding() -> None:
    assert talk("x == 1", config=False).count("there is no 'x' here") == 1


def test_the_caller_of_a_file_is_typed_by_the_document(tmp_path: Path) -> None:
    user = tmp_path / "user.json"
    user.write_text('{"id": "018f2b6c-9f1e-7cc3-8000-0123456789ab", "plan": "pro", "roles": ["support"]}')
    names = caller_names(EXAMPLES / "documents.yaml", user)
    written: list[str] = []
    rule = 'auth.signed_in && auth.user.plan == "pro" && "support" in auth.user.roles && auth.user.email == null'
    eval_lines([json.dumps({"expr": rule})], written.append, names)
    assert written == ['{"value": true}\n']


@pytest.mark.parametrize(
    ("text", "code"),
    [('{"plan": "gold"}', "expression.failed"), ('{"pln": "pro"}', "expression.failed"), ("{", "input.bad_json")],
)
def test_a_caller_that_the_document_doesnt_have_is_refused(tmp_path: Path, text: str, code: str) -> None:
    user = tmp_path / "user.json"
    user.write_text(text)
    with pytest.raises(RowgateError) as raised:
        caller_names(EXAMPLES / "documents.yaml", user)
    assert raised.value.code == code


def test_a_caller_in_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RowgateError, match="can't be read"):
        caller_names(EXAMPLES / "documents.yaml", tmp_path / "nobody.json")


def test_lines_leave_nothing_behind() -> None:
    line = '{"expr": "x + %d > 0 && name.matches(\\"^a%d\\")", "vars": {"x": 1, "name": "abc"}}'
    tracemalloc.start()
    try:
        eval_lines((line % (n, n) for n in range(300)), lambda _text: None)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        eval_lines((line % (n, n) for n in range(300, 1_500)), lambda _text: None)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000

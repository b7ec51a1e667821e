import json
from typing import Any

import pytest

from app.eval_command import eval_lines


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
    ],
)
def test_values_are_read_and_shown_in_their_form(expression: str, variables: Any, value: Any) -> None:
    assert answer(json.dumps({"expr": expression, "vars": variables})) == {"value": value}

"""Expressions that are written to hurt: refused when saved, or ended by a bound when they run."""

import resource

import pytest

from app.definitions.project import Project
from app.expressions.check import Scope, check
from app.expressions.evaluate import EvaluationError, compile_value
from app.expressions.parse import MAX_LENGTH
from app.expressions.problems import ExpressionErrors
from app.expressions.types import DYN, INT, STRING, Record
from app.relations.names import base_scope
from app.relations.schema import tables_of
from tests.effort import at_most

SCOPE = Scope({"data": DYN, "word": STRING, "n": INT, "row": Record("row", {"id": INT})})


@pytest.mark.parametrize(
    "text",
    [
        "data" + ".a" * 20_000,
        "(" * 100_000 + "1" + ")" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "n == 1 ? 1 : " * 50_000 + "2",
        "!" * 100_000 + "true",
        "-" * 100_000 + "1",
        "data" + ".a" * 500,
        "n == 1 ? 1 : " * 100 + "2",
        "data.map(a, " * 100 + "1" + ")" * 100,
        "1" + " + 1" * 500,
        '"' + "a" * MAX_LENGTH + '"',
    ],
)
def test_what_is_too_long_or_too_deep_is_refused_at_once(text: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check("n", SCOPE)  # the parser itself is made at its first use
    with at_most(500_000), pytest.raises(ExpressionErrors) as raised:
        check(text, SCOPE)
    assert raised.value.problems[0].code == "expression.bounds"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


@pytest.mark.parametrize(
    "text",
    [
        "row.__class__",
        "word.__class__",
        "getattr(row, 'id')",
        "__import__('os')",
        "eval('1')",
        "open('/etc/passwd')",
        "env",
        "globals()",
        "word.format_map(data)",
        "data.constructor.f()",
        "secrets.token == ''",
        "auth.user.password_hash",
        "type(word).name",
        "import.os",
    ],
)
def test_nothing_leads_out_of_the_language(text: str) -> None:
    with pytest.raises(ExpressionErrors):
        check(text, SCOPE)


@pytest.mark.parametrize("key", ["__class__", "__proto__", "keys", "get"])
def test_a_key_is_a_key_and_no_attribute(key: str) -> None:
    with pytest.raises(EvaluationError, match="no such key"):
        compile_value(check(f'data["{key}"]', SCOPE))({"data": {"a": 1}})
    assert compile_value(check(f'data["{key}"]', SCOPE))({"data": {key: 1}}) == 1


def test_no_rule_can_name_a_password_or_a_token() -> None:
    names = base_scope(tables_of(Project(rowgate=1))["users"])
    for text in ("auth.user.password", "auth.user.digest", "auth.token", "secrets.X", "request.headers"):
        with pytest.raises(ExpressionErrors):
            check(text, names)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(a+)+$", "a" * 200_000 + "b"), ("(.*)*x", "a" * 200_000), ("(a|aa)+$", "a" * 200_000 + "b")],
)
def test_a_pattern_takes_linear_time(pattern: str, text: str) -> None:
    # With an engine that goes back, this doesn't end while anybody lives.
    assert compile_value(check("word.matches(data)", SCOPE))({"word": text, "data": pattern}) is (
        pattern[-1] not in "$x"
    )


@pytest.mark.parametrize("pattern", ["(" * 2_000, "a" * 100_000, "((a{100}){100}){100}", "[", "(?=a)", "(a)\\1"])
def test_a_pattern_that_re2_refuses_has_no_answer(pattern: str) -> None:
    with pytest.raises(EvaluationError):
        compile_value(check("word.matches(data)", SCOPE))({"word": "a", "data": pattern})

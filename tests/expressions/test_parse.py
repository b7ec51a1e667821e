"""Text that is refused before, in and after the parser, and the trees of text that is not."""

import pytest

from app.expressions import syntax
from app.expressions.parse import parse
from app.expressions.problems import ExpressionErrors, Problem, caret
from tests.effort import at_most


def refused(text: str) -> Problem:
    with pytest.raises(ExpressionErrors) as caught:
        parse(text)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 4_097,
        "(" * 100_000,
        "(" * 2_000 + "a" + ")" * 2_000,
        "[" * 100 + "]" * 100,
        "!" * 4_000 + "a",
        "-" * 4_000 + "a",
        "a" + ".a" * 2_000,
        "a" + "[0]" * 1_000,
        "a" + ".f()" * 900,
        "a ? b : " * 500 + "c",
        "f(" * 900 + ")" * 900,
        "1" + "+1" * 2_000,
        "a" + " < a" * 900,
        '{"a": ' * 300 + "1" + "}" * 300,
    ],
    ids=lambda text: f"{text[:12]}x{len(text)}",
)
def test_deep_or_long_text_is_refused_quickly(text: str) -> None:
    parse("true")
    with at_most(2_000_000):
        assert refused(text).code == "expression.bounds"


@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''", 'r"', 'b"'])
def test_a_string_without_an_end_never_reaches_the_lexer_that_backtracks(quote: str) -> None:
    with at_most(50_000):
        assert "no end" in refused(quote + r"\n" * 1_500).message


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("  ", 1, 1),
        ("1 +", 1, 3),
        ("a\n  == == b", 2, 6),
        ("a b", 1, 3),
        ("1u", 1, 1),
        ("a{b: 1}", 1, 1),
        (".a", 1, 1),
        ("9223372036854775808", 1, 1),
        ('"\\q"', 1, 1),
        ('"\\ud800"', 1, 1),
        ('"\\x00"', 1, 1),
        ('b"\\u0041"', 1, 1),
        ("has(a)", 1, 1),
        ("x.map(1, 2)", 1, 3),
        ("x.all(y)", 1, 3),
        ("1e999", 1, 1),
        ("@", 1, 1),
    ],
)
def test_wrong_syntax_is_refused_with_its_place(text: str, line: int, column: int) -> None:
    problem = refused(text)
    assert problem.code == "expression.syntax"
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize("text", ["'a\0'", "'\ud800'"])
def test_text_with_a_nul_or_half_a_pair_is_refused(text: str) -> None:
    assert refused(text).code == "expression.syntax"


def test_many_alternatives_side_by_side_are_not_deep() -> None:
    node = parse(" || ".join(["a.b == 1"] * 200))
    assert isinstance(node, syntax.Logic)
    assert len(node.items) == 200


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("null", None),
        ("-9223372036854775808", -(2**63)),
        ("0x1F", 31),
        ("1.5e1", 15.0),
        (r'"\n\x41\u00e9\U0001F600\101\""', '\nAé😀A"'),
        (r"r'\n'", r"\n"),
        ("'''a\n'b'''", "a\n'b"),
        ('"a\\\\"', "a\\"),
        (r"b'\xff\101é'", b"\xffA\xc3\xa9"),
        (r'br"\x"', b"\\x"),
        ('""', ""),
        ("'//' // not this", "//"),
    ],
)
def test_a_literal_has_the_value_that_cel_gives_it(text: str, value: object) -> None:
    node = parse(text)
    assert isinstance(node, syntax.Literal)
    assert node.value == value
    assert type(node.value) is type(value)


def test_operators_bind_as_in_cel() -> None:
    node = parse("a - b - c * d")
    assert isinstance(node, syntax.Binary)
    assert node.operator == "-"
    assert isinstance(node.left, syntax.Binary)
    assert isinstance(node.right, syntax.Binary)
    assert (node.left.operator, node.right.operator) == ("-", "*")


def test_a_caret_stands_under_the_place() -> None:
    text = "a &&\n\tb c"
    assert caret(text, refused(text)) == "\tb c\n\t  ^\n2:4: 'c' is not expected here"

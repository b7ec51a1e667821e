"""What the check refuses, where it says the problem is, and the types of what it lets through."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.expressions import syntax
from app.expressions.check import Expression, ExpressionErrors, Problem, Scope, check
from app.expressions.types import (
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    SECRET,
    STRING,
    TIMESTAMP,
    UUID,
    Enum,
    ListOf,
    MapOf,
    Record,
    Type,
    assignable,
    describe,
    pg_type,
)

USER = Record("users", {"id": UUID, "email": STRING, "roles": ListOf(STRING)})
ROW = Record(
    "documents",
    {
        "owner_user_id": UUID,
        "title": STRING,
        "status": Enum(("draft", "published")),
        "amount": DECIMAL,
        "made": TIMESTAMP,
        "day": DATE,
        "count": INT,
        "data": DYN,
        "tags": ListOf(STRING),
        "open": BOOL,
        "score": DOUBLE,
    },
)
SCOPE = Scope(
    {
        "auth": Record("auth", {"user": USER, "signed_in": BOOL, "kind": Enum(("anonymous", "user", "key"))}),
        "row": ROW,
        "input": Record("input", {"id": UUID, "note": STRING}),
        "headers": MapOf(STRING, STRING),
        "now": TIMESTAMP,
        "secrets": Record("secrets", {"KEY": SECRET}),
    },
    rows=frozenset({"row"}),
)


def problems(text: str, expected: Type | None = None, scope: Scope = SCOPE) -> tuple[Problem, ...]:
    with pytest.raises(ExpressionErrors) as caught:
        check(text, scope, expected)
    return caught.value.problems


def checked(text: str, expected: Type | None = None) -> Expression:
    return check(text, SCOPE, expected)


@pytest.mark.parametrize(
    ("text", "column", "code", "hint"),
    [
        ("row.ownr_user_id == auth.user.id", 5, "unknown_name", "did you mean owner_user_id?"),
        ("rwo.title == ''", 1, "unknown_name", "did you mean row?"),
        ("lowr(row.title)", 1, "unknown_function", "did you mean lower?"),
        ("row.title.foo()", 11, "unknown_function", None),
        ("row.title.lower()", 11, "unknown_function", None),
        ("startsWith(row.title, 'a')", 1, "unknown_function", None),
        ("row.count == 'a'", 1, "type", None),
        ("auth.user.plan == 3", 11, "unknown_name", None),
        ("row.owner_user_id == 'abc'", 1, "type", None),
        ("row.owner_user_id == row.title", 1, "type", None),
        ("row.status == 'publishd'", 1, "type", None),
        ("row.status in ['draft', 'publishd']", 1, "type", None),
        ("row.made > '2026-13-01T00:00:00Z'", 1, "type", None),
        ("row.title + 1", 1, "type", None),
        ("row.open < row.title", 1, "type", None),
        ("row.tags < row.tags", 1, "type", None),
        ("row.title && true", 5, "type", None),
        ("!row.title", 6, "type", None),
        ("-row.title", 1, "type", None),
        ("row.title ? 1 : 2", 5, "type", None),
        ("true ? 1 : 'a'", 1, "type", None),
        ("'a' in row.title", 1, "type", None),
        ("1 in row.tags", 1, "type", None),
        ("row.count.foo", 11, "type", None),
        ("row.count[0]", 11, "type", None),
        ("row.tags['a']", 10, "type", None),
        ("row.title.map(x, x)", 11, "type", None),
        ("row.tags.all(x, x)", 17, "type", None),
        ("row.title.matches('(a')", 19, "type", None),
        ("row.title.matches('%s')" % ("a" * 1_001), 19, "type", None),
        ("date('2026-02-30')", 6, "type", None),
        ("{1.5: 2}", 2, "type", None),
        ("size(row.count)", 1, "type", None),
        ("lower('a', 'b')", 1, "type", None),
        ("timestamp('2026-02-30T00:00:00Z')", 11, "type", None),
        ("row.title.__class__", 11, "type", None),
        ("row.__class__", 5, "unknown_name", None),
        ("row.tags.map(x, x).all(y, x == y)", 27, "unknown_name", None),
    ],
)
def test_a_wrong_expression_is_refused_with_place_and_near_match(
    text: str, column: int, code: str, hint: str | None
) -> None:
    (problem,) = problems(text)
    assert (problem.line, problem.column, problem.code) == (1, column, f"expression.{code}")
    if hint:
        assert problem.hint == hint


def test_all_problems_are_found_at_once_in_reading_order() -> None:
    found = problems("row.titel == 'a' &&\n auth.usr == null ||\n foo(1)")
    assert [(problem.line, problem.column) for problem in found] == [(1, 5), (2, 7), (3, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "secrets.KEY",
        "secrets",
        "secrets.KEY == 'a'",
        "secrets['KEY']",
        "'a' + secrets.KEY",
        "size(secrets)",
        "[secrets]",
        "secrets.KEY == null",
        "'KEY' in secrets",
        "string(secrets.KEY)",
        "{'a': secrets}",
        "true ? secrets : secrets",
    ],
)
def test_a_secret_is_refused_outside_the_scope_that_allows_it(text: str) -> None:
    assert any(problem.code == "expression.secret" for problem in problems(text))


def test_a_scope_that_allows_secrets_reads_them_as_strings() -> None:
    scope = Scope(SCOPE.names, secrets=True)
    assert check("'Bearer ' + secrets.KEY", scope, STRING).type == STRING
    assert problems("secrets", None, scope)[0].code == "expression.secret"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("row.count + 1", INT),
        ("row.count + row.amount", DECIMAL),
        ("row.amount * row.score", DOUBLE),
        ("row.amount > 100", BOOL),
        ("row.status", Enum(("draft", "published"))),
        ("row.data.a.b[0]", DYN),
        ("row.tags + ['a']", ListOf(STRING)),
        ("row.tags.map(t, size(t))", ListOf(INT)),
        ("[1, 2.5]", ListOf(DOUBLE)),
        ("now - row.made", DURATION),
        ("now + duration('1h')", TIMESTAMP),
        ("headers.host", STRING),
        ("true ? null : row.day", DATE),
        ("row['title']", STRING),
        ("has(row.title)", BOOL),
        ("null", NULL),
        ("[1, 'a']", ListOf(DYN)),
        ("int(row.data)", INT),
        ("string(row.owner_user_id)", STRING),
        ("row.title + row.status", STRING),
    ],
)
def test_an_expression_has_its_type(text: str, kind: Type) -> None:
    assert checked(text).type == kind


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("'2026-01-31'", DATE, date(2026, 1, 31)),
        ("3", DECIMAL, Decimal(3)),
        ("3", DOUBLE, 3.0),
        ("'2026-01-31T00:00:00+01:00'", TIMESTAMP, datetime(2026, 1, 30, 23, tzinfo=UTC)),
        ("'a'", Enum(("a",)), "a"),
        ("'00000000-0000-0000-0000-00000000000A'", UUID, "00000000-0000-0000-0000-00000000000a"),
    ],
)
def test_a_literal_becomes_the_type_that_is_expected(text: str, expected: Type, value: Any) -> None:
    tree = checked(text, expected).tree
    assert isinstance(tree, syntax.Literal)
    assert tree.value == value
    assert type(tree.value) is type(value)
    assert tree.type == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("'x'", UUID), ("'x'", Enum(("a",))), ("row.title", UUID), ("1.5", INT), ("row.title", Enum(("a",))), ("1", BOOL)],
)
def test_a_value_of_another_type_than_expected_is_refused(text: str, expected: Type) -> None:
    assert problems(text, expected)[0].code == "expression.type"


def test_paths_are_the_most_specific_form_and_rows_are_named() -> None:
    expression = checked("row.owner_user_id == auth.user.id && input.note.startsWith(headers.host)")
    assert expression.paths == {"row.owner_user_id", "auth.user.id", "input.note", "headers.host"}
    assert expression.rows == {"row"}
    assert not expression.constant


def test_a_whole_record_read_beside_its_field_stays_a_path() -> None:
    assert checked("row == row && row.open").paths == {"row", "row.open"}


def test_a_variable_of_a_loop_is_no_path_even_where_it_hides_a_row() -> None:
    expression = checked("input.note == '' && [1].all(row, row > 0)")
    assert expression.paths == {"input.note"}
    assert expression.rows == frozenset()
    assert checked("[1].all(x, x > 0)").constant


def test_a_null_written_out_makes_a_null_test() -> None:
    tree = checked("null != row.title").tree
    assert isinstance(tree, syntax.NullTest)
    assert tree.negated


def test_scopes_grow_and_shrink_without_changing() -> None:
    grown = SCOPE.with_names(item=INT)
    assert check("item + 1", grown).type == INT
    assert "item" not in SCOPE.names
    assert SCOPE.without("row").rows == frozenset()


@pytest.mark.parametrize(
    ("source", "target", "answer"),
    [
        (INT, DECIMAL, True),
        (DECIMAL, DOUBLE, True),
        (DOUBLE, INT, False),
        (UUID, STRING, False),
        (SECRET, DYN, False),
        (Enum(("a",)), STRING, True),
        (Enum(("a",)), Enum(("a", "b")), True),
        (Enum(("c",)), Enum(("a", "b")), False),
        (ListOf(INT), ListOf(DECIMAL), True),
        (ListOf(STRING), ListOf(INT), False),
        (NULL, UUID, True),
        (DYN, UUID, True),
        (ROW, MapOf(STRING, DYN), True),
        (Record("a", {"x": INT}), Record("b", {"x": STRING}), False),
    ],
)
def test_what_may_go_where(source: Type, target: Type, answer: bool) -> None:
    assert assignable(source, target) is answer


def test_types_name_their_postgres_type() -> None:
    kinds = (INT, UUID, ListOf(STRING), Enum(("a",)), DYN, ROW, ListOf(ROW))
    assert [pg_type(kind) for kind in kinds] == ["bigint", "uuid", "text[]", "text", "jsonb", "jsonb", "jsonb"]
    assert describe(MapOf(STRING, ListOf(INT))) == "map of string to list of int"

"""What was checked once is found again only where all that it rests on is the same."""

import dataclasses

import pytest

from app.expressions.check import Expression, check
from app.expressions.evaluate import compile_value
from app.expressions.named import NamedRule
from app.expressions.parameters import Parameters
from app.expressions.problems import ExpressionErrors
from app.expressions.relation import RowsSql
from app.expressions.scope import Scope
from app.expressions.syntax import Field, walk
from app.expressions.types import BOOL, DECIMAL, INT, STRING, UUID, ListOf, Record, Reference, shared

INPUT = Record("input", {"count": INT, "name": STRING})
SCOPE = Scope({"input": INPUT, "row": Record("orders", {"id": UUID})}, rows=frozenset({"row"}))


@dataclasses.dataclass(frozen=True)
class Users:
    """Rows that a rule may read."""

    item: Record

    def rows_sql(self, alias: str, parameters: Parameters) -> RowsSql:
        return RowsSql(f"users {alias}", (), lambda name: name)

    def never_null(self, name: str) -> bool:
        return name == "id"


def test_the_same_text_over_the_same_types_is_checked_and_compiled_once() -> None:
    one, other = check("input.count + 1", SCOPE), check("input.count + 1", SCOPE.with_names(more=STRING))
    assert one is other
    assert compile_value(one) is compile_value(other)


@pytest.mark.parametrize(
    "scope",
    [
        SCOPE.with_names(input=dataclasses.replace(INPUT, nullable=frozenset({"count"}))),
        SCOPE.with_names(input=dataclasses.replace(INPUT, optional=frozenset({"count"}))),
        SCOPE.with_names(input=dataclasses.replace(INPUT, references={"count": Reference("orders")})),
        SCOPE.with_names(input=Record("input", {"count": DECIMAL})),
        dataclasses.replace(SCOPE, rows=frozenset({"input"})),
    ],
)
def test_what_differs_in_any_part_is_checked_anew(scope: Scope) -> None:
    before, now = check("input.count > 1", SCOPE), check("input.count > 1", scope)
    assert before is not now
    assert now.rows == scope.rows & {"input"}
    operand = next(one for one in _fields(now))
    assert operand.operand.type is scope.names["input"]


def _fields(expression: Expression) -> list[Field]:
    return [one for one in walk(expression.tree) if isinstance(one, Field)]


def test_a_value_that_is_wanted_of_another_type_is_another_one() -> None:
    assert check("input.count", SCOPE, INT).type == INT
    assert check("input.count", SCOPE, DECIMAL).type == DECIMAL


def test_a_rule_that_says_something_else_under_its_name_is_put_in() -> None:
    def calling(said: str) -> Scope:
        rule = NamedRule("big", {"of": INT}, check(said, Scope({"params": Record("params", {"of": INT})}), BOOL))
        return dataclasses.replace(SCOPE, rules={"big": rule})

    few, many = calling("params.of > 1"), calling("params.of > 100")
    assert compile_value(check("big(input.count)", few))({"input": {"count": 50}}) is True
    assert compile_value(check("big(input.count)", many))({"input": {"count": 50}}) is False
    with pytest.raises(ExpressionErrors):
        check("big(input.count)", SCOPE)


def test_whoever_reads_rows_asks_for_them_each_time() -> None:
    users = Record("users", {"id": UUID, "name": STRING})
    owned = SCOPE.with_names(row=Record("orders", {"owner": UUID}, references={"owner": Reference("users")}))
    relation = Users(users)
    reading = dataclasses.replace(owned, related=True, relations={"users": relation})
    assert check('row.owner.name == "x"', reading).reads == {"users": relation}
    with pytest.raises(ExpressionErrors):
        check('row.owner.name == "x"', dataclasses.replace(reading, relations={}))


def test_a_bare_name_is_asked_of_the_rows_that_are_there() -> None:
    other = SCOPE.with_names(row=Record("orders", {"number": INT}))
    assert check("id != null", SCOPE, BOOL, bare=SCOPE).text == "row.id != null"
    with pytest.raises(ExpressionErrors):
        check("id != null", other, BOOL, bare=other)


def test_records_that_are_alike_in_every_part_are_one() -> None:
    def made(**parts: object) -> Record:
        return shared(Record("shared", {"a": INT, "b": ListOf(INT)}, **parts))  # type: ignore[arg-type]

    assert made() is made()
    assert made() is not made(nullable=frozenset({"a"}))
    assert made(optional=frozenset()) is not made(optional=None)
    inner = Record("inner", {"a": INT}), Record("inner", {"a": INT}, nullable=frozenset({"a"}))
    assert shared(Record("outer", {"i": inner[0]})) is not shared(Record("outer", {"i": inner[1]}))

"""Conditions as tutorials write them: what a single `=` and a bare name mean, and where they mean nothing."""

import pytest

from app.expressions.check import Expression, ExpressionErrors, Problem, Scope, check
from app.expressions.types import BOOL, DATE, STRING, UUID, ListOf, Record, Type

NOTE = Record("notes", {"id": UUID, "owner_user_id": UUID, "title": STRING, "date": DATE, "tags": ListOf(STRING)})
AUTH = Record("auth", {"user": Record("auth.user", {"id": UUID, "roles": ListOf(STRING)})})
INPUT = Record("input", {"title": STRING}, optional=frozenset())


def scope(*rows: str, **names: Type) -> Scope:
    known: dict[str, Type] = {"auth": AUTH, "input": INPUT, **dict.fromkeys(rows, NOTE), **names}
    return Scope(known, rows=frozenset(rows))


ROW = scope("row")


def condition(text: str, over: Scope = ROW) -> Expression:
    return check(text, over, BOOL, bare=over)


def problems(text: str, over: Scope = ROW, *, is_condition: bool = True) -> tuple[Problem, ...]:
    with pytest.raises(ExpressionErrors) as caught:
        check(text, over, BOOL, bare=over if is_condition else None)
    return caught.value.problems


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ("owner_user_id = auth.user.id", "row.owner_user_id == auth.user.id"),
        ("auth.user.id=owner_user_id", "auth.user.id==row.owner_user_id"),
        ('title = "a = b" && row.title != "title"', 'row.title == "a = b" && row.title != "title"'),
        ('title = "x" // title = "y"', 'row.title == "x" // title = "y"'),
        ("title\n = 'ü'\n || title = r'='", "row.title\n == 'ü'\n || row.title == r'='"),
        (
            'has(row.title) && size(tags) >= 1 && "a" in tags',
            'has(row.title) && size(row.tags) >= 1 && "a" in row.tags',
        ),
        ("tags.exists(t, t = auth.user.roles[0])", "row.tags.exists(t, t == auth.user.roles[0])"),
        ("tags.exists(title, title = 'x')", "row.tags.exists(title, title == 'x')"),
        ("title = input.title ? true : false", "row.title == input.title ? true : false"),
        ("title == null", "row.title == null"),
    ],
)
def test_what_is_said_in_short_is_read_as_its_full_form(said: str, full: str) -> None:
    found = condition(said)
    assert (found.text, found.said) == (full, said)
    assert found.paths == check(full, ROW, BOOL).paths
    assert condition(full).said is None


def test_a_name_that_something_has_is_no_column() -> None:
    found = condition("title = 'x'", scope("row", title=STRING))
    assert found.text == "title == 'x'"
    assert found.rows == frozenset()


@pytest.mark.parametrize(
    ("text", "over", "place", "hint"),
    [
        ("title = 'x'", scope("row", "item"), (1, 1), "write row.title or item.title"),
        ("title = 'x'", scope("item", document=NOTE), (1, 1), "write item.title or document.title"),
        ("title = 'x'", scope(document=NOTE), (1, 1), "write document.title"),
        ("row.tags.all(t, t = title)", ROW, (1, 21), "write row.title or t.title"),
        ("date = '2026-01-31'", ROW, (1, 1), "date is a type: write row.date"),
        ("a = 1", scope(), (1, 1), None),
    ],
)
def test_a_bare_name_that_could_be_anothers_is_a_finding(
    text: str, over: Scope, place: tuple[int, int], hint: str | None
) -> None:
    (found,) = problems(text, over)
    assert ((found.line, found.column), found.hint) == (place, hint)


def test_a_value_and_a_line_of_eval_are_no_condition() -> None:
    (equals,) = problems("row.title = 'x'", is_condition=False)
    assert (equals.message, equals.hint) == ("'=' is not expected here", "write == to compare")
    (bare,) = problems("title == 'x'", is_condition=False)
    assert (bare.code, bare.hint) == ("expression.unknown_name", "write row.title")


def test_problems_behind_a_single_equals_stand_where_they_are_said() -> None:
    found = problems("title = 'x' && titel = 'y'\n && owner_user_id = auth.user.ID && a == 1")
    assert [(one.line, one.column) for one in found] == [(1, 16), (2, 31), (2, 37)]
    assert [one.hint for one in found] == ["did you mean row.title?", "did you mean id?", None]


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("title = 'a' AND title = 'b'", 13, "write && for AND"),
        ("title = 'a' or title = 'b'", 13, "write || for OR"),
        ("NOT title = 'a'", 5, "write ! for NOT"),
        ("NOT(title = 'a')", 1, "write ! for NOT"),
        ("title <> 'a'", 8, "write != for <>"),
        ("title IS NOT NULL", 7, "write x == null for IS NULL"),
        ("title != NULL", 10, "write null in small letters"),
        ("title === 'a'", 9, "write == for ==="),
        ("title IN ('a', 'b')", 7, "write x in [1, 2]"),
        ("title in ('a', 'b')", 14, "write x in [1, 2]"),
        ("title LIKE 'a%'", 7, "startsWith"),
        ("EXISTS (SELECT 1 FROM likes)", 16, "table.exists(r, r.id == x)"),
        ("exists(title)", 1, "table.exists(r, r.id == x)"),
        ("title = 'it''s'", 13, "write \\' for a quote in a text"),
        ("auth.uid() = owner_user_id", 6, "the caller's id is auth.user.id"),
        ("title = 'a' && coalesce(title, 'b') = 'a'", 16, "write x == null ? y : x"),
        ("row.ownr = auth.user.id", 5, "did you mean owner_user_id?"),
        ("row.owner = auth.user.id", 5, "did you mean owner_user_id?"),
        ("row.ownerUserId = auth.user.id", 5, "did you mean owner_user_id?"),
        ("auth.user.ID = owner_user_id", 11, "did you mean id?"),
    ],
)
def test_what_other_languages_say_is_told_how_it_is_said_here(text: str, column: int, hint: str) -> None:
    (found,) = problems(text)
    assert found.column == column
    assert hint in str(found.hint)

"""Operators, counts and forms of answers that PostgREST's clients ask for."""

import pytest

from tests.backend import Backend, Person
from tests.views.test_reading import DOCUMENT, alice

__all__ = ["DOCUMENT", "alice"]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("title=match.^a.*e$", ["apple"]),
        ("title=imatch.^B", ["Banana"]),
        ("title=not.match.a", ['50% "quoted", (odd)']),
        ("title=like(any).{a*,*nan*}", ["Banana", "apple"]),
        ("title=ilike(all).{*a*,*e*}", ["apple"]),
        ("title=eq(any).{apple,Banana}", ["Banana", "apple"]),
        ("size=gt(all).{1,2}", ["apple"]),
        ("kind=eq(any).{b}", ["Banana"]),
        ("size=isdistinct.2", ['50% "quoted", (odd)', "apple"]),
        ("size=not.isdistinct.2", ["Banana"]),
        ("tags=cs.{r}", ["apple"]),
        ("tags=cd.{r,s,t}", ["Banana", "apple"]),
        ("tags=ov.{s,x}", ["apple"]),
        ('extra=cs.{"a":1}', ["apple"]),
        ("title=fts.apple", ["apple"]),
        ("title=fts(english).apples", ["apple"]),
        ("title=plfts(simple).apples", []),
        ("title=phfts.quoted odd", ['50% "quoted", (odd)']),
        ("title=wfts.apple or banana", ["Banana", "apple"]),
        ("or=(title.match.^a,tags.cs.{r})", ["apple"]),
        ("and=(title.like(any).{a*,B*},size.gt.2)", ["apple"]),
    ],
)
async def test_an_operator_finds_its_rows(alice: Person, query: str, titles: list[str]) -> None:
    name, _, value = query.partition("=")
    answer = await alice.get("/rest/v1/my_notes", params={"select": "title", "order": "title", name: value})
    assert answer.status_code == 200, answer.text
    assert sorted(row["title"] for row in answer.json()) == sorted(titles)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("title=match.(", "22P02"),
        ("title=fts.a b c & |", "22P02"),
        ("title=fts(klingon).a", "PGRST100"),
        ("title=eq(some).{a}", "PGRST100"),
        ("title=in(any).(a)", "PGRST100"),
        ("title=cs.{a}", "PGRST100"),
        ("size=match.1", "PGRST100"),
        ("size=fts.1", "PGRST100"),
        ("extra=ov.{}", "PGRST100"),
        ("tags=cs.r", "22P02"),
        ("extra=cs.{", "22P02"),
        ("size=eq(any).{a}", "22P02"),
    ],
)
async def test_what_an_operator_does_not_take_is_refused(alice: Person, query: str, code: str) -> None:
    name, _, value = query.partition("=")
    answer = await alice.get("/rest/v1/my_notes", params={name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_rows_as_csv(alice: Person) -> None:
    answer = await alice.get("/rest/v1/my_notes?select=name:title,size,done,tags", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.split("\n") == [
        "name,size,done,tags",
        'apple,9007199254740993,t,"{r,s}"',
        "Banana,2,f,{}",
        '"50% ""quoted"", (odd)",,,',
    ]
    nothing = await alice.get("/rest/v1/my_notes?select=title&title=eq.x", headers={"Accept": "text/csv"})
    assert nothing.text == "title"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_a_text_that_a_spreadsheet_would_run_is_marked_in_csv(backend: Backend, alice: Person, text: str) -> None:
    await backend.sql("UPDATE data.notes SET title = $1, size = -5, kind = 'a' WHERE title = 'apple'", text)
    for select in ("title,size", "size,a:title::text,b:title::varchar,s:size::text", "kind,title.max(),size.min()"):
        query = f"select={select}&size=eq.-5"
        answer = await alice.get(f"/rest/v1/my_notes?{query}", headers={"Accept": "text/csv"})
        assert answer.status_code == 200, answer.text
        assert f"'{text}" in answer.text
        assert "-5" in answer.text
        assert "'-5" not in answer.text
        as_json = await alice.get(f"/rest/v1/my_notes?{query}")
        assert "'" not in as_json.text


async def test_preferences_in_two_headers_are_all_heard(alice: Person) -> None:
    headers = [("Prefer", "count=exact"), ("Prefer", "handling=lenient")]
    token = alice.session["access_token"]
    answer = await alice.client.get(
        "/rest/v1/my_notes?limit=1", headers=[*headers, ("Authorization", f"Bearer {token}")]
    )
    assert answer.headers["content-range"] == "0-0/3"

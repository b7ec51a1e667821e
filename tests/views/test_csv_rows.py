"""Rows that come as CSV are written as the rows that JSON would be, and what CSV shows can be sent again."""

from typing import Any

import pytest

from tests.backend import Backend, Person
from tests.views.test_writing import BACK, DOCUMENT, alice, rows_of

__all__ = ["DOCUMENT", "alice"]
CSV = {"Content-Type": "text/csv; charset=utf-8"}
NOTES = "/rest/v1/my_notes"
COLUMNS = "title,slug,amount,status,tags,due,day,data"


async def sent(person: Person, text: str, query: str = "", method: str = "POST", **headers: str) -> Any:
    return await person.call(method, NOTES + query, content=text.encode(), headers={**CSV, **headers})


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
async def test_each_line_is_a_row(backend: Backend, alice: Person, begin: str, end: str) -> None:
    lines = [f"{begin}{COLUMNS}", 'A,NULL,2.50,done,"{x,""y z""}",2027-01-01T00:00:00Z,2027-01-02,"{""n"": [1, null]}"']
    lines += ['"b, ""c""",s,,draft,"[""x"", ""NULL""]",NULL,,7', ""]
    answer = await sent(alice, end.join(lines), f"?select={COLUMNS}", **BACK)
    assert answer.status_code == 201, answer.text
    first, second = answer.json()
    assert list(first.values()) == [
        "A", None, 2.5, "done", ["x", "y z"], "2027-01-01T00:00:00+00:00", "2027-01-02", {"n": [1, None]},
    ]  # fmt: skip
    assert list(second.values()) == ['b, "c"', "s", None, "draft", ["x", "NULL"], None, None, 7]
    assert await rows_of(backend, "title, amount::text") == [("A", "2.5000000000"), ('b, "c"', None)]


async def test_what_csv_shows_can_be_sent_again(backend: Backend, alice: Person) -> None:
    row = {
        "title": 'a,"b"\\ c', "slug": "x", "amount": "1.5", "status": "done", "tags": ["a b", 'q"\\', "", "NULL", "{}"],
        "due": "2027-01-01T10:00:00.5Z", "day": "2027-01-02", "data": {"k": ["\\", '"']},
    }  # fmt: skip
    await alice.post(NOTES, row)
    shown = (await alice.get(f"{NOTES}?select={COLUMNS}", headers={"Accept": "text/csv"})).text
    before = (await alice.get(f"{NOTES}?select={COLUMNS}")).json()
    await alice.call("DELETE", f"{NOTES}?title=not.is.null")
    again = await sent(alice, shown, f"?select={COLUMNS}", Accept="text/csv", **BACK)
    assert (again.status_code, again.text) == (201, shown)
    assert (await alice.get(f"{NOTES}?select={COLUMNS}")).json() == before


async def test_csv_goes_with_upserts_columns_and_changes_of_one_row(backend: Backend, alice: Person) -> None:
    merge = {"Prefer": "resolution=merge-duplicates"}
    assert (await sent(alice, "title,slug\nA,a\nB,b", "?on_conflict=slug", **merge)).status_code == 201
    assert (await sent(alice, "title,slug\nC,a", "?on_conflict=slug", **merge)).status_code == 200
    assert (await sent(alice, "title,slug,nonsense\nD,d,1", "?columns=title,slug")).status_code == 201
    assert (await sent(alice, "title\nE", "?slug=eq.d", "PATCH")).status_code == 204
    assert (await sent(alice, "title,slug\nF,b", "?slug=eq.b", "PUT")).status_code == 204
    assert await rows_of(backend, "title, slug") == [("C", "a"), ("E", "d"), ("F", "b")]


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("title,slug\nA,a\nB", 400, "PGRST102"),
        ("title,slug\nA,a,b", 400, "PGRST102"),
        ("title,title\nA,B", 400, "PGRST102"),
        ("", 400, "PGRST102"),
        ('title\n"A', 400, "PGRST102"),
        ('title\n"A"B', 400, "PGRST102"),
        ("title\n" + "A\n" * 10_001, 400, "PGRST102"),
        ("title\nA\0", 400, "input.bad_text"),
        ("title,nonsense\nA,1", 422, "PGRST204"),
        ("title,amount\nA,x", 422, "22P02"),
        ("title,tags\nA,x", 422, "22P02"),
        ('title,tags\nA,"{x"', 422, "22P02"),
        ("title,day\nA,yesterday", 422, "22P02"),
        ("title\nNULL", 422, "23502"),
        ('title\n""', 422, "23514"),
    ],
)
async def test_what_is_no_table_of_rows_is_refused(
    backend: Backend, alice: Person, text: str, status: int, code: str
) -> None:
    answer = await sent(alice, text)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await rows_of(backend) == []


async def test_bytes_that_are_no_utf_8_are_refused_and_a_long_field_is_not(alice: Person) -> None:
    bad = await alice.call("POST", NOTES, content=b"title\n\xff", headers=CSV)
    assert (bad.status_code, bad.json()["code"]) == (400, "PGRST102")
    long = await sent(alice, f'title,data\nA,"""{"x" * 300_000}"""', "?select=data", **BACK)
    assert (long.status_code, len(long.json()[0]["data"])) == (201, 300_000)

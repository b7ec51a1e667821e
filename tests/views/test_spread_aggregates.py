"""Aggregates over the values of one row beside: the rows around it are grouped by what else comes out."""

from typing import Any

import pytest

from tests.backend import Person
from tests.views.test_embedding import DOCUMENT, alice, rows

__all__ = ["DOCUMENT", "alice"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select=...articles(sizes:meta->>words::int.sum())", [{"sizes": 29}]),
        ("select=count(),...articles(title)&order=articles(title)",
         [{"count": 2, "title": "one"}, {"count": 1, "title": "two"}]),
        ("select=score.sum(),..articles(title)&order=articles(title).desc",
         [{"sum": 3, "title": "two"}, {"sum": 3, "title": "one"}]),
        ("select=text,...articles(title.max())&order=text&limit=1", [{"text": "c1", "max": "one"}]),
        ("select=score.max(),...articles(n:price.count(),published)", [{"max": 3, "n": 3, "published": True}]),
        (
            "select=score.sum(),...articles(title.min(),...people!author(nick))",
            [{"sum": 3, "min": "one", "nick": "alice"}, {"sum": 3, "min": "two", "nick": "bob"}],
        ),
        (
            "select=score.sum(),...articles(people!author(nick))",
            [{"sum": 3, "people": {"nick": "alice"}}, {"sum": 3, "people": {"nick": "bob"}}],
        ),
        ("select=...articles(count()),...people(nick)", [{"count": 3, "nick": "bob"}]),
        ("select=count(),...articles(meta)&articles.limit=0", [{"count": 3, "meta": None}]),
    ],
)  # fmt: skip
async def test_values_of_one_row_beside_are_folded(alice: Person, query: str, expected: Any) -> None:
    found = await rows(alice, f"{query}&score=lt.9", "comments")
    assert sorted(found, key=str) == sorted(expected, key=str)
    if "order" in query:
        assert found == expected


async def test_they_are_folded_inside_of_what_is_embedded(alice: Person) -> None:
    query = "select=title,comments(score.sum(),...people(nick))&order=title"
    assert await rows(alice, query) == [
        {"title": "one", "comments": [{"sum": 3, "nick": "bob"}]},
        {"title": "two", "comments": [{"sum": 3, "nick": "bob"}]},
    ]


async def test_the_total_is_of_groups_and_csv_has_them(alice: Person) -> None:
    query = "/rest/v1/comments?select=n:count(),...articles(title)&order=articles(title)&score=lt.9"
    answer = await alice.get(query, headers={"Prefer": "count=exact", "Accept": "text/csv"})
    assert (answer.text, answer.headers["content-range"]) == ("n,title\n2,one\n1,two", "0-1/2")


@pytest.mark.parametrize(
    "query",
    [
        "select=title,...comments(score.sum())",
        "select=title,...comments(...people(nick.max()))",
        "select=count(),...articles(meta::json)",
        "select=count(),...articles(title)&order=articles(price)",
        "select=count(),...articles(title::varchar)&order=articles(title)",
        "select=id,....articles(title)",
        "select=id,.articles(title)",
    ],
)
async def test_what_can_not_be_folded_so_is_refused(alice: Person, query: str) -> None:
    view = "articles" if "comments(" in query else "comments"
    answer = await alice.get(f"/rest/v1/{view}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST100")


@pytest.mark.parametrize(
    "column", ["meta=fts.x", "meta->deep=wfts(english).y", "meta=plfts.x", "meta->deep->k=phfts.y"]
)
async def test_words_are_found_in_json(alice: Person, column: str) -> None:
    assert await rows(alice, f"select=title&{column}") == [{"title": "one"}]
    assert await rows(alice, f"select=title&{column.replace('=', '=not.')}&title=eq.one") == []


async def test_backslashes_come_out_of_csv_as_they_are(alice: Person) -> None:
    text = 'a\\b\\\\c "d"'
    await alice.post("/rest/v1/articles", {"title": text, "author": alice.id})
    answer = await alice.get("/rest/v1/articles?select=title&title=like.a*", headers={"Accept": "text/csv"})
    assert answer.text == 'title\n"a\\b\\\\c ""d"""'

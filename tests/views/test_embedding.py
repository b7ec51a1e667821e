"""Views beside views: along columns both ways, through join tables, each under its own filter, columns and access."""

import random
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from app.database.session import Session
from tests.backend import Backend, Person

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}],
    "users": {"columns": [{"name": "nick", "type": "text", "self_editable": True}]},
    "tables": [
        {
            "name": "article_rows",
            "columns": [
                {"name": "author", "type": "user", "required": True},
                {"name": "editor", "type": "user"},
                {"name": "parent", "type": "reference", "table": "article_rows"},
                {"name": "title", "type": "text"},
                {"name": "price", "type": "decimal"},
                {"name": "meta", "type": "json"},
                {"name": "published", "type": "boolean", "default": True},
            ],
        },
        {
            "name": "comment_rows",
            "columns": [
                {"name": "article", "type": "reference", "table": "article_rows", "required": True},
                {"name": "writer", "type": "user"},
                {"name": "text", "type": "text"},
                {"name": "score", "type": "integer"},
                {"name": "hidden", "type": "boolean", "default": False},
            ],
        },
        {"name": "tag_rows", "columns": [{"name": "name", "type": "text", "unique": True}]},
        {
            "name": "tagged_rows",
            "columns": [
                {"name": "article", "type": "reference", "table": "article_rows"},
                {"name": "tag", "type": "reference", "table": "tag_rows"},
            ],
            "unique": [["article", "tag"]],
        },
        {
            "name": "summary_rows",
            "columns": [
                {"name": "article", "type": "reference", "table": "article_rows", "unique": True},
                {"name": "body", "type": "text"},
            ],
        },
    ],
    "middleware": [{"name": "never", "steps": [{"do": "require", "that": "false"}]}],
    "views": [
        {
            "name": "articles", "table": "article_rows", "filter": "row.published || row.author == auth.user.id",
            "order": ["title"], "allow": ["select", "insert", "update"],
        },
        {"name": "titles", "table": "article_rows", "columns": ["id", "title"]},
        {
            "name": "comments", "table": "comment_rows", "filter": "!row.hidden", "order": ["score"],
            "columns": ["id", "article", "writer", "text", "score", {"name": "loud", "value": "row.text + '!'"}],
            "max_rows": 3,
        },
        {"name": "all_comments", "table": "comment_rows", "access": {"roles": ["staff"]}},
        {"name": "people", "table": "users", "columns": ["id", "nick"]},
        {"name": "nameless", "table": "users", "columns": ["nick"]},
        {"name": "guarded", "table": "comment_rows", "middleware": ["never"]},
        {"name": "asking", "table": "comment_rows", "params": {"q": {"type": "text"}}},
        {"name": "tags", "table": "tag_rows", "order": ["name"]},
        {"name": "article_tags", "table": "tagged_rows"},
        {"name": "summaries", "table": "summary_rows"},
    ],
}  # fmt: skip
ROWS = """
WITH u AS (SELECT $1::uuid AS alice, $2::uuid AS bob),
a AS (INSERT INTO data.article_rows (author, editor, title, price, meta, published)
 SELECT alice, bob, 'one', 0.10, '{"words": 10, "deep": {"k": ["x", "y"]}}'::jsonb, true FROM u UNION ALL
 SELECT bob, NULL, 'two', 12345678901234567890.5, '{"words": 9}'::jsonb, true FROM u UNION ALL
 SELECT bob, bob, 'unseen', 3, NULL, false FROM u RETURNING id, title),
c AS (INSERT INTO data.comment_rows (article, writer, text, score, hidden)
 SELECT a.id, u.bob, x.text, x.score, x.hidden FROM u, a, (VALUES ('one', 'c1', 1, false), ('one', 'c2', 2, false),
  ('one', 'hid', 3, true), ('two', 'c3', 3, false), ('unseen', 'c9', 9, false)) x (title, text, score, hidden)
  WHERE x.title = a.title),
t AS (INSERT INTO data.tag_rows (name) VALUES ('red'), ('blue'), ('green') RETURNING id, name),
j AS (INSERT INTO data.tagged_rows (article, tag)
 SELECT a.id, t.id FROM a, t WHERE (a.title, t.name) IN (('one', 'red'), ('one', 'blue'), ('two', 'red'))),
p AS (INSERT INTO data.summary_rows (article, body) SELECT id, 'short' FROM a WHERE title = 'one')
UPDATE data.users SET nick = split_part(email, '@', 1)
"""


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    return await with_rows(backend)


async def with_rows(backend: Backend) -> Person:
    person, other = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql(ROWS, person.id, other.id)
    await backend.sql(
        "UPDATE data.article_rows SET parent = (SELECT id FROM data.article_rows WHERE title = 'one')"
        " WHERE title = 'two'"
    )
    return person


async def rows(person: Person, query: str, view: str = "articles") -> Any:
    answer = await person.get(f"/rest/v1/{view}?{query}")
    assert answer.status_code in (200, 206), answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select=title,people!author(nick)",
         [{"title": "one", "people": {"nick": "alice"}}, {"title": "two", "people": {"nick": "bob"}}]),
        ("select=title,by:people!article_rows_author_fkey(nick)&title=eq.one",
         [{"title": "one", "by": {"nick": "alice"}}]),
        ("select=title,editor(nick)", [{"title": "one", "editor": {"nick": "bob"}}, {"title": "two", "editor": None}]),
        ("select=title,comments(text)",
         [{"title": "one", "comments": [{"text": "c1"}, {"text": "c2"}]},
          {"title": "two", "comments": [{"text": "c3"}]}]),
        ("select=title,comments(loud,people(nick))&title=eq.two",
         [{"title": "two", "comments": [{"loud": "c3!", "people": {"nick": "bob"}}]}]),
        ("select=title,tags(name)",
         [{"title": "one", "tags": [{"name": "blue"}, {"name": "red"}]}, {"title": "two", "tags": [{"name": "red"}]}]),
        ("select=title,tags!article_tags(name)&tags.name=eq.blue",
         [{"title": "one", "tags": [{"name": "blue"}]}, {"title": "two", "tags": []}]),
        ("select=title,tags!inner(name)&tags.name=eq.blue", [{"title": "one", "tags": [{"name": "blue"}]}]),
        ("select=title,tags!inner()&tags.name=eq.blue", [{"title": "one"}]),
        ("select=title,summaries(body)",
         [{"title": "one", "summaries": {"body": "short"}}, {"title": "two", "summaries": None}]),
        ("select=title,summaries()&summaries=is.null", [{"title": "two"}]),
        ("select=title,summaries(body)&summaries=not.is.null", [{"title": "one", "summaries": {"body": "short"}}]),
        ("select=title,summaries(),e:editor()&or=(summaries.is.null,e.not.is.null)",
         [{"title": "one"}, {"title": "two"}]),
        ("select=title,...people!author(by:nick)", [{"title": "one", "by": "alice"}, {"title": "two", "by": "bob"}]),
        ("select=title,...summaries(body,...articles(t:title))",
         [{"title": "one", "body": "short", "t": "one"}, {"title": "two", "body": None, "t": None}]),
        ("select=title,...comments(texts:text)",
         [{"title": "one", "texts": ["c1", "c2"]}, {"title": "two", "texts": ["c3"]}]),
        ("select=title,c:comments(text)&c.order=score.desc&c.limit=1",
         [{"title": "one", "c": [{"text": "c2"}]}, {"title": "two", "c": [{"text": "c3"}]}]),
        ("select=title,comments(text)&comments.offset=1",
         [{"title": "one", "comments": [{"text": "c2"}]}, {"title": "two", "comments": []}]),
        ("select=title,comments(text)&comments.or=(score.eq.1,text.eq.c3)",
         [{"title": "one", "comments": [{"text": "c1"}]}, {"title": "two", "comments": [{"text": "c3"}]}]),
        ("select=title,comments(text)&comments.not.and=(score.gt.1,text.neq.zzz)",
         [{"title": "one", "comments": [{"text": "c1"}]}, {"title": "two", "comments": []}]),
        ("select=title,comments!inner(people!inner(nick))&comments.people.nick=eq.alice", []),
        ("select=title,comments(text)&title=eq.one&comments.score=gte.2",
         [{"title": "one", "comments": [{"text": "c2"}]}]),
        ("select=title,people!author(nick)&order=people(nick).desc",
         [{"title": "two", "people": {"nick": "bob"}}, {"title": "one", "people": {"nick": "alice"}}]),
        ("select=title,comments(count())",
         [{"title": "one", "comments": [{"count": 2}]}, {"title": "two", "comments": [{"count": 1}]}]),
        ("select=title,up:parent!articles(title)",
         [{"title": "one", "up": None}, {"title": "two", "up": {"title": "one"}}]),
        ("select=title,down:articles!parent(title)",
         [{"title": "one", "down": [{"title": "two"}]}, {"title": "two", "down": []}]),
        ("select=title,up:articles!id(title)&title=eq.two", [{"title": "two", "up": {"title": "one"}}]),
        # PostgREST reads a view inside itself as the rows that refer to it.
        ("select=title,articles(title)",
         [{"title": "one", "articles": [{"title": "two"}]}, {"title": "two", "articles": []}]),
        ("select=title,said:tagged_rows_article_fkey(tags(name))&title=eq.two&said.tags.name=eq.red",
         [{"title": "two", "said": [{"tags": {"name": "red"}}]}]),
        ("select=title,summary_rows_article_fkey(body)",
         [{"title": "one", "summary_rows_article_fkey": {"body": "short"}},
          {"title": "two", "summary_rows_article_fkey": None}]),
    ],
)  # fmt: skip
async def test_views_beside_views(alice: Person, query: str, expected: Any) -> None:
    assert await rows(alice, query) == expected


@pytest.mark.parametrize(
    ("embed", "view"),
    [
        ("comments", "comments"), ("people!author", "people"), ("tags", "tags"), ("summaries", "summaries"),
        ("up:parent!articles", "articles"), ("c:comments", "comments"), ("comments!inner", "comments"),
        ("people!author!inner", "people"), ("e:editor", "people"),
    ],
)  # fmt: skip
async def test_a_star_inside_is_every_column_that_the_view_shows(alice: Person, embed: str, view: str) -> None:
    shown = list((await rows(alice, "limit=1", view))[0])
    name = embed.partition(":")[0].partition("!")[0]
    for select in (f"*,{embed}(*)", f"{embed}(*)"):
        by_star = await rows(alice, f"select={select}")
        assert by_star == await rows(alice, f"select={select.replace('(*)', f'({chr(44).join(shown)})')}")
        beside = [row[name] for row in by_star if row[name]]
        assert beside
        for found in beside:
            assert all(list(one) == shown for one in (found if isinstance(found, list) else [found]))


async def test_beside_a_star_the_row_that_a_column_refers_to_stands_in_its_place(alice: Person) -> None:
    (plain,) = await rows(alice, "title=eq.two")
    for select in ("*,editor(nick)", "editor(nick),*", "*,author:people!author(nick)"):
        (row,) = await rows(alice, f"title=eq.two&select={select}")
        name = "author" if "author" in select else "editor"
        assert row == {**plain, name: {"nick": "bob"} if name == "author" else None}
    for select in ("*,editor,editor(nick)", "editor,editor(nick)", "*,*,editor(nick)", "*,editor:title"):
        refused = await alice.get(f"/rest/v1/articles?select={select}")
        assert (refused.status_code, refused.json()["code"]) == (400, "PGRST100")
    (unseen,) = await rows(alice, "title=eq.two&select=*,editor()")
    assert unseen == plain


async def test_a_star_in_a_spread_and_deeper_is_every_column_too(alice: Person) -> None:
    assert await rows(alice, "select=title,...people!author(*)&title=eq.one") == [
        {"title": "one", **(await rows(alice, "nick=eq.alice", "people"))[0]}
    ]
    (row,) = await rows(alice, "select=title,comments(*,people(*))&title=eq.two")
    (comment,) = await rows(alice, "text=eq.c3", "comments")
    assert row["comments"] == [{**comment, "people": (await rows(alice, "nick=eq.bob", "people"))[0]}]
    wide = await rows(alice, "select=*,comments(*),tags(*),summaries(*),people!author(*)")
    assert all({"title", "comments", "tags", "summaries", "people"} <= row.keys() for row in wide)


async def test_three_deep_and_back_up(alice: Person) -> None:
    found = await rows(
        alice, "select=name,articles(title,comments(text,people(nick)))&name=eq.red&articles.order=title", "tags"
    )
    bob = {"nick": "bob"}
    first = {"title": "one", "comments": [{"text": "c1", "people": bob}, {"text": "c2", "people": bob}]}
    assert found == [
        {"name": "red", "articles": [first, {"title": "two", "comments": [{"text": "c3", "people": bob}]}]}
    ]


async def test_the_other_views_filter_holds_for_embedded_rows_tests_and_counts(alice: Person, backend: Backend) -> None:
    assert [row["comments"] for row in await rows(alice, "select=comments(text)&comments.text=eq.hid")] == [[], []]
    assert await rows(alice, "select=title,comments!inner(text)&comments.text=eq.hid") == []
    assert await rows(alice, "select=name,articles!inner(title)&articles.title=eq.unseen", "tags") == []
    # The comment of an article that alice can't see is there; the article isn't.
    found = await rows(alice, "select=text,articles(title)&text=eq.c9", "comments")
    assert found == [{"text": "c9", "articles": None}]
    assert await rows(alice, "select=count(),articles!inner()&articles.title=eq.unseen", "comments") == [{"count": 0}]


async def test_lists_are_cut_at_the_other_views_max_rows(alice: Person, backend: Backend) -> None:
    await backend.sql(
        "INSERT INTO data.comment_rows (article, text, score) SELECT id, 'more', 50 + n FROM data.article_rows,"
        " generate_series(1, 10) n"
    )
    found = await rows(alice, "select=comments(text)&comments.limit=100&title=eq.one")
    assert len(found[0]["comments"]) == 3


async def test_all_of_it_is_one_statement(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    run = Session._run

    async def counted(self: Any, statement: Any, parameters: Any) -> Any:
        seen.append(statement.sql)
        return await run(self, statement, parameters)

    monkeypatch.setattr(Session, "_run", counted)
    await rows(alice, "select=title,tags(name),comments(text,people(nick)),people!author(nick)")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("select=title,people(nick)", 300, "PGRST201"),
        ("select=title,nobody(nick)", 400, "PGRST200"),
        ("select=title,summaries!parent(body)", 400, "PGRST200"),
        ("select=title,nameless!author(nick)", 400, "PGRST200"),
        ("select=title,price(x)", 400, "PGRST200"),
        ("select=title,all_comments(text)", 403, "access.role_missing"),
        ("select=title,guarded(text)", 400, "PGRST100"),
        ("select=title,asking(text)", 400, "PGRST100"),
        ("select=title,comments(hidden)", 400, "42703"),
        ("select=title,comments(text)&comments.hidden=is.true", 400, "42703"),
        ("select=title,comments(text)&comments.order=hidden", 400, "42703"),
        ("select=title,comments(text)&comments.or=(hidden.is.true,text.eq.x)", 400, "42703"),
        ("select=title,people!author(nick)&order=people(email)", 400, "42703"),
        ("select=title,people!author(nick)&people.email=like.*", 400, "42703"),
        ("select=title&comments.text=eq.c1", 400, "PGRST108"),
        ("select=title&comments.limit=1", 400, "PGRST108"),
        ("select=title,comments(text)&order=comments(score)", 400, "PGRST118"),
        ("select=title,comments(text)&comments=eq.3", 400, "PGRST120"),
        ("select=title,comments(text),comments(score)", 400, "PGRST100"),
        ("select=title,...comments(count())", 400, "PGRST100"),
        ("select=title,...people!author(title:nick)", 400, "PGRST100"),
        ("select=title,comments(text", 400, "PGRST100"),
        ("select=title,comments(text))", 400, "PGRST100"),
        ("select=c:comments(a:articles(b:comments(c:articles(d:comments(e:articles(title))))))", 400, "PGRST100"),
        ("select=" + ",".join(f"c{n}:comments(text)" for n in range(21)), 400, "PGRST100"),
        ("select=title,comments(text)&comments.limit=1&comments.limit=2", 400, "PGRST100"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(alice: Person, query: str, status: int, code: str) -> None:
    answer = await alice.get(f"/rest/v1/articles?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code) or answer.json()["rowgate_code"] == code


async def test_an_ambiguous_one_says_which_there_are(alice: Person) -> None:
    answer = (await alice.get("/rest/v1/articles?select=people(nick)")).json()
    assert "'people!author', 'people!editor'" in answer["hint"]
    assert {one["cardinality"] for one in answer["details"]} == {"many-to-one"}
    by_column = (await alice.get("/rest/v1/articles?select=parent(title)")).json()
    assert "'parent!articles', 'parent!titles'" in by_column["hint"]


async def test_a_column_that_refers_has_to_be_shown(alice: Person) -> None:
    assert (await alice.get("/rest/v1/titles?select=title,people!author(nick)")).json()["code"] == "PGRST200"
    assert (await alice.get("/rest/v1/titles?select=title,author(nick)")).json()["code"] == "PGRST200"


async def test_a_stranger_learns_nothing_of_a_view_for_others(alice: Person, backend: Backend) -> None:
    for inside in ("text", "nothing", "*"):
        answer = await alice.get(f"/rest/v1/articles?select=all_comments({inside})")
        assert answer.json()["rowgate_code"] == "access.role_missing"


async def test_a_join_table_is_followed_only_where_its_view_may_be_read(alice: Person, backend: Backend) -> None:
    document = {**DOCUMENT, "views": [dict(view) for view in DOCUMENT["views"]]}
    (join,) = (view for view in document["views"] if view["name"] == "article_tags")
    join["access"] = {"roles": ["staff"]}
    await backend.apply(document)
    await alice.get("/rest/v1/articles")
    assert (await alice.get("/rest/v1/articles?select=tags(name)")).status_code == 403
    join["access"] = "authenticated"
    join["filter"] = "row.tag != row.tag"
    await backend.apply(document)
    await alice.get("/rest/v1/articles")
    assert await rows(alice, "select=tags(name)") == [{"tags": []}, {"tags": []}]
    document["views"] = [view for view in document["views"] if view is not join]
    await backend.apply(document)
    await alice.get("/rest/v1/articles")
    assert (await alice.get("/rest/v1/articles?select=tags(name)")).json()["code"] == "PGRST200"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select=title,price::text&title=eq.two", [{"title": "two", "price": "12345678901234567890.5"}]),
        ("select=n:price::text&title=eq.one", [{"n": "0.10"}]),
        ("select=n:price::float&title=eq.one", [{"n": 0.1}]),
        ("select=meta->words", [{"words": 10}, {"words": 9}]),
        ("select=w:meta->>words&title=eq.one", [{"w": "10"}]),
        ("select=meta->deep->k->0&title=eq.one", [{"k": "x"}]),
        ("select=k:meta->deep->k->>1&title=eq.one", [{"k": "y"}]),
        ("select=title&meta->>words=eq.9", [{"title": "two"}]),
        ("select=title&meta->words=gt.9", [{"title": "one"}]),
        ("select=title&or=(meta->>words.eq.9,meta->deep->>k.is.null)", [{"title": "two"}]),
        ("select=title&order=meta->words.asc", [{"title": "two"}, {"title": "one"}]),
        ("select=meta->>words::int.sum()", [{"sum": 19}]),
        ("select=count()", [{"count": 2}]),
        ("select=n:count()", [{"n": 2}]),
        ("select=price.sum()", [{"sum": 12345678901234567890.6}]),
        ("select=price.max()::text", [{"max": "12345678901234567890.5"}]),
        ("select=published,title.min(),title.max()", [{"published": True, "min": "one", "max": "two"}]),
        ("select=author,count()&order=author&author=is.null", []),
        ("select=count(),people!author(nick)&order=author", None),
    ],
)
async def test_casts_paths_and_aggregates(alice: Person, query: str, expected: Any) -> None:
    answer = await alice.get(f"/rest/v1/articles?{query}")
    if expected is None:
        assert answer.json()["code"] == "PGRST100"
        return
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected


async def test_groups_with_a_view_beside_them(alice: Person) -> None:
    found = await rows(alice, "select=count(),people!author(nick)")
    assert sorted(found, key=lambda row: row["people"]["nick"]) == [
        {"count": 1, "people": {"nick": "alice"}}, {"count": 1, "people": {"nick": "bob"}}
    ]  # fmt: skip
    counted = await alice.get("/rest/v1/articles?select=author,count()", headers={"Prefer": "count=exact"})
    assert counted.headers["Content-Range"] == "0-1/2"


async def test_sums_of_decimals_are_exact_on_the_wire(alice: Person) -> None:
    answer = await alice.get("/rest/v1/articles?select=price.sum()")
    assert answer.text == '[{"sum":12345678901234567890.60}]'


@pytest.mark.parametrize(
    "query",
    ["select=title.sum()", "select=meta.max()", "select=title::regclass", "select=title->>x", "select=meta->>a->b",
     "select=meta->", "select=title,count()&order=price", "select=title::int4range", "select=pg_sleep(1)",
     "select=title.pg_sleep()", "select=title::text;select", "select=price.sum()::evil"],
)  # fmt: skip
async def test_what_is_no_value_is_refused(alice: Person, query: str) -> None:
    answer = await alice.get(f"/rest/v1/articles?{query}")
    assert answer.status_code == 400, answer.text


async def test_a_value_that_cannot_be_cast_is_a_400(alice: Person) -> None:
    answer = await alice.get("/rest/v1/articles?select=title::int")
    assert (answer.status_code, answer.json()["code"]) == (400, "22P02")


async def test_a_written_row_comes_back_with_views_beside_it(alice: Person) -> None:
    answer = await alice.call(
        "POST", "/rest/v1/articles?select=title,people!author(nick),comments(text)",
        json={"title": "new", "author": alice.id}, headers={"Prefer": "return=representation"},
    )  # fmt: skip
    assert answer.json() == [{"title": "new", "people": {"nick": "alice"}, "comments": []}]
    changed = await alice.call(
        "PATCH", "/rest/v1/articles?title=eq.one&select=title,comments(text)&comments.score=eq.2",
        json={"title": "won"}, headers={"Prefer": "return=representation"},
    )  # fmt: skip
    assert changed.json() == [{"title": "won", "comments": [{"text": "c2"}]}]
    refused = await alice.call("PATCH", "/rest/v1/articles?select=comments!inner(text)", json={"title": "x"})
    assert (refused.status_code, refused.json()["code"]) == (400, "PGRST100")


async def test_csv_names_embedded_values(alice: Person) -> None:
    headers = {"Accept": "text/csv"}
    answer = await alice.get("/rest/v1/articles?select=title,...people!author(nick),comments(score)", headers=headers)
    assert answer.text.splitlines()[:2] == ["title,nick,comments", 'one,alice,"[{""score"":1}, {""score"":2}]"']


async def test_shapes_are_kept_by_what_is_embedded_and_not_by_its_values(own_backend: Backend) -> None:
    alice, view = await with_rows(own_backend), own_backend.app.server.live.runtime.views["articles"]
    before = len(view.shapes._known)
    for score in (1, 2, 3):
        await rows(alice, f"select=title,comments(text)&comments.score=eq.{score}&comments.limit={score}")
    assert len(view.shapes._known) == before + 1


async def test_a_view_over_users_shows_no_credential_and_no_account(alice: Person, backend: Backend) -> None:
    shown = await rows(alice, "select=*&order=nick", "people")
    assert [sorted(row) for row in shown] == [["id", "nick"]] * 2
    for name in ("email", "password_hash", "accounts", "sessions", "disabled_at"):
        for query in (f"select={name}", f"select={name}(*)", f"{name}=is.null", f"order={name}"):
            assert (await alice.get(f"/rest/v1/people?{query}")).status_code == 400
    for method in ("POST", "PATCH", "DELETE"):
        assert (await alice.call(method, "/rest/v1/people", json={"nick": "x"})).status_code == 405


TOKENS = [
    "title",
    "meta",
    "comments",
    "people",
    "tags",
    "author",
    "editor",
    "price",
    "published",
    "text",
    "score",
    "nick",
    "*",
    "(",
    ")",
    ",",
    ":",
    "::",
    "->",
    "->>",
    ".",
    "...",
    "!",
    "!inner",
    "!author",
    "count",
    "count()",
    "sum()",
    "asc",
    "desc",
    "nullslast",
    "eq",
    "in",
    "is",
    "null",
    "not",
    "and",
    "or",
    "fts",
    "like",
    "any",
    "int",
    "text[]",
    "'",
    '"',
    "--",
    ";",
    "0",
    "-1",
    "x",
    "é",
    "$1",
    "%s",
    "\\",
    "{",
    "}",
    "select",
    "is.null",
    "eq.1",
]
SELECTED = [
    "title",
    "price",
    "meta->words",
    "meta->deep->k->>0",
    "price::text",
    "id::text",
    "comments(text)",
    "comments(count)",
    "c:comments(stars:score)",
    "people!author(nick)",
    "...people!author(nick)",
    "tags!inner(name)",
    "tags!inner()",
    "count()",
    "price.sum()",
    "title.max()",
    "e:editor()",
    "up:parent!articles(title,price)",
    "...comments(marks:score)",
    "summaries(body,articles(title))",
    "published",
    "author",
    "*",
]
ASKED = [
    ("title", "eq.one"), ("price", "gt.1"), ("meta->words", "gt.9"), ("meta->>words", "in.(9,10)"),
    ("title", "fts.one"),
    ("comments.score", "gt.1"), ("comments.order", "score.desc"), ("comments.limit", "1"), ("tags.name", "eq.red"),
    ("people.nick", "like.a*"), ("comments", "not.is.null"), ("e", "is.null"), ("or", "(title.eq.one,price.lt.3)"),
    ("order", "title"), ("order", "price.desc.nullslast"), ("order", "people(nick)"), ("order", "meta->words"),
    ("limit", "2"), ("offset", "1"), ("not.and", "(published.is.true,title.match.^o)"),
    ("c.or", "(text.eq.c1,score.gt.1)"),
]  # fmt: skip


async def test_no_query_is_a_fault_of_the_server(alice: Person) -> None:
    draw = random.Random(20)
    answered = 0
    for turn in range(1200):
        if turn % 3 == 0:
            pieces = ["".join(draw.choices(TOKENS, k=draw.randint(1, 7))) for _ in range(4)]
            pairs = [("select", f"title,{pieces[0]}"), ("order", pieces[1]), (pieces[2], pieces[3])]
        else:
            selected = ",".join(draw.sample(SELECTED, draw.randint(1, 4)))
            pairs = [("select", selected), *draw.sample(ASKED, draw.randint(0, 3))]
        query = urlencode(pairs)
        prefer = {"Prefer": draw.choice(["count=exact", "count=planned", "count=none"])}
        answer = await alice.get(f"/rest/v1/articles?{query}", headers=prefer)
        assert answer.status_code in (200, 206, 300, 400, 416), (query, answer.text)
        assert "unseen" not in answer.text
        answered += answer.is_success
    assert answered > 150

"""The official Python clients, unmodified, against a listening server; what they read is what SQL reads."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from postgrest import APIError, AsyncPostgrestClient
from postgrest.types import CountMethod
from supabase import AsyncClientOptions, acreate_client

from tests.backend import PASSWORD, Backend, Person
from tests.clients.test_supabase_js import DOCUMENT, MINE, REMARKS, SEED, listening
from tests.turns import Turns

__all__ = ["DOCUMENT"]  # what `turns` serves

Read = Callable[[Any], Any]
# The clients give timeouts to one another in a way that they have deprecated themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
COMMENTS_OF_ONE = (
    "json_agg(json_build_object('title', title, 'comments', (SELECT json_agg(json_build_object('text', text)"
    " ORDER BY stars) FROM said WHERE note = mine.id))) FROM mine WHERE slug = 'n1'"
)
# A call of the query builder, and what of the caller's rows it reads, in SQL.
READS: list[tuple[str, Read, str]] = [
    ("all", lambda q: q, "true"),
    ("eq", lambda q: q.eq("title", "note 3"), "title = 'note 3'"),
    ("neq", lambda q: q.neq("size", 3), "size <> 3"),
    ("gt", lambda q: q.gt("size", 15), "size > 15"),
    ("gte", lambda q: q.gte("size", 15), "size >= 15"),
    ("lt", lambda q: q.lt("size", 4), "size < 4"),
    ("lte", lambda q: q.lte("size", 4), "size <= 4"),
    ("like", lambda q: q.like("title", "%1%"), "title LIKE '%1%'"),
    ("ilike", lambda q: q.ilike("title", "NOTE 1%"), "title ILIKE 'NOTE 1%'"),
    ("like_any_of", lambda q: q.like_any_of("title", "%1,%2"), "title LIKE ANY ('{%1,%2}')"),
    ("like_all_of", lambda q: q.like_all_of("title", "%1%,%2%"), "title LIKE ALL ('{%1%,%2%}')"),
    ("ilike_any_of", lambda q: q.ilike_any_of("title", "NOTE 1,NOTE 2"), "title IN ('note 1', 'note 2')"),
    ("ilike_all_of", lambda q: q.ilike_all_of("title", "%1,NOTE%"), "title LIKE '%1'"),
    ("is_ null", lambda q: q.is_("size", "null"), "size IS NULL"),
    ("is_ true", lambda q: q.is_("done", True), "done"),
    ("in_", lambda q: q.in_("title", ["note 1", 'note, "2"', "note 3"]), "title IN ('note 1', 'note 3')"),
    ("contains", lambda q: q.contains("tags", ["t1", "all"]), "tags @> '{t1,all}'"),
    ("contains json", lambda q: q.contains("data", {"n": 4}), "data @> '{\"n\":4}'"),
    ("contained_by", lambda q: q.contained_by("tags", ["t1", "all", "x"]), "tags <@ '{t1,all,x}'"),
    ("overlaps", lambda q: q.overlaps("tags", ["t0", "t2"]), "tags && '{t0,t2}'"),
    ("cs", lambda q: q.cs("tags", ["t1"]), "tags @> '{t1}'"),
    ("cd", lambda q: q.cd("tags", ["t1", "all"]), "tags <@ '{t1,all}'"),
    ("ov", lambda q: q.ov("tags", ["t1"]), "tags && '{t1}'"),
    ("fts", lambda q: q.fts("title", "note & 7"), "title = 'note 7'"),
    ("plfts", lambda q: q.plfts("title", "note 8"), "title = 'note 8'"),
    ("phfts", lambda q: q.phfts("title", "note 9"), "title = 'note 9'"),
    ("wfts", lambda q: q.wfts("title", "note -9"), "title <> 'note 9'"),
    ("text_search", lambda q: q.text_search("title", "note & 5"), "title = 'note 5'"),
    ("match", lambda q: q.match({"title": "note 4", "done": True}), "title = 'note 4'"),
    ("not_", lambda q: q.not_.is_("size", "null"), "size IS NOT NULL"),
    ("not_ in", lambda q: q.not_.in_("title", ["note 1"]), "title <> 'note 1'"),
    ("or_", lambda q: q.or_("size.lt.3,title.eq.note 20"), "size < 3 OR title = 'note 20'"),
    ("or_ and", lambda q: q.or_("size.gt.17,and(done.is.true,size.lt.3)"), "size > 17 OR (done AND size < 3)"),
    ("filter", lambda q: q.filter("size", "eq", 7), "size = 7"),
    ("several", lambda q: q.gt("size", 3).lt("size", 9).eq("done", True), "size > 3 AND size < 9 AND done"),
    ("order limit", lambda q: q.order("size", desc=True, nullsfirst=False).limit(3),
     "size > 16 AND size < 20"),
    ("order range", lambda q: q.order("title").range(5, 9),
     "title IN (SELECT title FROM mine ORDER BY title OFFSET 5 LIMIT 5)"),
    ("order offset", lambda q: q.order("title").limit(5).offset(5),
     "title IN (SELECT title FROM mine ORDER BY title OFFSET 5 LIMIT 5)"),
    ("nobody else's", lambda q: q.eq("title", "hidden"), "false"),
    ("json path", lambda q: q.eq("data->>n", "9"), "title = 'note 9'"),
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    person, other = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql(SEED, person.id, other.id)
    await backend.sql(REMARKS, person.id, other.id)
    return person


@pytest_asyncio.fixture(loop_scope="module")
async def url(backend: Backend) -> AsyncIterator[str]:
    async with listening(backend) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="module")
async def options() -> AsyncIterator[AsyncClientOptions]:
    async with httpx.AsyncClient(http2=False) as http:
        yield AsyncClientOptions(httpx_client=http)


@pytest_asyncio.fixture(loop_scope="module")
async def client(backend: Backend, alice: Person, url: str, options: AsyncClientOptions) -> Any:
    """A client, signed in as alice."""
    made = await acreate_client(url, backend.app.server.auth.publishable_key, options)
    await made.auth.sign_in_with_password({"email": "alice@example.com", "password": PASSWORD})
    return made


async def refused(query: Any) -> str | None:
    with pytest.raises(APIError) as raised:
        await query.execute()
    return raised.value.code


async def test_what_the_query_builders_read_is_what_sql_reads(
    backend: Backend, alice: Person, url: str, client: Any
) -> None:
    headers = {"Authorization": f"Bearer {alice.session['access_token']}"}
    async with AsyncPostgrestClient(f"{url}/rest/v1", headers=headers) as postgrest:
        for name, read, where in READS:
            sql = f"{MINE} SELECT title FROM mine WHERE {where}"
            expected = sorted(row[0] for row in await backend.sql(sql, alice.id))
            for one in (client, postgrest):
                answer = await read(one.from_("my_notes").select("title")).execute()
                assert sorted(row["title"] for row in answer.data) == expected, name


@pytest.mark.parametrize(
    ("view", "read", "sql"),
    [
        ("my_notes", lambda q: q.select("title, comments(text)").eq("slug", "n1"), COMMENTS_OF_ONE),
        ("my_notes", lambda q: q.select("title, comments!inner(text)").eq("slug", "n1"), COMMENTS_OF_ONE),
        ("my_notes", lambda q: q.select("title, comments(*)").eq("slug", "n1"),
         "json_agg(r) FROM (SELECT title, (SELECT json_agg(to_json(said) ORDER BY stars) FROM said"
         " WHERE note = mine.id) comments FROM mine WHERE slug = 'n1') r"),
        ("my_notes", lambda q: q.select("title, comments(count)").eq("slug", "n2"),
         "json_build_array(json_build_object('title', 'note 2', 'comments', json_build_array(json_build_object("
         "'count', (SELECT count(*) FROM said WHERE text LIKE 'note 2 %')))))"),
        ("my_notes", lambda q: q.select("done", "count()", "size.sum()").order("done"),
         "json_agg(r) FROM (SELECT done, count(*), sum(size) FROM mine GROUP BY done ORDER BY done) r"),
        ("my_notes", lambda q: q.select("n:data->n", "t:data->>n").eq("slug", "n7"),
         "json_build_array(json_build_object('n', 7, 't', '7'))"),
        ("my_notes", lambda q: q.select("title, comments(stars)").eq("slug", "n1").order(
            "stars", desc=True, foreign_table="comments").limit(1, foreign_table="comments"),
         "json_build_array(json_build_object('title', 'note 1', 'comments', '[{\"stars\":3}]'::json))"),
        ("my_notes", lambda q: q.select("title, comments(stars)").eq("slug", "n1").or_(
            "stars.eq.1,stars.eq.3", reference_table="comments"),
         "json_build_array(json_build_object('title', 'note 1', 'comments', '[{\"stars\":1},{\"stars\":3}]'::json))"),
        ("comments", lambda q: q.select("text, my_notes(title)").eq("text", "hidden 1"),
         "json_build_array(json_build_object('text', 'hidden 1', 'my_notes', NULL))"),
        ("comments", lambda q: q.select("text, my_notes!inner(title)").eq("text", "hidden 1"), "'[]'::json"),
    ],
)  # fmt: skip
async def test_what_it_reads_beside_and_folds_is_what_sql_makes_of_it(
    backend: Backend, alice: Person, client: Any, view: str, read: Read, sql: str
) -> None:
    answer = await read(client.table(view)).execute()
    (row,) = await backend.sql(f"{MINE} SELECT {sql}", alice.id)
    assert answer.data == row[0]


async def test_one_row_counts_and_csv(client: Any) -> None:
    one = await client.table("my_notes").select("title").eq("slug", "n3").single().execute()
    assert one.data == {"title": "note 3"}
    assert await refused(client.table("my_notes").select("title").single()) == "PGRST116"
    maybe = await client.table("my_notes").select("title").eq("slug", "hidden").maybe_single().execute()
    assert maybe is None
    counted = await client.table("my_notes").select("title", count=CountMethod.exact).limit(2).execute()
    assert (counted.count, len(counted.data)) == (20, 2)
    headed = await client.table("my_notes").select("title", count=CountMethod.exact, head=True).execute()
    assert headed.count == 20
    csv = await client.table("my_notes").select("title").eq("slug", "n1").csv().execute()
    assert csv.data == 'title\n"note 1"'


async def test_writes_through_a_view(backend: Backend, client: Any) -> None:
    made = await client.table("my_notes").insert({"title": "new", "slug": "new"}).execute()
    assert [row["title"] for row in made.data] == ["new"]
    assert await refused(client.table("my_notes").insert({"title": "again", "slug": "new"})) == "23505"
    two = [{"title": "m1", "size": 5}, {"title": "m2"}]
    many = await client.table("my_notes").insert(two, default_to_null=False).execute()
    assert [row["size"] for row in many.data] == [5, 1]
    quiet = await client.table("my_notes").insert({"title": "quiet"}, returning="minimal").execute()
    assert quiet.data == []
    put = await client.table("my_notes").upsert({"title": "newer", "slug": "new"}, on_conflict="slug").execute()
    assert [row["title"] for row in put.data] == ["newer"]
    same = (
        await client.table("my_notes")
        .upsert({"title": "x", "slug": "new"}, on_conflict="slug", ignore_duplicates=True)
        .execute()
    )
    assert same.data == []
    stolen = client.table("my_notes").upsert({"title": "x", "slug": "hidden"}, on_conflict="slug")
    assert await refused(stolen) == "23505"
    changed = await client.table("my_notes").update({"size": 99}).eq("slug", "new").execute()
    assert [row["size"] for row in changed.data] == [99]
    assert (await client.table("my_notes").update({"size": 1}).eq("slug", "hidden").execute()).data == []
    counted = await client.table("my_notes").update({"size": 98}, count=CountMethod.exact).eq("slug", "new").execute()
    assert counted.count == 1
    assert await refused(client.table("my_notes").update({"size": 1}).gt("size", 0).max_affected(2)) == "PGRST124"
    gone = await client.table("my_notes").delete().in_("title", ["newer", "m1", "m2", "quiet", "hidden"]).execute()
    assert sorted(row["title"] for row in gone.data) == ["m1", "m2", "newer", "quiet"]
    assert [tuple(row) for row in await backend.sql("SELECT count(*), max(size) FROM data.notes")] == [(21, 19)]


async def test_what_is_refused_has_its_code(
    backend: Backend, client: Any, url: str, options: AsyncClientOptions
) -> None:
    assert await refused(client.table("my_notes").select("secret")) == "42703"
    assert await refused(client.table("nothing").select("*")) == "PGRST205"
    assert await refused(client.table("my_notes").select("*").eq("size", "x")) == "22P02"
    assert await refused(client.table("my_notes").select("nothing(*)")) == "PGRST200"


async def test_functions_and_sessions(backend: Backend, client: Any, url: str, options: AsyncClientOptions) -> None:
    assert (await client.rpc("add", {"a": 2, "b": 3}).execute()).data == {"sum": 5}
    assert b'"sum":3' in await client.functions.invoke("add", {"body": {"a": 2}})
    user = await client.auth.get_user()
    assert user is not None
    assert user.user.email == "alice@example.com"
    assert (await client.auth.refresh_session()).session is not None
    fresh: Any = await acreate_client(url, backend.app.server.auth.publishable_key, options)
    joined = await fresh.auth.sign_up({"email": "carol@example.com", "password": PASSWORD})
    assert joined.session is not None
    assert (await fresh.table("my_notes").select("*").execute()).data == []
    changed = await fresh.auth.update_user({"email": "dora@example.com"})
    assert changed.user.email == "dora@example.com"
    await client.auth.sign_out()
    assert await client.auth.get_session() is None
    assert await refused(client.table("my_notes").select("*")) == "PGRST301"

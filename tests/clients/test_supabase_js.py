"""The official JavaScript clients, unmodified, against a listening server; what they read is what SQL reads."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import uvicorn

from app.http.protocol import BoundedHttpProtocol
from tests.backend import PASSWORD, Backend, serving
from tests.npm import installed

HERE = Path(__file__).parent
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None or shutil.which("npm") is None, reason="node and npm are not installed")

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "notes",
            "columns": [
                {"name": "owner_user_id", "type": "user", "required": True, "on_delete": "cascade"},
                {"name": "title", "type": "text", "required": True, "max_length": 40},
                {"name": "slug", "type": "text", "unique": True},
                {"name": "size", "type": "integer", "default": 1},
                {"name": "done", "type": "boolean", "default": False},
                {"name": "tags", "type": "text", "array": True},
                {"name": "data", "type": "json"},
            ],
        },
        {
            "name": "remarks",
            "columns": [
                {"name": "note", "type": "reference", "table": "notes", "required": True, "on_delete": "cascade"},
                {"name": "writer", "type": "user"},
                {"name": "text", "type": "text"},
                {"name": "stars", "type": "integer"},
            ],
        },
    ],
    "views": [
        {
            "name": "my_notes",
            "table": "notes",
            "columns": ["id", "title", "slug", "size", "done", "tags", "data"],
            "filter": "row.owner_user_id == auth.user.id",
            "allow": ["select", "insert", "update", "delete"],
            "presets": {"owner_user_id": "=auth.user.id"},
        },
        {"name": "comments", "table": "remarks", "filter": "row.stars > 0", "order": ["stars"]},
        {"name": "people", "table": "users", "columns": ["id", "email"]},
    ],
    "endpoints": [
        {
            "name": "add",
            "method": "POST",
            "path": "/add",
            "access": "authenticated",
            "input": {
                "body": {
                    "a": {"type": "integer", "required": True},
                    "b": {"type": "integer", "required": True, "default": 1},
                }
            },
            "steps": [{"do": "respond", "body": {"sum": "=input.a + input.b"}}],
        },
        {
            "name": "notes_above",
            "method": "GET",
            "path": "/notes_above",
            "access": "authenticated",
            "input": {"query": {"least": {"type": "integer", "required": True}}},
            "steps": [
                {"do": "list", "from": "my_notes", "where": "item.size > input.least", "as": "found"},
                {"do": "respond", "body": "=found"},
            ],
        },
    ],
}
SEED = """
INSERT INTO data.notes (owner_user_id, title, slug, size, done, tags, data)
SELECT $1::uuid, 'note ' || n, 'n' || n, CASE WHEN n % 5 = 0 THEN NULL ELSE n END, n % 2 = 0,
  ARRAY['t' || n % 3, 'all'], jsonb_build_object('n', n) FROM generate_series(1, 20) n
UNION ALL SELECT $2::uuid, 'hidden', 'hidden', 1, true, '{all}', '{}'
"""
REMARKS = """
INSERT INTO data.remarks (note, writer, text, stars)
SELECT id, CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END, title || ' ' || n, n
FROM data.notes, generate_series(0, 3) n WHERE slug IN ('n1', 'n2', 'hidden')
"""
# What SQL reads of the caller's notes ($1) and of the remarks that the view shows.
MINE = """
WITH mine AS (SELECT * FROM data.notes WHERE owner_user_id = $1), said AS (SELECT * FROM data.remarks WHERE stars > 0)
"""
# A call of the query builder that reads more than one view, or folds rows, and the JSON that SQL makes of the same.
READS_BESIDE = [
    (".select('*, comments(*)').eq('slug', 'n1')",
     "json_agg(r) FROM (SELECT id, title, slug, size, done, tags, data, (SELECT json_agg(to_json(said) ORDER BY stars)"
     " FROM said WHERE note = mine.id) comments FROM mine WHERE slug = 'n1') r"),
    (".select('title, comments(*, people(*))').eq('slug', 'n2')",
     "json_agg(r) FROM (SELECT title, (SELECT json_agg(c ORDER BY stars) FROM (SELECT said.*, (SELECT"
     " json_build_object('id', id, 'email', email) FROM data.users u WHERE u.id = writer) people FROM said"
     " WHERE note = mine.id) c) comments FROM mine WHERE slug = 'n2') r"),
    (".select('title, comments(text)').eq('slug', 'n1')",
     "json_agg(json_build_object('title', title, 'comments', (SELECT json_agg(json_build_object('text', text)"
     " ORDER BY stars) FROM said WHERE note = mine.id))) FROM mine WHERE slug = 'n1'"),
    (".select('title, c:comments(stars, people(email))').eq('slug', 'n2')",
     "json_agg(json_build_object('title', title, 'c', (SELECT json_agg(json_build_object('stars', stars, 'people',"
     " (SELECT json_build_object('email', email) FROM data.users u WHERE u.id = writer)) ORDER BY stars) FROM said"
     " WHERE note = mine.id))) FROM mine WHERE slug = 'n2'"),
    (".select('title, comments!inner(text)').order('title')",
     "json_agg(json_build_object('title', title, 'comments', (SELECT json_agg(json_build_object('text', text)"
     " ORDER BY stars) FROM said WHERE note = mine.id)) ORDER BY title) FROM mine WHERE slug IN ('n1', 'n2')"),
    (".select('title, comments!inner()').eq('comments.stars', 3).order('title')",
     "json_agg(json_build_object('title', title) ORDER BY title) FROM mine WHERE slug IN ('n1', 'n2')"),
    (".select('title, comments()').is('comments', null).lt('size', 5).order('title')",
     "json_agg(json_build_object('title', title) ORDER BY title) FROM mine WHERE slug IN ('n3', 'n4')"),
    (".select('title, comments(stars)').eq('slug', 'n1').gte('comments.stars', 2)",
     "json_agg(json_build_object('title', title, 'comments', '[{\"stars\":2},{\"stars\":3}]'::json)) FROM mine"
     " WHERE slug = 'n1'"),
    (".select('title, comments(stars)').eq('slug', 'n1').order('stars', {referencedTable: 'comments',"
     " ascending: false}).limit(1, {referencedTable: 'comments'})",
     "json_agg(json_build_object('title', title, 'comments', '[{\"stars\":3}]'::json)) FROM mine WHERE slug = 'n1'"),
    (".select('title, comments(stars)').eq('slug', 'n1').range(1, 1, {referencedTable: 'comments'})",
     "json_agg(json_build_object('title', title, 'comments', '[{\"stars\":2}]'::json)) FROM mine WHERE slug = 'n1'"),
    (".select('title, comments(stars)').eq('slug', 'n1').or('stars.eq.1,stars.eq.3', {referencedTable: 'comments'})",
     "json_agg(json_build_object('title', title, 'comments', '[{\"stars\":1},{\"stars\":3}]'::json)) FROM mine"
     " WHERE slug = 'n1'"),
    (".select('title, comments(count)').eq('slug', 'n2')",
     "json_agg(json_build_object('title', title, 'comments', '[{\"count\":3}]'::json)) FROM mine WHERE slug = 'n2'"),
    (".select('done, count(), size.sum(), size.max()').order('done')",
     "json_agg(r) FROM (SELECT done, count(*), sum(size), max(size) FROM mine GROUP BY done ORDER BY done) r"),
    (".select('n:data->n, t:data->>n, tags->0').eq('slug', 'n7')",
     "json_agg(json_build_object('n', data->'n', 't', data->>'n', 'tags', tags[1])) FROM mine WHERE slug = 'n7'"),
    (".select('s:size::text').eq('slug', 'n7')", "json_agg(json_build_object('s', '7')) FROM mine WHERE slug = 'n7'"),
    (".select('title').eq('data->>n', '9')", "json_agg(json_build_object('title', title)) FROM mine WHERE slug = 'n9'"),
    (".select('title').gt('data->n', 18).order('data->n')",
     "json_agg(json_build_object('title', title) ORDER BY data->'n') FROM mine WHERE (data->>'n')::int > 18"),
    (".select('title, ...comments(marks:stars)').eq('slug', 'n1')",
     "json_agg(json_build_object('title', title, 'marks', '[1,2,3]'::json)) FROM mine WHERE slug = 'n1'"),
]  # fmt: skip
# The same from the side of the remarks, some of whose notes are hidden from the caller.
READS_OF_REMARKS = [
    (".select('text, my_notes(title)').eq('text', 'hidden 1')",
     "'[{\"text\":\"hidden 1\",\"my_notes\":null}]'::json"),
    (".select('text, my_notes!inner(title)').like('text', 'hidden%')", "'[]'::json"),
    (".select('text, ...people(email), ...my_notes(title)').eq('text', 'note 1 1')",
     "json_agg(json_build_object('text', text, 'email', (SELECT email FROM data.users u WHERE u.id = writer), 'title',"
     " 'note 1')) FROM said WHERE text = 'note 1 1'"),
    (".select('text, by:people!writer(email)').eq('text', 'note 1 2')",
     "json_agg(json_build_object('text', text, 'by', (SELECT json_build_object('email', email) FROM data.users u WHERE"
     " u.id = writer))) FROM said WHERE text = 'note 1 2'"),
    (".select('text, my_notes!inner(title)').order('my_notes(title)', {ascending: false}).order('text').limit(2)",
     "'[{\"text\":\"note 2 1\",\"my_notes\":{\"title\":\"note 2\"}},"
     "{\"text\":\"note 2 2\",\"my_notes\":{\"title\":\"note 2\"}}]'::json"),
]  # fmt: skip
# A call of the query builder, and what of the caller's rows it reads, in SQL.
READS = [
    (".select()", "true"),
    (".select('*').eq('title', 'note 3')", "title = 'note 3'"),
    (".select('title, size').neq('size', 3)", "size <> 3"),
    (".select().gt('size', 15)", "size > 15"),
    (".select().gte('size', 15)", "size >= 15"),
    (".select().lt('size', 4)", "size < 4"),
    (".select().lte('size', 4)", "size <= 4"),
    (".select().like('title', '%1%')", "title LIKE '%1%'"),
    (".select().ilike('title', 'NOTE 1%')", "title ILIKE 'NOTE 1%'"),
    (".select().likeAnyOf('title', ['%1', '%2'])", "title LIKE ANY ('{%1,%2}')"),
    (".select().likeAllOf('title', ['%1%', '%2%'])", "title LIKE ALL ('{%1%,%2%}')"),
    (".select().ilikeAnyOf('title', ['NOTE 1', 'NOTE 2'])", "title ILIKE ANY ('{NOTE 1,NOTE 2}')"),
    (".select().is('size', null)", "size IS NULL"),
    (".select().is('done', true)", "done"),
    (".select().in('title', ['note 1', 'note, \"2\"', 'note 3'])", "title IN ('note 1', 'note 3')"),
    (".select().in('size', [])", "false"),
    (".select().contains('tags', ['t1', 'all'])", "tags @> '{t1,all}'"),
    (".select().containedBy('tags', ['t1', 'all', 'x'])", "tags <@ '{t1,all,x}'"),
    (".select().overlaps('tags', ['t0', 't2'])", "tags && '{t0,t2}'"),
    (".select().contains('data', {n: 4})", "data @> '{\"n\":4}'"),
    (".select().textSearch('title', 'note & 7')", "title = 'note 7'"),
    (".select().textSearch('title', 'notes', {type: 'plain', config: 'english'})", "true"),
    (".select().textSearch('title', 'note 8', {type: 'phrase'})", "title = 'note 8'"),
    (".select().textSearch('title', 'note -9', {type: 'websearch'})", "title <> 'note 9'"),
    (".select().match({title: 'note 4', done: true})", "title = 'note 4'"),
    (".select().not('size', 'is', null)", "size IS NOT NULL"),
    (".select().not('title', 'in', '(\"note 1\",\"note 2\")')", "title NOT IN ('note 1', 'note 2')"),
    (".select().or('size.lt.3,title.eq.note 20')", "size < 3 OR title = 'note 20'"),
    (".select().or('size.gt.17,and(done.is.true,size.lt.3)')", "size > 17 OR (done AND size < 3)"),
    (".select().filter('size', 'eq', 7)", "size = 7"),
    (".select().regexMatch('title', '^note 1.$')", "title ~ '^note 1.$'"),
    (".select().regexIMatch('title', '^NOTE 2$')", "title ~* '^NOTE 2$'"),
    (".select().isDistinct('size', 3)", "size IS DISTINCT FROM 3"),
    (".select().eq('title', 'hidden')", "false"),
    (".select().eq('slug', 'hidden').maybeSingle().then(r => ({...r, data: r.data ? [r.data] : []}))", "false"),
    (".select().eq('slug', 'n3').single().then(r => ({...r, data: [r.data]}))", "slug = 'n3'"),
    (".select().order('size', {ascending: false, nullsFirst: false}).limit(3)", "size > 16 AND size < 20"),
    (".select().order('title').range(5, 9)", "title IN (SELECT title FROM mine ORDER BY title OFFSET 5 LIMIT 5)"),
]  # fmt: skip
# A call, and the status, the code or the value that it gives.
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("from('my_notes').select('*', {count: 'exact', head: true})", {"count": 20, "data": None}),
    ("from('my_notes').select('title', {count: 'exact'}).limit(2)", {"count": 20, "status": 206}),
    ("from('my_notes').select('label:title').eq('slug', 'n1')", {"data": [{"label": "note 1"}]}),
    ("from('my_notes').select('title').eq('slug', 'n1').csv()", {"data": 'title\n"note 1"'}),
    ("from('my_notes').select().single()", {"status": 406, "code": "PGRST116"}),
    ("from('my_notes').select('secret')", {"status": 400, "code": "42703"}),
    ("from('nothing').select()", {"status": 404, "code": "PGRST205"}),
    ("from('my_notes').select('slug').in('id', Array.from({length: 800}, () => crypto.randomUUID()))",
     {"status": 200, "data": []}),
    ("from('my_notes').select('slug').in('slug', Array.from({length: 800}, (_, n) => `n${n + 20}`))",
     {"status": 200, "data": [{"slug": "n20"}]}),
    ("long.from('my_notes').select('slug').in('slug', Array.from({length: 10000}, (_, n) => `n${n + 20}`))",
     {"status": 200, "data": [{"slug": "n20"}]}),
    ("rest.from('my_notes').select('slug').in('slug', Array.from({length: 10000}, (_, n) => `n${n + 20}`))",
     {"status": 414, "code": "request.address_too_long"}),
    ("from('my_notes').select().eq('size', 'x')", {"status": 400, "code": "22P02"}),
    ("client.rpc('add', {a: 2, b: 3})", {"data": {"sum": 5}}),
    ("client.rpc('add', {})", {"status": 422}),
    ("client.rpc('notes_above', {least: 15}).select('title,size').eq('done', true)"
     ".order('title', {ascending: false}).limit(10).limit(1).single()", {"data": {"title": "note 18", "size": 18}}),
    ("client.rpc('notes_above', {least: 15}, {get: true}).select('label:title').contains('tags', ['t1'])"
     ".order('title')",
     {"data": [{"label": "note 16"}, {"label": "note 19"}]}),
    ("client.rpc('notes_above', {least: 15}, {count: 'exact'}).order('size').range(1, 2).select('size')",
     {"data": [{"size": 17}, {"size": 18}], "count": 4, "status": 206}),
    ("client.rpc('notes_above', {least: 15}, {head: true, count: 'exact'})", {"data": None, "count": 4}),
    ("client.rpc('notes_above', {least: 15}).single()", {"status": 406, "code": "PGRST116"}),
    ("client.rpc('notes_above', {least: 15}).eq('size', 99).maybeSingle()", {"data": None, "error": None}),
    ("client.rpc('notes_above', {least: 15}).select('secret')", {"status": 400, "code": "42703"}),
    ("client.rpc('notes_above', {least: 17}).select('title').csv()", {"data": 'title\n"note 18"\n"note 19"'}),
    ("client.functions.invoke('add', {body: {a: 2}})", {"data": {"sum": 3}}),
    ("from('my_notes').insert({title: 'new', slug: 'new'})", {"status": 201, "data": None}),
    ("from('my_notes').insert({title: 'again', slug: 'new'})", {"status": 409, "code": "23505"}),
    ("from('my_notes').insert([{title: 'm1', size: 5}, {title: 'm2'}], {defaultToNull: false}).select('title,size')",
     {"data": [{"title": "m1", "size": 5}, {"title": "m2", "size": 1}]}),
    ("from('my_notes').insert({title: 'one'}).select('title').single()", {"data": {"title": "one"}, "status": 201}),
    ("from('my_notes').insert({title: 'x', owner_user_id: '018f0000-0000-7000-8000-00000000000a'})", {"status": 422}),
    ("from('my_notes').upsert({title: 'newer', slug: 'new'}, {onConflict: 'slug'}).select('title,slug')",
     {"data": [{"title": "newer", "slug": "new"}]}),
    ("from('my_notes').upsert({title: 'ignored', slug: 'new'}, {onConflict: 'slug', ignoreDuplicates: true}).select()",
     {"data": []}),
    ("from('my_notes').upsert({title: 'stolen', slug: 'hidden'}, {onConflict: 'slug'})", {"status": 409}),
    ("from('my_notes').update({size: 99}).eq('slug', 'new').select('size')", {"data": [{"size": 99}]}),
    ("from('my_notes').update({size: 100}).eq('slug', 'hidden').select()", {"data": []}),
    ("from('my_notes').update({size: 98}, {count: 'exact'}).eq('slug', 'new')", {"count": 1, "status": 204}),
    ("from('my_notes').update({size: 1}).gt('size', 0).maxAffected(2)", {"status": 400, "code": "PGRST124"}),
    ("from('my_notes').delete().eq('slug', 'new').select('title')", {"data": [{"title": "newer"}]}),
    ("from('my_notes').delete({count: 'exact'}).in('title', ['m1', 'm2', 'one', 'hidden'])", {"count": 3}),
    ("rest.from('my_notes').select('title').eq('slug', 'n2')", {"data": [{"title": "note 2"}]}),
    ("auth.getUser().then(r => ({data: r.data.user.email}))", {"data": "alice@example.com"}),
    ("auth.getClaims().then(r => ({data: [r.data.claims.email, r.data.claims.amr[0].method, r.error]}))",
     {"data": ["alice@example.com", "password", None]}),
    ("auth.mfa.getAuthenticatorAssuranceLevel()",
     {"data": {"currentLevel": "aal1", "nextLevel": "aal1", "currentAuthenticationMethods": ANY}}),
    ("auth.signInWithPassword({email: 'alice@example.com', password: 'wrong'})",
     {"code": "invalid_credentials", "error": {"code": "invalid_credentials", "message": "Invalid login credentials"}}),
    ("auth.signUp({email: 'alice@example.com', password: 'long enough'}).then(r => ({data: r.error.message}))",
     {"data": "User already registered"}),
    ("auth.getUserIdentities().then(r => ({data: r.data.identities.map(one => one.provider)}))", {"data": ["email"]}),
    ("auth.refreshSession().then(r => ({data: r.data.session !== null}))", {"data": True}),
    ("auth.signOut().then(r => ({data: r.error}))", {"data": None}),
    ("from('my_notes').select()", {"status": 401}),
]  # fmt: skip


@pytest.fixture(scope="session")
def clients() -> Path:
    """The packages of the lock file, as they come from their registry."""
    return installed(HERE)


@asynccontextmanager
async def listening(backend: Backend) -> AsyncIterator[str]:
    config = uvicorn.Config(
        backend.app, port=0, http=BoundedHttpProtocol, lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serve


async def called(url: str, key: str, calls: list[str], folder: Path) -> list[dict[str, Any]]:
    """Run the calls in node, signed in as alice."""
    said = {"url": url, "key": key, "email": "alice@example.com", "password": PASSWORD, "calls": calls}
    node = await asyncio.create_subprocess_exec(
        str(NODE), "calls.mjs", cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(node.communicate(json.dumps(said).encode()), timeout=60)
    results: list[dict[str, Any]] = json.loads(output)
    return results


async def test_what_the_query_builder_reads_is_what_sql_reads(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
        await backend.sql(SEED, alice.id, bob.id)
        key = backend.app.server.auth.publishable_key
        results = await called(url, key, [f"from('my_notes'){call}" for call, _ in READS], clients)
        for (call, where), result in zip(READS, results, strict=True):
            sql = (
                f"WITH mine AS (SELECT * FROM data.notes WHERE owner_user_id = $1) SELECT title FROM mine WHERE {where}"
            )
            expected = [row[0] for row in await backend.sql(sql, alice.id)]
            assert result.get("error") is None, (call, result)
            assert sorted(row["title"] for row in result["data"]) == sorted(expected), call


async def test_what_it_reads_beside_and_folds_is_what_sql_makes_of_it(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
        await backend.sql(SEED, alice.id, bob.id)
        await backend.sql(REMARKS, alice.id, bob.id)
        key = backend.app.server.auth.publishable_key
        calls = [(f"from('my_notes'){call}", sql) for call, sql in READS_BESIDE]
        calls += [(f"from('comments'){call}", sql) for call, sql in READS_OF_REMARKS]
        results = await called(url, key, [call for call, _ in calls], clients)
        for (call, sql), result in zip(calls, results, strict=True):
            (row,) = await backend.sql(f"{MINE} SELECT {sql}", alice.id)
            assert result.get("error") is None, (call, result)
            assert result["data"] == row[0], call


async def test_writes_functions_and_sessions_answer_as_the_clients_expect(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
        await backend.sql(SEED, alice.id, bob.id)
        key = backend.app.server.auth.publishable_key
        results = await called(url, key, [call for call, _ in ANSWERS], clients)
        for (call, expected), result in zip(ANSWERS, results, strict=True):
            found = {**result, "code": (result.get("error") or {}).get("code")}
            assert {name: found.get(name) for name in expected} == expected, (call, result)
        assert [tuple(row) for row in await backend.sql("SELECT count(*), max(size) FROM data.notes")] == [(21, 19)]

"""What may be done through a view by the rule of each action: to which rows, with which columns, and what is told."""

from typing import Any

import pytest
import pytest_asyncio

from tests.backend import Backend, Person

OWN = "row.owner == auth.user.id"
SEEN = f'row.status == "published" || {OWN}'
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "editor"}],
    "tables": [
        {
            "name": "articles",
            "columns": [
                {"name": "owner", "type": "user"},
                {"name": "title", "type": "text", "required": True},
                {"name": "slug", "type": "text", "unique": True},
                {"name": "status", "type": "enum", "values": ["draft", "published"], "default": "draft"},
                {"name": "edited_by", "type": "user"},
            ],
        },
        {"name": "notes", "columns": [{"name": "article", "type": "reference", "table": "articles"}]},
    ],
    "views": [
        {
            "name": "posts", "table": "articles", "columns": ["id", "owner", "title", "slug", "status", "edited_by"],
            "filter": SEEN, "presets": {"owner": "=auth.user.id"},
            "allow": {
                "select": {"access": "public"},
                "insert": {"check": OWN, "writable": ["title", "slug", "status"]},
                "update": {"filter": OWN, "writable": ["title", "status"], "presets": {"edited_by": "=auth.user.id"}},
                "delete": {"filter": f'{OWN} && row.status == "draft"'},
            },
        },
        {
            "name": "given", "table": "articles", "columns": ["id", "owner", "title"], "filter": OWN,
            "allow": {"select": True, "update": {"check": "true", "writable": ["owner", "title"]}},
        },
        {
            "name": "box", "table": "articles", "columns": ["id", "title", "slug", "status"],
            "allow": {
                "select": {"access": {"roles": ["editor"]}},
                "insert": {"access": "public", "check": 'row.status == "draft"', "presets": {"edited_by": None}},
            },
        },
        {
            "name": "published", "table": "articles", "columns": ["id", "title", "slug", "status"],
            "allow": {"select": {"filter": 'row.status == "published"'}, "insert": {}, "update": {}, "delete": True},
        },
        {
            "name": "remarks", "table": "notes", "columns": ["id", "article"],
            "allow": {"select": {"access": "public"}, "insert": {"access": {"roles": ["editor"]}}},
        },
        {
            "name": "edited", "table": "articles", "columns": ["id", "title", "slug"],
            "allow": {"select": True, "insert": {"presets": {"owner": "=auth.user.id"}},
                      "update": {"access": {"roles": ["editor"]}}},
        },
        {
            "name": "dark", "table": "articles", "columns": ["id", "title", "slug", "status"], "unchanged": "ignore",
            "access": "public", "allow": {"insert": {}, "update": {"writable": ["title"]}, "delete": True},
        },
        {
            "name": "dim", "table": "articles", "columns": ["id", "title", "slug", "status"], "unchanged": "ignore",
            "access": "public",
            "allow": {"select": {"access": {"roles": ["editor"]}}, "insert": {}, "update": {"writable": ["title"]},
                      "delete": True},
        },
        {
            "name": "half", "table": "articles", "unchanged": "ignore",
            "columns": ["id", "title", "slug", "status", "created_at"],
            "allow": {"select": {"filter": 'row.status == "published"'}, "insert": {},
                      "update": {"writable": ["title"]}, "delete": True},
        },
    ],
}  # fmt: skip
BACK = {"Prefer": "return=representation"}
ONE = {"Accept": "application/vnd.pgrst.object+json", **BACK}


def prefer(resolution: str) -> dict[str, str]:
    return {"Prefer": f"resolution={resolution},return=representation"}


@pytest_asyncio.fixture(loop_scope="module")
async def ann(backend: Backend) -> Person:
    return await backend.sign_up("ann")


@pytest_asyncio.fixture(loop_scope="module")
async def ben(backend: Backend) -> Person:
    return await backend.sign_up("ben")


async def made(person: Person, **columns: Any) -> str:
    answer = await person.post("/rest/v1/posts", {"title": "A", **columns}, headers=BACK)
    assert answer.status_code == 201, answer.text
    return str(answer.json()[0]["id"])


async def stored(backend: Backend, columns: str = "title") -> list[Any]:
    found = await backend.sql(f"SELECT {columns} FROM data.articles ORDER BY title, id")
    return [tuple(row) if len(row) > 1 else row[0] for row in found]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["rowgate_code"]


async def test_the_access_of_an_action_stands_in_place_of_the_views(backend: Backend, ann: Person) -> None:
    post = await made(ann, title="Out", status="published")
    strangers = await backend.client.get("/rest/v1/posts?select=title")
    assert strangers.json() == [{"title": "Out"}]
    for method, path, body in (
        ("POST", "posts", {"title": "B"}),
        ("PATCH", f"posts?id=eq.{post}", {"title": "B"}),
        ("PUT", f"posts?id=eq.{post}", {"id": post, "title": "B"}),
        ("DELETE", f"posts?id=eq.{post}", None),
    ):
        answer = await backend.client.request(method, f"/rest/v1/{path}", json=body)
        assert refused(answer) == (401, "access.sign_in_required"), method
    assert (await ann.post("/rest/v1/remarks", {"article": post})).status_code == 403
    assert (await ann.get("/rest/v1/remarks")).status_code == 200


async def test_a_row_that_is_seen_and_not_for_this_action_is_told_so_where_it_is_named(
    backend: Backend, ann: Person, ben: Person
) -> None:
    out, draft = await made(ann, title="Out", status="published"), await made(ann, title="Draft")
    for method, body in (("PATCH", {"title": "His"}), ("DELETE", None)):
        seen = await ben.call(method, f"/rest/v1/posts?id=eq.{out}", json=body)
        assert refused(seen) == (403, "view.not_allowed")
        single = await ben.call(method, f"/rest/v1/posts?id=eq.{out}", json=body, headers=ONE)
        assert refused(single) == (403, "view.not_allowed")
        for unnamed in (f"id=in.({out})", f"id=eq.{out}&title=eq.Out", "status=eq.published", f"and=(id.eq.{out})"):
            answer = await ben.call(method, f"/rest/v1/posts?{unnamed}", json=body, headers=BACK)
            assert (answer.status_code, answer.json()) == (200, []), unnamed
        unseen = await ben.call(method, f"/rest/v1/posts?id=eq.{draft}", json=body, headers=BACK)
        nobody = await ben.call(method, f"/rest/v1/posts?id=eq.{ben.id}", json=body, headers=BACK)
        assert (unseen.status_code, unseen.text) == (nobody.status_code, nobody.text) == (200, "[]")
    assert refused(await ann.call("DELETE", f"/rest/v1/posts?id=eq.{out}")) == (403, "view.not_allowed")
    assert await stored(backend) == ["Draft", "Out"]


async def test_a_bulk_write_leaves_alone_what_it_is_not_for(backend: Backend, ann: Person, ben: Person) -> None:
    await made(ann, title="Hers", status="published")
    await made(ben, title="His", status="published")
    answer = await ben.call("PATCH", "/rest/v1/posts?status=eq.published", json={"title": "New"}, headers=BACK)
    assert [(row["title"], row["edited_by"]) for row in answer.json()] == [("New", ben.id)]
    assert answer.headers["content-range"] == "0-0/*"
    assert await stored(backend) == ["Hers", "New"]


async def test_an_action_takes_its_own_columns_and_sets_its_own(backend: Backend, ann: Person) -> None:
    post = await made(ann, slug="a")
    assert await stored(backend, "owner::text, edited_by::text") == [(ann.id, None)]
    for columns in ({"slug": "b"}, {"owner": ann.id}, {"edited_by": None}):
        answer = await ann.call("PATCH", f"/rest/v1/posts?id=eq.{post}", json=columns)
        assert refused(answer) == (422, "input.invalid"), columns
    assert (await ann.post("/rest/v1/posts", {"title": "B", "owner": ann.id})).status_code == 422
    assert (await ann.call("PATCH", f"/rest/v1/posts?id=eq.{post}", json={"title": "C"})).status_code == 204
    assert await stored(backend, "title, owner::text, edited_by::text, slug") == [("C", ann.id, ann.id, "a")]


async def test_a_check_stands_in_place_of_the_filter(backend: Backend, ann: Person, ben: Person) -> None:
    post = await made(ann)
    own = await ann.call("PATCH", f"/rest/v1/posts?id=eq.{post}", json={"status": "published"})
    assert own.status_code == 204
    away = await ann.call("PATCH", f"/rest/v1/given?id=eq.{post}", json={"owner": ben.id}, headers=BACK)
    assert (away.status_code, away.json()) == (200, [])
    assert await stored(backend, "owner::text") == [ben.id]
    again = await ann.call("PATCH", f"/rest/v1/given?id=eq.{post}", json={"title": "B"}, headers=BACK)
    assert again.json() == []
    assert refused(await backend.client.post("/rest/v1/box", json={"title": "B", "status": "published"})) == (
        403, "access.row_outside",
    )  # fmt: skip
    assert len(await stored(backend)) == 1


async def test_a_written_row_that_the_caller_may_not_read_does_not_come_back(backend: Backend, ann: Person) -> None:
    for caller in (backend.client.post("/rest/v1/box", json={"title": "A"}, headers=BACK),
                   ann.post("/rest/v1/box", {"title": "B"}, headers=BACK)):  # fmt: skip
        answer = await caller
        assert (answer.status_code, answer.json()) == (201, [])
    headers = {"Prefer": "return=headers-only"}
    told = await backend.client.post("/rest/v1/box", json={"title": "C"}, headers=headers)
    assert (told.status_code, "location" in told.headers) == (201, False)
    counted = {"Prefer": "return=representation,count=exact"}
    rows = [{"title": "D", "status": "draft"}, {"title": "E", "status": "published"}]
    answer = await ann.post("/rest/v1/published", rows, headers=counted)
    assert [row["title"] for row in answer.json()] == ["E"]
    assert answer.headers["content-range"] == "*/2"
    csv = await ann.post("/rest/v1/published", {"title": "F"}, headers={"Accept": "text/csv", **BACK})
    assert csv.text == "id,title,slug,status"
    kept = await ann.call("DELETE", "/rest/v1/published?title=in.(D)", headers=BACK)
    assert (kept.json(), kept.headers["content-range"]) == ([], "*/*")
    named = await backend.sql("SELECT id FROM data.articles WHERE title IN ('D', 'E')")
    ids = ",".join(str(row["id"]) for row in named)
    gone = await ann.call("DELETE", f"/rest/v1/published?id=in.({ids})", headers=BACK)
    assert [row["title"] for row in gone.json()] == ["E"]
    assert await stored(backend) == ["A", "B", "C", "F"]
    single = await ann.post("/rest/v1/published", {"title": "G"}, headers=ONE)
    assert single.status_code == 406
    assert await stored(backend) == ["A", "B", "C", "F"]


async def test_the_rows_of_a_view_are_those_that_its_select_shows_everywhere(backend: Backend, ann: Person) -> None:
    for title, status in (("A", "draft"), ("B", "published")):
        assert (await ann.post("/rest/v1/published", {"title": title, "status": status})).status_code == 201
    await backend.sql("INSERT INTO data.notes (article) SELECT id FROM data.articles")
    read = await ann.get("/rest/v1/published?select=title", headers={"Prefer": "count=exact"})
    assert (read.json(), read.headers["content-range"]) == ([{"title": "B"}], "0-0/1")
    beside = await ann.get("/rest/v1/remarks?select=published(title)&order=published(title)")
    assert [row["published"] for row in beside.json()] == [{"title": "B"}, None]
    stranger = await backend.client.get("/rest/v1/remarks?select=published(title)")
    assert refused(stranger) == (401, "access.sign_in_required")
    assert (await backend.client.get("/rest/v1/remarks?select=posts(title)")).status_code == 200


@pytest.mark.parametrize("resolution", ["merge-duplicates", "ignore-duplicates"])
async def test_a_hit_on_an_unseen_row_answers_what_a_plain_insert_does(
    backend: Backend, ann: Person, ben: Person, resolution: str
) -> None:
    await made(ann, slug="hers")
    rows = [{"title": "B", "slug": "hers"}, [{"title": "C", "slug": "c"}, {"title": "B", "slug": "hers"}]]
    for body in rows:
        plain = await ben.post("/rest/v1/posts", body, headers=BACK)
        answer = await ben.post("/rest/v1/posts?on_conflict=slug", body, headers=prefer(resolution))
        assert (answer.status_code, plain.status_code) == (409, 409)
        told, without = answer.json(), plain.json()
        for one in (told, without):
            del one["request_id"]
        assert told == without
        assert [one["loc"] for one in told["errors"]] == [["slug"]]
    assert await stored(backend) == ["A"]


async def test_an_upsert_that_hits_a_row_which_is_only_seen_is_refused(
    backend: Backend, ann: Person, ben: Person
) -> None:
    post = await made(ann, slug="hers", status="published")
    rows = [{"title": "Other", "slug": "other"}, {"title": "B", "slug": "hers"}]
    merged = await ben.post("/rest/v1/posts?on_conflict=slug", rows, headers=prefer("merge-duplicates"))
    assert refused(merged) == (403, "view.not_allowed")
    put = await ben.call("PUT", "/rest/v1/posts?slug=eq.hers", json={"title": "B", "slug": "hers"})
    assert refused(put) == (403, "view.not_allowed")
    ignored = await ben.post("/rest/v1/posts?on_conflict=slug", rows, headers=prefer("ignore-duplicates"))
    assert [row["title"] for row in ignored.json()] == ["Other"]
    assert await stored(backend) == ["A", "Other"]
    own = {"title": "New", "slug": "hers", "status": "draft"}
    changed = await ann.post("/rest/v1/posts?on_conflict=slug", own, headers=prefer("merge-duplicates"))
    assert changed.status_code == 200
    assert [(row["id"], row["title"], row["edited_by"]) for row in changed.json()] == [(post, "New", ann.id)]


async def test_an_upsert_sets_in_a_row_that_is_there_what_an_update_may(backend: Backend, ann: Person) -> None:
    await made(ann, slug="a")
    body = {"title": "B", "slug": "a", "status": "published"}
    put = await ann.call("PUT", "/rest/v1/posts?slug=eq.a", json=body, headers=BACK)
    assert put.status_code == 200
    assert await stored(backend, "title, status, owner::text, edited_by::text") == [("B", "published", ann.id, ann.id)]
    new = await ann.call("PUT", "/rest/v1/posts?slug=eq.b", json={**body, "slug": "b"}, headers=BACK)
    assert (new.status_code, new.json()[0]["edited_by"]) == (201, None)


async def test_every_proposed_row_has_to_pass_what_an_insert_asks_first(backend: Backend, ann: Person) -> None:
    await backend.sql("INSERT INTO data.articles (title, slug, status) VALUES ('A', 'a', 'published')")
    bad = {"title": "B", "slug": "a", "status": "published"}
    answer = await ann.post("/rest/v1/box?on_conflict=slug", bad, headers=prefer("ignore-duplicates"))
    assert refused(answer) == (403, "access.row_outside")
    unseen = await ann.post("/rest/v1/box?on_conflict=slug", {**bad, "status": "draft"},
                            headers=prefer("ignore-duplicates"))  # fmt: skip
    assert refused(unseen) == (409, "db.unique")


async def test_who_may_insert_and_not_update_may_not_upsert(backend: Backend, ann: Person) -> None:
    rows = {"title": "A", "slug": "a"}
    merged = await ann.post("/rest/v1/edited?on_conflict=slug", rows, headers=prefer("merge-duplicates"))
    assert refused(merged) == (403, "access.role_missing")
    put = await ann.call("PUT", "/rest/v1/edited?slug=eq.a", json=rows)
    assert refused(put) == (403, "access.role_missing")
    assert await stored(backend) == []
    assert (await ann.post("/rest/v1/edited", rows)).status_code == 201


async def test_rows_of_one_request_that_are_the_same_are_ignored_but_for_the_first(
    backend: Backend, ann: Person
) -> None:
    rows = [{"title": "1", "slug": "a"}, {"title": "2", "slug": "a"}, {"title": "3", "slug": None},
            {"title": "4", "slug": None}]  # fmt: skip
    answer = await ann.post("/rest/v1/posts?on_conflict=slug", rows, headers=prefer("ignore-duplicates"))
    assert answer.status_code == 201, answer.text
    assert await stored(backend) == ["1", "3", "4"]


@pytest.mark.parametrize(
    ("view", "said"), [("dark", (400, "query.unsupported")), ("dim", (401, "access.sign_in_required"))]
)
async def test_a_write_holds_nothing_against_rows_for_who_may_not_read_them(
    backend: Backend, ann: Person, view: str, said: tuple[int, str]
) -> None:
    post = await made(ann, title="Secret", slug="a")
    tests = ("title=like.S*", f"id=eq.{post}&title=like.S*", f"or=(id.eq.{post},title.like.S*)", f"id=neq.{post}")
    for test in tests:
        for method, body in (("PATCH", {"title": "B"}), ("DELETE", None)):
            asked = await backend.client.request(method, f"/rest/v1/{view}?{test}", json=body)
            assert refused(asked) == said, (method, test)
    for slug in ("a", "b"):
        sent = {"title": "B", "slug": slug}
        compared = await backend.client.patch(f"/rest/v1/{view}?id=eq.{post}", json=sent)
        assert refused(compared) == said, slug
    assert await stored(backend) == ["Secret"]
    named = await backend.client.patch(f"/rest/v1/{view}?id=in.({post})", json={"title": "B"})
    assert (named.status_code, await stored(backend)) == (204, ["B"])
    assert (await backend.client.delete(f"/rest/v1/{view}")).status_code == 204
    assert await stored(backend) == []


async def test_what_a_write_compares_is_in_rows_that_the_caller_reads(backend: Backend, ann: Person) -> None:
    draft, out = await made(ann, title="Draft", slug="a"), await made(ann, title="Out", slug="b", status="published")
    bulk = await ann.call("PATCH", "/rest/v1/half?title=like.*", json={"title": "New"})
    assert (bulk.headers["content-range"], await stored(backend)) == ("0-0/*", ["Draft", "New"])
    for slug in ("a", "guess"):
        unseen = await ann.call("PATCH", f"/rest/v1/half?id=eq.{draft}", json={"title": "C", "slug": slug})
        assert (unseen.status_code, unseen.headers["content-range"]) == (204, "*/*"), slug
    seen = await ann.call("PATCH", f"/rest/v1/half?id=eq.{out}", json={"title": "C", "slug": "guess"})
    assert refused(seen) == (422, "db.immutable")
    (row,) = await backend.sql("SELECT created_at FROM data.articles WHERE slug = 'a'")
    for time in (row["created_at"].isoformat(), "2020-01-01T00:00:00Z"):
        merged = await ann.post("/rest/v1/half?on_conflict=slug", {"title": "C", "slug": "a", "created_at": time},
                                headers=prefer("merge-duplicates"))  # fmt: skip
        assert refused(merged) == (409, "db.unique"), time
    assert await stored(backend) == ["Draft", "New"]


async def test_a_rehearsal_tells_the_rules_of_the_action_and_the_rows_that_they_leave(
    backend: Backend, ann: Person, ben: Person
) -> None:
    post = await made(ann, title="Out", status="published")
    admin = await backend.admin()

    async def told(method: str, path: str, body: Any) -> Any:
        request = {"as": ben.id, "method": method, "path": f"/rest/v1/{path}", "body": body}
        if "?" in path:
            request["path"], request["query"] = request["path"].split("?")
        answer = await backend.client.post("/admin/v1/simulate", json=request, headers=admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    kept = await told("PATCH", f"posts?id=eq.{post}", {"title": "His"})
    stages = {one["stage"]: one for one in kept["trace"]}
    assert stages["authorize"]["access"] == "authenticated"
    seen = stages["execute"]
    assert (seen["rows_before_filter"], seen["rows_after_filter"], kept["status"]) == (1, 0, 403)
    assert [(one["field"], one["text"]) for one in seen["rules"]] == [("allow.update.filter", f"({SEEN}) && ({OWN})")]
    made_by_ben = await told("POST", "posts", {"title": "His"})
    (check,) = next(one for one in made_by_ben["trace"] if one["stage"] == "execute")["rules"]
    assert (check["field"], check["text"], made_by_ben["status"]) == ("allow.insert.check", OWN, 201)

"""The blog's whole story over HTTP, by people who write, read, follow, and try what isn't theirs."""

import re
from typing import Any

import httpx
import pytest_asyncio

from tests.backend import PASSWORD, Backend
from tests.turns import Turns

DOCUMENT = "blog.yaml"


@pytest_asyncio.fixture(loop_scope="module")
async def blog(turns: Turns) -> Backend:
    return await turns.next()


class Reader:
    """Somebody with a token, or without."""

    def __init__(self, backend: Backend, token: str | None = None) -> None:
        self.client, self.token = backend.client, token

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        more = {} if body is None else {"json": body}
        return await self.client.request(method, f"/api{path}", headers=headers, **more)

    async def found(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.call(method, path, body)
        assert answer.status_code == status, answer.text
        return answer.json()


async def joined(backend: Backend, name: str) -> Reader:
    user = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    made = await Reader(backend).found("POST", "/users", {"user": user}, 201)
    assert {**made["user"], "token": ""} == {
        "email": f"{name}@example.com", "username": name, "bio": None, "image": None, "token": "",
    }  # fmt: skip
    return Reader(backend, made["user"]["token"])


def article(title: str, *tags: str) -> dict[str, Any]:
    said = {"title": title, "description": "About it.", "body": "All of it.", "tagList": list(tags)}
    return {"article": said}


async def test_people_sign_up_sign_in_and_change_themselves(blog: Backend) -> None:
    ann = await joined(blog, "ann")
    again = {"user": {"username": "ann", "email": "other@example.com", "password": PASSWORD}}
    assert (await Reader(blog).call("POST", "/users", again)).status_code == 409
    entered = await Reader(blog).found(
        "POST", "/users/login", {"user": {"email": "ann@example.com", "password": PASSWORD}}
    )
    assert entered["user"]["username"] == "ann"
    wrong = {"user": {"email": "ann@example.com", "password": "wrong password"}}
    assert (await Reader(blog).call("POST", "/users/login", wrong)).status_code == 401
    changed = await ann.found("PUT", "/user", {"user": {"bio": "I write.", "image": "https://example.com/a.png"}})
    assert changed["user"]["bio"] == "I write."
    me = Reader(blog, changed["user"]["token"])
    said = (await me.found("GET", "/user"))["user"]
    assert (said["username"], said["image"]) == ("ann", "https://example.com/a.png")
    for nothing in ("", None):
        await me.found("PUT", "/user", {"user": {"bio": "Again.", "image": "https://example.com/b.png"}})
        for name in ("bio", "image"):
            said = (await me.found("PUT", "/user", {"user": {name: nothing}}))["user"]
            assert (said["username"], said[name]) == ("ann", None)
    assert (await me.call("PUT", "/user", {"user": {"username": None}})).status_code == 422
    for blank in ("email", "password"):
        body = {"user": {"email": "ann@example.com", "password": PASSWORD, blank: ""}}
        assert (await Reader(blog).call("POST", "/users/login", body)).status_code == 422
    assert (await Reader(blog).call("GET", "/user")).status_code == 401


async def test_an_article_is_written_shown_changed_and_gone(blog: Backend) -> None:
    ann, bob, stranger = await joined(blog, "ann"), await joined(blog, "bob"), Reader(blog)
    made = (await ann.found("POST", "/articles", article("How to Train", "dragons", "care", "care"), 201))["article"]
    assert (made["slug"], made["tagList"]) == ("how-to-train", ["care", "dragons"])
    assert made["author"] == {"username": "ann", "bio": None, "image": None, "following": False}
    assert (made["favorited"], made["favoritesCount"]) == (False, 0)
    assert await stranger.found("GET", "/articles/how-to-train") == {"article": made}
    assert await stranger.found("GET", "/tags") == {"tags": ["care", "dragons"]}
    twice = (await ann.found("POST", "/articles", article("How to train"), 201))["article"]
    assert re.fullmatch("how-to-train-[0-9a-f]{8}", twice["slug"])
    (listed, _) = (await stranger.found("GET", "/articles"))["articles"]
    assert listed == {name: value for name, value in twice.items() if name != "body"}
    change = {"article": {"title": "Another title"}}
    assert (await bob.call("PUT", "/articles/how-to-train", change)).status_code == 403
    assert (await stranger.call("PUT", "/articles/how-to-train", change)).status_code == 401
    changed = (await ann.found("PUT", "/articles/how-to-train", change))["article"]
    assert (changed["slug"], changed["body"]) == ("another-title", "All of it.")
    assert changed["tagList"] == ["care", "dragons"]
    for words in (["new", "care", "new"], []):
        tagged = (await ann.found("PUT", "/articles/another-title", {"article": {"tagList": words}}))["article"]
        assert (tagged["tagList"], tagged["slug"]) == (sorted({*words}), "another-title")
    taken = (await ann.found("PUT", f"/articles/{twice['slug']}", {"article": {"title": "Another title"}}))["article"]
    assert re.fullmatch("another-title-[0-9a-f]{8}", taken["slug"])
    assert (await bob.call("DELETE", "/articles/another-title")).status_code == 403
    assert (await ann.call("DELETE", "/articles/another-title")).status_code == 204
    assert (await stranger.call("GET", "/articles/another-title")).status_code == 404
    missing = await ann.call("POST", "/articles", {"article": {"title": ""}})
    assert {tuple(error["loc"]) for error in missing.json()["errors"]} == {
        ("body", "article", "title"), ("body", "article", "description"), ("body", "article", "body"),
    }  # fmt: skip


async def test_each_title_makes_an_address_at_which_the_article_is(blog: Backend) -> None:
    ann = await joined(blog, "ann")
    for title, begins in (("日本語", "article"), ("!!!", "article"), ("Feed", "feed"), ("Article", "article")):
        made = (await ann.found("POST", "/articles", article(title), 201))["article"]
        changed = (await ann.found("POST", "/articles", article("Plain"), 201))["article"]
        body = {"article": {"title": title}}
        changed = (await ann.found("PUT", f"/articles/{changed['slug']}", body))["article"]
        for one in (made, changed):
            assert re.fullmatch(f"{begins}-[0-9a-f]{{8}}", one["slug"])
            assert (await ann.found("GET", f"/articles/{one['slug']}")) == {"article": one}


async def test_lists_flags_and_pages_are_the_readers_own(blog: Backend) -> None:
    ann, bob = await joined(blog, "ann"), await joined(blog, "bob")
    for number in range(3):
        await ann.found("POST", "/articles", article(f"Ann {number}", "even" if number % 2 == 0 else "odd"), 201)
    await bob.found("POST", "/articles", article("Bob", "even"), 201)
    liked = (await bob.found("POST", "/articles/ann-1/favorite"))["article"]
    assert (liked["favorited"], liked["favoritesCount"]) == (True, 1)
    assert (await bob.found("POST", "/articles/ann-1/favorite"))["article"]["favoritesCount"] == 1
    assert (await ann.found("GET", "/articles/ann-1"))["article"]["favorited"] is False

    async def slugs(reader: Reader, query: str) -> tuple[list[str], int]:
        answer = await reader.found("GET", query)
        return [one["slug"] for one in answer["articles"]], answer["articlesCount"]

    assert await slugs(ann, "/articles") == (["bob", "ann-2", "ann-1", "ann-0"], 4)
    assert await slugs(ann, "/articles?limit=2&offset=1") == (["ann-2", "ann-1"], 4)
    assert await slugs(ann, "/articles?tag=even") == (["bob", "ann-2", "ann-0"], 3)
    assert await slugs(ann, "/articles?author=ann&tag=even") == (["ann-2", "ann-0"], 2)
    assert await slugs(ann, "/articles?favorited=bob") == (["ann-1"], 1)
    assert await slugs(ann, "/articles?author=nobody") == ([], 0)
    assert await slugs(ann, "/articles?favorited=nobody") == ([], 0)
    assert (await ann.call("GET", "/articles?limit=0")).status_code == 422

    assert await slugs(bob, "/articles/feed") == ([], 0)
    assert (await bob.found("POST", "/profiles/ann/follow"))["profile"]["following"] is True
    assert await slugs(bob, "/articles/feed?limit=1") == (["ann-2"], 3)
    assert (await bob.found("GET", "/articles/ann-0"))["article"]["author"]["following"] is True
    assert (await Reader(blog).found("GET", "/profiles/ann"))["profile"]["following"] is False
    assert (await bob.found("DELETE", "/profiles/ann/follow"))["profile"]["following"] is False
    assert (await bob.found("DELETE", "/articles/ann-1/favorite"))["article"]["favoritesCount"] == 0
    assert (await bob.call("POST", "/profiles/bob/follow")).json()["detail"] == "Nobody follows themselves."
    assert (await bob.call("POST", "/profiles/nobody/follow")).status_code == 404
    assert (await Reader(blog).call("GET", "/articles/feed")).status_code == 401


async def test_comments_belong_to_who_wrote_them(blog: Backend) -> None:
    ann, bob = await joined(blog, "ann"), await joined(blog, "bob")
    for title in ("One", "Two"):
        await ann.found("POST", "/articles", article(title), 201)
    made = (await bob.found("POST", "/articles/one/comments", {"comment": {"body": "Well."}}, 201))["comment"]
    assert (made["body"], made["author"]["username"]) == ("Well.", "bob")
    assert await Reader(blog).found("GET", "/articles/one/comments") == {"comments": [made]}
    assert await Reader(blog).found("GET", "/articles/two/comments") == {"comments": []}
    path = f"/articles/one/comments/{made['id']}"
    assert (await ann.call("DELETE", path)).status_code == 403
    assert (await bob.call("DELETE", path.replace("one", "two"))).status_code == 404
    assert (await bob.call("POST", "/articles/none/comments", {"comment": {"body": "x"}})).status_code == 404
    assert (await bob.call("DELETE", path)).status_code == 204
    assert await Reader(blog).found("GET", "/articles/one/comments") == {"comments": []}


async def test_nobody_reads_addresses_through_profiles(blog: Backend) -> None:
    await joined(blog, "ann")
    shown = await blog.client.get("/rest/v1/profiles")
    assert "example.com" not in shown.text
    for query in ("select=email", "email=like.*", "order=email"):
        assert (await blog.client.get(f"/rest/v1/profiles?{query}")).status_code == 400

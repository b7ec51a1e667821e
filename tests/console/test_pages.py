"""What stands at `/console`: one page for every path, files that are kept for ever, and the headers of both."""

import gzip
import re

import pytest

from app.console.pages import BUILT, NONCE, Page, page_of
from tests.backend import Backend

DOCUMENT = {"rowgate": 1}
ASSET = next(path.name for path in sorted((BUILT / "assets").iterdir()) if path.suffix == ".js")


def page(path: str, method: str = "GET", **headers: str) -> Page | None:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return page_of({"method": method, "path": path, "headers": given})


def headers_of(path: str, **headers: str) -> dict[str, str]:
    found = page(path, **headers)
    assert found is not None
    return {name.decode(): value.decode() for name, value in found.headers}


@pytest.mark.parametrize("path", ["/", "/consoles", "/admin/v1/console", "/console/assets/none.js"])
def test_nothing_else_is_a_page(path: str) -> None:
    assert page(path) is None


@pytest.mark.parametrize(
    "name", ["../pages.py", "..%2Fpages.py", "../../pages.py", "assets/../../pages.py", "assets/../index.html"]
)
def test_no_path_leads_out_of_what_was_built(name: str) -> None:
    found = page(f"/console/{name}")
    assert found is None or b'<div id="root">' in found.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_page_is_only_read(method: str) -> None:
    assert page("/console", method) is None


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/endpoints/x", "/console/no/such/page"])
def test_every_path_is_the_one_page_that_is_never_kept(path: str) -> None:
    found = page(path)
    assert found is not None
    assert b'<div id="root">' in found.body
    assert headers_of(path)["cache-control"] == "no-store"


def test_the_policy_lets_no_inline_script_and_no_other_host_in() -> None:
    policy = dict(part.strip().split(" ", 1) for part in headers_of("/console")["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in " ".join(policy.values())
    assert headers_of("/console")["x-frame-options"] == "DENY"


def test_each_answer_has_a_nonce_of_its_own_and_the_page_has_the_same() -> None:
    seen = set()
    for _ in range(2):
        found = page("/console")
        assert found is not None
        policy = dict(found.headers)[b"content-security-policy"].decode()
        (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", policy)
        assert f'nonce="{nonce}"'.encode() in found.body
        assert NONCE not in found.body
        seen.add(nonce)
    assert len(seen) == 2


def test_a_hashed_file_is_kept_for_ever_and_comes_compressed_to_who_takes_it() -> None:
    path = f"/console/assets/{ASSET}"
    plain, zipped = page(path), page(path, accept_encoding="br, gzip")
    assert plain is not None
    assert zipped is not None
    assert "immutable" in headers_of(path)["cache-control"]
    assert headers_of(path, accept_encoding="gzip")["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body == (BUILT / "assets" / ASSET).read_bytes()
    assert headers_of(path)["vary"] == "accept-encoding"


@pytest.mark.parametrize("name", sorted(path.name for path in (BUILT / "assets").iterdir()))
def test_every_file_that_was_built_is_answered(name: str) -> None:
    found = page(f"/console/assets/{name}")
    assert found is not None
    assert found.body == (BUILT / "assets" / name).read_bytes()


def test_the_page_names_only_files_that_are_there_and_no_other_host() -> None:
    text = (BUILT / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert named
    assert all(page(one) is not None and one.startswith("/console/assets/") for one in named)
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []


async def test_the_server_answers_with_it_and_with_problems_beside_it(own_backend: Backend) -> None:
    backend = own_backend
    shown = await backend.client.get("/console/views")
    head = await backend.client.head("/console/views")
    assert (shown.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-length"] == shown.headers["content-length"]
    missing = await backend.client.get("/console/assets/none.js")
    assert (missing.status_code, missing.json()["code"]) == (404, "route.not_found")
    assert (await backend.client.post("/console")).status_code == 404

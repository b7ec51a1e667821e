"""The page of docs/frontend.md as it stands there: in Chromium, against a listening server."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.backend import EXAMPLES, PASSWORD, serving
from tests.clients.chromium import BROWSER, page
from tests.clients.test_supabase_js import NODE, clients, listening

__all__ = ["clients"]
pytestmark = pytest.mark.skipif(NODE is None, reason="node and npm are not installed")
PAGE = (EXAMPLES.parent / "docs" / "frontend.md").read_text()
KEY = "rgp_the_key_of_my_notes"
TEXTS = "[...document.querySelectorAll('#notes li')].map((line) => line.textContent)"
WRONG = "document.getElementById('wrong').textContent"


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve the folder's files; gives the port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def submitted(form: str, button: str, **fields: str) -> str:
    """Give the script that fills in a form and sends it by one of its buttons."""
    fills = "".join(f"form.elements.{name}.value = {value!r};" for name, value in fields.items())
    return f"{{const form = document.getElementById({form!r}); {fills} form.querySelector({button!r}).click()}}"


@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
async def test_the_page_signs_up_writes_reads_and_deletes_and_no_other_origin_is_answered(
    migrated_url: str, tmp_path: Path, clients: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "node_modules").symlink_to(clients / "node_modules")
    (site / "index.html").write_text(block("html"))
    with served(site) as port:
        allowed = f"http://localhost:{port}"
        settings = {"cors_origins": allowed, "publishable_key": KEY}
        async with serving(migrated_url, "notes.yaml", **settings) as backend, listening(backend) as url:
            assert "'http://127.0.0.1:8000', " + f"'{KEY}'" in block("js")
            (site / "app.js").write_text(block("js").replace("http://127.0.0.1:8000", url))
            bob = await backend.sign_up("bob")
            assert (await bob.post("/api/notes", {"text": "Bob's"})).status_code == 201
            sign_up = submitted("enter", "[value=signUp]", email="ann@example.com", password=PASSWORD)
            async with page(tmp_path / "browser") as tab:
                await tab.open(f"http://127.0.0.1:{port}/")
                await tab.comes_to("typeof rowgate", "object")
                await tab.run(sign_up)
                await tab.comes_to(WRONG, "Failed to fetch")
                assert await backend.sql("SELECT email FROM data.users") == [("bob@example.com",)]

                await tab.open(f"{allowed}/")
                await tab.comes_to("typeof rowgate", "object")
                await tab.run(sign_up)
                await tab.comes_to("document.getElementById('enter').hidden", True)
                await tab.run(submitted("add", "button", text="Buy milk"))
                await tab.comes_to(TEXTS, ["Buy milk"])
                await tab.run(submitted("add", "button", text=""))
                await tab.comes_to(f"{WRONG} !== ''", True)
                await tab.run(submitted("add", "button", text="Call Bob"))
                await tab.comes_to(TEXTS, ["Buy milk", "Call Bob"])

                await tab.open(f"{allowed}/")
                await tab.comes_to(TEXTS, ["Buy milk", "Call Bob"])
                await tab.run("document.querySelector('#notes li').click()")
                await tab.comes_to(TEXTS, ["Call Bob"])
                await tab.run("document.getElementById('leave').click()")
                await tab.comes_to("document.getElementById('add').hidden", True)
                assert await tab.run(TEXTS) == []
            texts = await backend.sql("SELECT text FROM data.notes ORDER BY created_at")
            assert texts == [("Bob's",), ("Call Bob",)]

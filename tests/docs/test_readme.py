"""README's own words, and the first endpoint's: their stories run against the server that their own command serves."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.backend import serving
from tests.clients.test_supabase_js import listening
from tests.deploy.story import tell
from tests.places import new_place

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EMPTY = {"rowgate": 1}
COMMAND = re.compile(r"uv run -q --frozen (rowgate serve --start-with \S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server of README's command."""
    found = COMMAND.search(README)
    assert found is not None
    with served(found[1]) as (url, _):
        yield url


@contextmanager
def served(command: str) -> Iterator[tuple[str, str]]:
    """Serve, with the data in a folder whose name has a space, on a port of its own; gives the URL, and the token."""
    words = command.split()
    folder = new_place("rowgate readme ")
    with subprocess.Popen(
        [str(Path(sys.executable).parent / words[0]), *words[1:], "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "ROWGATE_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield address_of(process), setup_token(process)
        finally:
            process.terminate()
            process.wait(40)
    shutil.rmtree(folder)


def address_of(process: "subprocess.Popen[str]") -> str:
    """Wait until the server says where it listens."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Rowgate listens on "):
            return line.split()[-1]
    pytest.fail("".join(said))


def setup_token(process: "subprocess.Popen[str]") -> str:
    """Read the token that makes the first admin."""
    assert process.stdout is not None
    for line in process.stdout:
        if (found := re.search(r'"token": "([^"]+)"', line)) is not None:
            return found[1]
    pytest.fail("no token was printed")


def test_the_story_of_the_first_endpoint_goes_as_its_page_tells() -> None:
    page = ROOT / "docs" / "first-endpoint.md"
    assert "\nrowgate serve\n" in page.read_text()
    with served("rowgate serve") as (url, token):
        assert tell(url, page, token) == []


async def test_the_story_of_a_webhook_goes_as_its_page_tells(migrated_url: str) -> None:
    async with serving(migrated_url, EMPTY) as backend, listening(backend) as url:
        token = backend.app.server.auth.setup_token
        assert await asyncio.to_thread(tell, url, ROOT / "docs" / "webhooks.md", token, least=9) == []


def test_the_story_goes_as_it_is_told(server: str) -> None:
    assert tell(server) == []


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target

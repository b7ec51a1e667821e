"""README's own words: its story runs against the server that its own command serves."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.story import tell

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMAND = re.compile(r"uv run -q --frozen (rowgate serve --start-with \S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server of README's command, with its data in a folder whose name has a space, on a port of its own."""
    found = COMMAND.search(README)
    assert found is not None
    words = found[1].split()
    folder = tempfile.mkdtemp(prefix="rowgate readme ", dir="/tmp")
    with subprocess.Popen(
        [str(Path(sys.executable).parent / words[0]), *words[1:], "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "ROWGATE_DATA_DIR": folder},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield listening(process)
        finally:
            process.terminate()
            process.wait(40)
    shutil.rmtree(folder)


def listening(process: "subprocess.Popen[str]") -> str:
    """Wait until the server says where it listens."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Rowgate listens on "):
            return line.split()[-1]
    pytest.fail("".join(said))


def test_the_story_goes_as_it_is_told(server: str) -> None:
    assert tell(server) == []


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target

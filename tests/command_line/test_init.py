"""A document to begin with: refusals first, and what a wheel brings along."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.command import app as command_line
from app.cli.documents import check_file
from app.cli.init import SCHEMA, CantWrite
from app.cli.schema import schema_text
from tests.backend import EXAMPLES

ROOT = Path(__file__).parents[2]
INIT = "import app.cli.command as command\nprint(command.__file__)\ncommand.main()"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "backend.yaml").write_text("mine")
    refused = CliRunner().invoke(command_line, ["init"]).exception
    assert isinstance(refused, CantWrite)
    assert refused.detail == "backend.yaml is there already: nothing was written."
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"backend.yaml": "mine"}


def test_a_folder_that_is_not_there_is_a_sentence() -> None:
    refused = CliRunner().invoke(command_line, ["init", "nowhere/backend.yaml"]).exception
    assert isinstance(refused, CantWrite)
    assert refused.detail == "nowhere/backend.yaml can't be written: No such file or directory."


def test_an_example_that_there_is_not_is_told_which_there_are(tmp_path: Path) -> None:
    ended = CliRunner().invoke(command_line, ["init", "--example", "blogs"])
    assert (ended.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert ended.stderr == "There is no example 'blogs'. There are blog, clinic, documents, notes, shop, teams.\n"


@pytest.mark.parametrize(("words", "file", "example"), [
    ([], "backend.yaml", "notes"), (["my own.yaml", "--example", "blog"], "my own.yaml", "blog"),
])  # fmt: skip
def test_a_document_to_begin_with_is_sound_and_stands_beside_its_schema(
    tmp_path: Path, words: list[str], file: str, example: str
) -> None:
    ended = CliRunner().invoke(command_line, ["init", *words])
    assert ended.exit_code == 0
    assert ended.stdout.startswith(f"{file} is written, as the example {example}.\n")
    assert (tmp_path / file).read_text() == (EXAMPLES / f"{example}.yaml").read_text()
    assert (tmp_path / SCHEMA).read_text() == schema_text()
    assert check_file(tmp_path / file)[1] == []


def test_a_wheel_brings_the_examples_and_the_license(tmp_path: Path) -> None:
    built = tmp_path / "built"
    subprocess.run([Path(sys.executable).parent / "uv", "build", "-q", "--wheel", "-o", built, ROOT], check=True)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    (metadata,) = (tmp_path / "installed").glob("*.dist-info")
    assert (metadata / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    command = [sys.executable, "-c", INIT, "init", "--example", "shop"]
    installed = str(tmp_path / "installed")
    done = subprocess.run(command, check=True, env={"PYTHONPATH": installed}, capture_output=True, text=True)
    assert done.stdout.startswith(f"{installed}/app/")
    assert (tmp_path / "backend.yaml").read_text() == (EXAMPLES / "shop.yaml").read_text()

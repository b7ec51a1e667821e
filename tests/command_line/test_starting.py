"""What a start says before anything is made, and of what it has made; refusals first."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.changes.files import DocumentUnreadable
from app.changes.standing_start import Start
from app.cli import serving
from app.cli.command import app as command_line
from app.cli.documents import told
from app.cli.listening import CantListen, listening
from app.settings import Settings, SettingsInvalid, load_settings
from tests.backend import EXAMPLES, SECRET_KEY


@pytest.fixture
def nothing_yet(tmp_path: Path) -> Iterator[Settings]:
    """Settings of an embedded server that is still to be made, and is not made by the test."""
    data_dir = tmp_path / "data"
    yield load_settings(data_dir=data_dir, secret_key=SECRET_KEY)
    assert not data_dir.exists()


def test_a_port_in_use_is_a_sentence_before_a_cluster_is_made(nothing_yet: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CantListen, match=rf"^Port {port} of 127.0.0.1 is in use by another program\.$") as refused:
            serving.serve(nothing_yet, host="127.0.0.1", port=port, workers=1, start=Start())
    assert "--port 0" in str(refused.value.hint)


def test_an_address_that_is_not_this_machines_is_a_sentence(nothing_yet: Settings) -> None:
    with pytest.raises(CantListen, match=r"^Rowgate can't listen on port 8000 of 192\.0\.2\.1: cannot assign"):
        serving.serve(nothing_yet, host="192.0.2.1", port=8000, workers=1, start=Start())


@pytest.mark.parametrize("start", [Start(config=Path("/nowhere.yaml")), Start(start_with=Path("/nowhere.yaml"))])
def test_a_document_that_is_not_there_is_a_sentence_before_a_cluster_is_made(
    nothing_yet: Settings, start: Start
) -> None:
    with pytest.raises(DocumentUnreadable, match=r"^/nowhere\.yaml can't be read"):
        serving.serve(nothing_yet, host="127.0.0.1", port=0, workers=1, start=start)


@pytest.mark.parametrize("command", [["plan"], ["apply"], ["test"], ["test", "--isolation"]])
def test_a_command_whose_document_is_not_there_makes_no_cluster(
    nothing_yet: Settings, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWGATE_DATA_DIR", str(nothing_yet.data_dir))
    monkeypatch.setenv("ROWGATE_SECRET_KEY", SECRET_KEY)
    ended = CliRunner().invoke(command_line, [*command, "/nowhere.yaml"])
    assert isinstance(ended.exception, DocumentUnreadable)


async def test_a_port_that_another_takes_while_the_start_goes_on_is_the_same_sentence() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        """Serve nothing."""

    with listening("127.0.0.1", 0) as first:
        port = first[0].getsockname()[1]
        with listening("127.0.0.1", port) as second:
            first[0].listen()
            config = serving._config(app, "127.0.0.1", port)
            config.lifespan = "off"
            with pytest.raises(CantListen, match="is in use by another program"):
                await serving._Server(config, "").serve(second)


def test_every_address_of_a_name_has_the_same_port() -> None:
    with listening("localhost", 0) as sockets:
        assert len({one.getsockname()[1] for one in sockets}) == 1
        assert {one.family for one in sockets} >= {socket.AF_INET}


def test_a_password_for_no_role_is_refused_by_the_command_that_would_make_the_role(
    nothing_yet: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWGATE_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("ROWGATE_SERVE_PASSWORD", "some password")
    ended = CliRunner().invoke(command_line, ["migrate"])
    assert isinstance(ended.exception, SettingsInvalid)
    assert "should come with ROWGATE_SERVE_ROLE" in ended.exception.detail


def test_secrets_are_not_carried_over_to_the_key_that_sealed_them(
    nothing_yet: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWGATE_SECRET_KEY", SECRET_KEY)
    ended = CliRunner().invoke(command_line, ["rotate-secrets"], env={"ROWGATE_OLD_SECRET_KEY": SECRET_KEY})
    assert isinstance(ended.exception, SettingsInvalid)
    assert ended.exception.detail == "The old key is the one that is set."


async def test_the_first_start_says_in_a_few_words_what_it_defined(
    migrated_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(database_url=migrated_url, secret_key=SECRET_KEY)
    path = EXAMPLES / "documents.yaml"
    for start in (Start(start_with=path), Start(config=path)):
        await serving._prepare(settings, migrated_url, start)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"{path} defines the backend: 1 role, 1 table, 1 view, 4 middleware, 10 endpoints."
    assert others == [f"Its {others[0].split()[1]} tests pass.", f"Who gets in where: rowgate check {path}"]


def test_a_plan_names_what_apply_needs_for_what_it_destroys() -> None:
    made = {"changes": ["drop"], "destroys": ["notes", "plans.title"], "holds": [], "effects": [], "sql": []}
    said = told({**made, "written_out": [], "tests": {"failures": []}})
    assert "This destroys the data of notes, plans.title: apply needs --destroy notes --destroy plans.title." in said


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(command_line, ["--version"]).stdout == "rowgate 0.1.0\n"


def test_a_shell_completes_the_commands() -> None:
    asked = {"_ROWGATE_COMPLETE": "complete_bash", "COMP_WORDS": "rowgate cre", "COMP_CWORD": "1"}
    rowgate = Path(sys.executable).parent / "rowgate"
    done = subprocess.run([rowgate], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["create-admin", "create-key"]


def test_a_command_looks_through_nothing_that_it_made_as_it_ends() -> None:
    code = "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 10_000))\n"
    code += "from app.cli.command import main; sys.argv = ['rowgate', '--version']; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["rowgate 0.1.0", "True"]

"""`rowgate test` and its neighbours on the command line, on a database and through a running server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from app.cli import command as cli
from app.cli.server_client import RemoteServer
from tests.backend import SECRET_KEY
from tests.databases import cloned
from tests.policy.backend import backend, one

Rowgate = Callable[..., tuple[int, str, str]]
OPEN = "request: {path: /api/open}\nexpect: {status: %s}"
HIDDEN = """
as: bob
given: {users: [{id: alice}, {id: bob}], documents: [{id: plan, owner: alice, title: Plan}]}
request: {method: POST, path: "/api/documents/{plan}/title", body: {title: "\\e[1m<x>&"}}
expect: {status: %s}
"""


def document(folder: Path, name: str, *, status: int = 403, **changed: Any) -> str:
    """Write a document whose second test expects this status, and give its path."""
    tests = "\n".join([one(OPEN % 403, "closed"), one(HIDDEN % status, "hidden")])
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**backend(tests), **changed}, sort_keys=False))
    return str(path)


@pytest.fixture
def rowgate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_url: str) -> Rowgate:
    """Run the command in this process, on a database of the test's own."""
    monkeypatch.setenv("ROWGATE_DATABASE_URL", migrated_url)
    monkeypatch.setenv("ROWGATE_SECRET_KEY", SECRET_KEY)
    for name in ("ROWGATE_URL", "ROWGATE_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rowgate", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_test_that_fails_says_where_it_stands_what_came_and_which_rule_decided(
    rowgate: Rowgate, tmp_path: Path
) -> None:
    code, said, _ = rowgate("test", document(tmp_path, "wrong", status=200))
    assert code == 1
    assert said.startswith("ok    closed\nFAIL  hidden\n      tests/hidden\n")
    assert "expect.status: expected 200, and came 403 chain.refused: This document belongs to somebody else." in said
    assert "require at endpoints/rename.middleware/owns(owns).steps/1: refused with 403 chain.refused" in said
    assert '          document.owner = "{alice}"' in said
    assert "2 tests, 1 failed, in " in said
    assert "  endpoint rename: anonymous\n" in said


def test_tests_that_pass_are_done(rowgate: Rowgate, tmp_path: Path) -> None:
    code, said, _ = rowgate("test", document(tmp_path, "right"))
    assert (code, said.split("\n")[:2]) == (0, ["ok    closed", "ok    hidden"])
    code, said, _ = rowgate("test", document(tmp_path, "none", tests=[]))
    assert (code, said.split("\n")[0].split(",")[0]) == (0, "0 tests")


def test_a_document_that_is_not_sound_is_refused_with_its_findings(rowgate: Rowgate, tmp_path: Path) -> None:
    code, _, said = rowgate("test", document(tmp_path, "unsound", endpoints=[]))
    assert code == 1
    assert "tests/closed.request.path: nothing is served at /api/open" in said
    assert rowgate("test", str(tmp_path / "gone.yaml"))[0] == 1
    assert rowgate("test", "one", "two")[0] == 2
    code, _, said = rowgate("test", document(tmp_path, "right"), "--junit", str(tmp_path / "gone" / "junit.xml"))
    assert (code, "can't be written" in said) == (2, True)


def test_programs_read_json_and_ci_systems_junit(rowgate: Rowgate, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    code, said, _ = rowgate("test", document(tmp_path, "wrong", status=200), "--json", "--junit", str(junit))
    report = json.loads(said)
    assert (code, report["passed"], report["failed"]) == (1, 1, 1)
    assert report["tests"][1]["failures"][0]["expected"] == "200"
    assert report["coverage"]["untried"][0] == {
        "kind": "endpoint", "name": "rename", "action": None, "path": "POST /api/documents/{id}/title",
        "caller": "anonymous",
    }  # fmt: skip
    root = ElementTree.parse(junit).getroot()
    (suite,) = root
    assert (root.tag, suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("testsuites", "2", "1", "0")
    closed, hidden = suite.findall("testcase")
    assert (closed.get("name"), list(closed)) == ("closed", [])
    (failure,) = hidden
    assert (failure.tag, failure.get("type")) == ("failure", "test.failed")
    assert "decided by:" in (failure.text or "")
    assert float(hidden.get("time") or "x") >= 0


def test_what_an_answer_holds_does_not_break_the_xml(rowgate: Rowgate, tmp_path: Path) -> None:
    answer = {"do": "respond", "body": {"text": "<a>\u0001 & \x1b[1m ]]>"}}
    endpoint = {"name": "odd", "method": "GET", "path": "/odd", "access": "public", "steps": [answer]}
    test = {"name": "odd", "request": {"path": "/api/odd"}, "expect": {"status": 200, "body": {"text": "<b>"}}}
    junit = tmp_path / "junit.xml"
    path = tmp_path / "odd.yaml"
    path.write_text(json.dumps({"rowgate": 1, "endpoints": [endpoint], "tests": [test]}))
    assert rowgate("test", str(path), "--junit", str(junit))[0] == 1
    (failure,) = ElementTree.parse(junit).getroot().iter("failure")
    assert '"<b>"' in (failure.get("message") or "")


def test_apply_changes_nothing_where_a_test_fails_and_plan_says_so(rowgate: Rowgate, tmp_path: Path) -> None:
    wrong = document(tmp_path, "wrong", status=200)
    code, said, _ = rowgate("plan", wrong)
    assert (code, "A test fails, tests/hidden: expect.status: expected 200, and came 403" in said) == (0, True)
    code, _, said = rowgate("apply", wrong)
    assert (code, said.split("\n")[0]) == (1, "A test fails, and nothing was changed.")
    assert "tests/hidden: expect.status: expected 200" in said
    assert "decided by the step require at endpoints/rename" in said
    assert rowgate("export")[1].strip() == "rowgate: 1"
    assert rowgate("apply", document(tmp_path, "right"))[0] == 0
    assert rowgate("test")[0] == 0
    assert "name: hidden" in rowgate("export")[1]


def test_a_server_does_not_start_on_a_document_whose_test_fails(rowgate: Rowgate, tmp_path: Path) -> None:
    code, _, said = rowgate("serve", "--port", "0", "--config", document(tmp_path, "wrong", status=200))
    assert (code, said.split("\n")[0]) == (1, "A test fails, and nothing was changed.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export"], "rowgate: 1"),
        (["types"], "export type Database"),
        (["openapi"], '"openapi":"3.1.0"'),
        (["audit", "verify"], "The audit log is what was written: 0 rows."),
    ],
)
def test_what_reads_a_backend_finds_none_in_a_database_that_is_new(
    rowgate: Rowgate, monkeypatch: pytest.MonkeyPatch, fresh_database_url: str, words: list[str], said: str
) -> None:
    monkeypatch.setenv("ROWGATE_DATABASE_URL", fresh_database_url)
    code, out, err = rowgate(*words)
    assert (code, said in out, err) == (0, True, "")


def test_a_key_is_made_for_no_other_admin_role_than_there_are(rowgate: Rowgate) -> None:
    code, _, err = rowgate("create-key", "--name", "mine", "--admin-role", "root")
    assert (code, err) == (2, "The admin role is one of viewer, editor, owner.\n")


@pytest.fixture(scope="module")
def server(embedded_server: Any, migrated_template: str) -> Iterator[tuple[str, str, str]]:
    """A running server: its URL, and the keys of an editor and of a viewer."""
    for url in cloned(embedded_server, migrated_template):
        environment = {**os.environ, "ROWGATE_DATABASE_URL": url, "ROWGATE_SECRET_KEY": SECRET_KEY}
        environment["ROWGATE_CONFIRM_EMAIL"] = "false"
        rowgate = str(Path(sys.executable).parent / "rowgate")
        keys = [
            subprocess.run(
                [rowgate, "create-key", "--name", role, "--admin-role", role],
                env=environment, capture_output=True, text=True, check=True,
            ).stdout.strip()
            for role in ("editor", "viewer")
        ]  # fmt: skip
        with subprocess.Popen(
            [rowgate, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                said = re.search(r"http://\S+", process.stdout.readline())
                assert said is not None
                yield said[0], keys[0], keys[1]
            finally:
                process.terminate()
                process.wait(40)


def test_all_of_it_works_through_a_running_server(
    rowgate: Rowgate, server: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, editor, viewer = server
    monkeypatch.setenv("ROWGATE_URL", url)
    wrong, right = document(tmp_path, "wrong", status=200), document(tmp_path, "right")
    code, said, _ = rowgate("test", wrong, "--key", viewer)
    assert (code, "FAIL  hidden" in said) == (1, True)
    assert "A test fails, tests/hidden" in rowgate("plan", wrong, "--key", viewer)[1]
    code, _, said = rowgate("apply", wrong, "--key", editor)
    assert (code, said.split("\n")[0]) == (1, "A test fails, and nothing was changed.")
    assert "tests/hidden: expect.status: expected 200" in said
    code, _, said = rowgate("apply", right, "--key", viewer)
    assert (code, "at least editor" in said) == (1, True)
    code, said, _ = rowgate("apply", right, "--key", editor)
    assert (code, said.strip().endswith("The definitions are at revision 1.")) == (0, True)
    assert rowgate("test", "--key", viewer, "--json")[0] == 0
    exported = yaml.safe_load(rowgate("export", "--key", viewer)[1])
    assert exported == json.loads(rowgate("export", "--key", viewer, "--json")[1])
    assert [test["name"] for test in exported["tests"]] == ["closed", "hidden"]
    unsound = document(tmp_path, "unsound", endpoints=[])
    code, _, said = rowgate("plan", unsound, "--key", viewer)
    assert (code, "tests/closed.request.path: nothing is served at /api/open" in said) == (1, True)
    # The database of the settings was not touched by any of it.
    monkeypatch.delenv("ROWGATE_URL")
    assert rowgate("export")[1].strip() == "rowgate: 1"


def test_apply_through_a_server_is_refused_where_somebody_else_was_faster(
    rowgate: Rowgate, server: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, editor, _ = server
    sent = []

    def stale(self: Any, method: str, path: str, **more: Any) -> Any:
        sent.append((method, path))
        if method == "PUT":
            more["headers"] = {"If-Match": '"999"'}
        return real(self, method, path, **more)

    real = RemoteServer.ask
    monkeypatch.setattr(RemoteServer, "ask", stale)
    code, _, said = rowgate("apply", document(tmp_path, "right"), "--url", url, "--key", editor, "--destroy", "a b")
    assert sent == [("GET", "/config"), ("PUT", "/config?destroy=a+b&allow_wider=false")]
    assert (code, "not at 999 any more" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--url", "http://127.0.0.1:1"), 2),
        (("--key", "rgk_x"), 2),
        (("--url", "http://127.0.0.1:1", "--key", "rgk_x"), 1),
        (("--url", "file:///etc/passwd", "--key", "rgk_x"), 1),
    ],
)
def test_a_server_is_named_with_its_key_and_has_to_be_there(
    rowgate: Rowgate, words: tuple[str, ...], code: int
) -> None:
    for command in ("export", "test"):
        assert rowgate(command, *words)[0] == code

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.changes.files import DocumentUnreadable, dump_json, dump_yaml, load_file, load_text
from app.cli.command import app
from app.cli.documents import check_file
from app.definitions.project import dump_project, parse_project
from app.definitions.stored import Stored


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "line 1"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' stands twice"),
        ("a: &x 1\nb: *x\n", "line 1, column 4: anchors"),
        ("[" * 50 + "]" * 50, "nested too deep"),
        ("? [a]\n: 1", "a key has to be a plain word"),
        ("a: !!python/object/apply:os.system ['true']", "line 1"),
        ("a: \x00", "YAML doesn't have"),
    ],
)
def test_a_document_that_is_broken_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(DocumentUnreadable) as raised:
        load_text(text)
    assert says in raised.value.detail


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(DocumentUnreadable, match="line 2: the document is not UTF-8"):
        load_text(b"a: 1\nb: \xff")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentUnreadable, match=r"nothing\.yaml can't be read"):
        load_file(tmp_path / "nothing.yaml")


def test_words_stay_words_and_json_is_a_document_too() -> None:
    assert load_text("{a: yes, b: no, c: on, d: 2026-01-01, e: 1:30, g: true, h: ~, i: 1.5, j: -3}") == {
        "a": "yes", "b": "no", "c": "on", "d": "2026-01-01", "e": "1:30", "g": True, "h": None,
        "i": 1.5, "j": -3,
    }  # fmt: skip
    assert load_text('{"a": [1, null, "x"]}') == {"a": [1, None, "x"]}


def test_a_finding_in_an_expression_shows_it_with_a_caret(tmp_path: Path) -> None:
    document = tmp_path / "backend.yaml"
    rule = "row.ownr_user_id == auth.user.id"
    table = "{name: notes, columns: [{name: owner_user_id, type: user}]}"
    view = f"{{name: mine, table: notes, columns: [id], filter: {rule}}}"
    document.write_text(f"rowgate: 1\ntables: [{table}]\nviews: [{view}]\n")
    _, (finding,) = check_file(document)
    assert finding.place == "views/mine.filter:1:5"
    assert finding.excerpt == f"{rule}\n    ^"
    assert "did you mean owner_user_id?" in str(finding.hint)
    said = CliRunner().invoke(app, ["check", str(document)])
    assert said.exit_code == 1
    assert f"    {rule}\n        ^\n" in said.output


def test_an_export_reads_as_a_person_writes_it() -> None:
    columns = [{"type": "text", "values": None, "name": "title", "required": True, "unique": True}]
    steps = [{"message": "No.", "that": "true", "do": "require"}, {"do": "respond"}]
    tags = ["a", "b-c", "1.5"]
    endpoint = {"steps": steps, "tags": tags, "access": {"roles": ["r"]}, "path": "/e", "method": "GET", "name": "e"}
    table = {"indexes": [["title", "created_at"]], "columns": columns, "name": "notes"}
    document = {"endpoints": [endpoint], "tables": [table], "roles": [{"name": "r"}], "rowgate": 1}
    project, findings = parse_project(document)
    assert project is not None, findings
    text = dump_yaml(Stored(project))
    assert (
        text
        == """\
rowgate: 1
roles:
- name: r
tables:
- name: notes
  columns:
  - name: title
    type: text
    required: true
    unique: true
  indexes:
  - [title, created_at]
endpoints:
- name: e
  tags:
  - a
  - b-c
  - '1.5'
  method: GET
  path: /e
  access:
    roles: [r]
  steps:
  - do: require
    message: No.
    that: 'true'
  - do: respond
"""
    )
    assert load_text(text) == load_text(dump_json(Stored(project))) == dump_project(project)


def test_check_names_the_secrets_that_a_document_needs_without_a_database(tmp_path: Path) -> None:
    called = {"do": "http", "method": "POST", "url": "https://a.example.com/x"}
    told = {
        "rowgate": 1,
        "auth": {"providers": [
            {"name": "acme", "issuer": "https://id.example.com", "client_id": "me", "client_secret": "OF_PROVIDER"},
        ]},
        "middleware": [
            {"name": "asks", "steps": [{**called, "headers": {"Authorization": "=secrets.OF_HEADER"}}]},
        ],
        "endpoints": [
            {"name": "tell", "method": "POST", "path": "/tell", "access": "public", "middleware": ["asks"],
             "steps": [{**called, "after": "commit", "sign": "OF_SIGN"}, {"do": "respond"}]},
            {"name": "hear", "method": "POST", "path": "/hear", "access": "public", "steps": [
                {"do": "verify_signature", "scheme": "github", "secret": "OF_SENDER"}, {"do": "respond"}]},
        ],
    }  # fmt: skip
    document = tmp_path / "backend.json"
    document.write_text(json.dumps(told))
    said = CliRunner().invoke(app, ["check", str(document), "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output)["secrets"] == ["OF_HEADER", "OF_PROVIDER", "OF_SENDER", "OF_SIGN"]
    shown = CliRunner().invoke(app, ["check", str(document)]).output
    assert "It needs the secrets OF_HEADER, OF_PROVIDER, OF_SENDER, OF_SIGN: rowgate check can't see" in shown
    document.write_text(json.dumps({"rowgate": 1}))
    assert "It needs" not in CliRunner().invoke(app, ["check", str(document)]).output

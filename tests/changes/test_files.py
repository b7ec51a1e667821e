from pathlib import Path

import pytest

from app.changes.files import DocumentUnreadable, load_file, load_text


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
    assert load_text("{a: yes, b: no, c: on, d: 2026-01-01, e: 1:30, f: 0o7, g: true, h: ~, i: 1.5, j: -3}") == {
        "a": "yes", "b": "no", "c": "on", "d": "2026-01-01", "e": "1:30", "f": "0o7", "g": True, "h": None,
        "i": 1.5, "j": -3,
    }  # fmt: skip
    assert load_text('{"a": [1, null, "x"]}') == {"a": [1, None, "x"]}

"""The parser is loaded by tables that are kept: those of the grammar that is installed, or else it is made anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

from app.expressions import grammar

TEXTS = [
    'row.owner == auth.user.id && !("draft" in row.tags) || now - row.at > duration("720h")',
    "a ? b : c ? -1 : 2u",
    "x.map(y, y > 1, y * 2)[0].z",
    '{"a": [1, 2.5e3, 0x1F], "b": null, "c": true, "d": false}',
    'r\'raw\' + """long\ntext""" + b\'\\x00\' // what follows is left out',
    "has(a.b) && size(a.c) % 2 != 0",
    "a.b{c: 1}",
    ".a.b(c)",
]
REFUSED = ["a &&", "a b", "(a", "a = b", "#", "[1, 2", "true ?", "1 in (2, 3)", "'", "a..b"]


@pytest.fixture
def _anew() -> Iterator[None]:
    grammar.parser.cache_clear()
    yield
    grammar.parser.cache_clear()


def said(parser: Lark, text: str) -> object:
    try:
        return parser.parse(text)
    except UnexpectedInput as error:
        return type(error), error.line, error.column


def test_the_kept_tables_are_of_the_installed_grammar() -> None:
    kept, made = grammar.parser(), grammar.made()
    assert grammar.are_current(), "make reference writes them anew"
    for text in TEXTS:
        assert kept.parse(text) == made.parse(text)
    for text in REFUSED:
        refused = said(kept, text)
        assert isinstance(refused, tuple)
        assert refused == said(made, text)


@pytest.mark.usefixtures("_anew")
@pytest.mark.parametrize("kept", [None, b"", b"of another grammar or version", bytes(32) + b"not a pickle"])
def test_without_tables_of_this_grammar_the_parser_is_made_of_it(
    kept: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar, "TABLES", tmp_path / "cel.tables")
    if kept is not None:
        grammar.TABLES.write_bytes(kept)
    assert not grammar.are_current()
    assert grammar.parser().parse(TEXTS[0]) == grammar.made().parse(TEXTS[0])

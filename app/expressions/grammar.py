"""The grammar of CEL, as celpy ships it, made a parser: of the tables beside this file, which take a while to make."""

import functools
import hashlib
import io
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lark
from lark import Lark, Token

TABLES = Path(__file__).with_name("cel.tables")


def _word(token: Token) -> Token:
    """Make a boolean of two words that the grammar takes for names."""
    return Token.new_borrow_pos("BOOL_LIT", token.value, token) if token.value in ("true", "false") else token


_OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "start": "expr",
    "g_regex_flags": re.M,
    "lexer_callbacks": {"IDENT": _word},
    "propagate_positions": True,
    "maybe_placeholders": False,
    "priority": "invert",
}


@functools.cache
def parser() -> Lark:
    """Give the parser: by the tables that are kept, if they are of this grammar and this version of Lark."""
    return Lark.load(io.BytesIO(_kept()[len(_key()) :])) if are_current() else made()


def are_current() -> bool:
    """Say whether the tables that are kept are of this grammar and this version of Lark."""
    return _kept().startswith(_key())


def made() -> Lark:
    """Make the parser of the grammar."""
    return Lark(_grammar(), **_OPTIONS)


def tables() -> bytes:
    """Make the tables that `parser` reads: behind their key a pickle, which is as trusted as the code beside it."""
    kept = io.BytesIO()
    made().save(kept)
    return _key() + kept.getvalue()


def _kept() -> bytes:
    return TABLES.read_bytes() if TABLES.is_file() else b""


@functools.cache
def _grammar() -> str:
    """Read the grammar without importing celpy, most of which is not asked for here."""
    found = find_spec("celpy")
    if found is None or not found.submodule_search_locations:
        msg = "celpy is not installed"
        raise ImportError(msg)
    return Path(found.submodule_search_locations[0], "cel.lark").read_text("utf-8")


def _key() -> bytes:
    return hashlib.sha256(f"{lark.__version__} {_OPTIONS | {'lexer_callbacks': ''}} {_grammar()}".encode()).digest()

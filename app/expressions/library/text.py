"""Functions of texts; positions count characters from 0, as in CEL's strings extension."""

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.expressions.library.formatting import formatted
from app.expressions.library.ranges import CONTAINS, LOWER, OVERLAPS, UPPER
from app.expressions.library.signature import Function, function, method, plain, sql_position
from app.expressions.operations import Unknown, check_built
from app.expressions.types import BOOL, BYTES, DYN, INT, LIST, MAP, STRING, ListOf, Scalar

if TYPE_CHECKING:
    from app.expressions.syntax import Node

MAX_PATTERN = 1_000
_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TO_LOWER, _TO_UPPER = str.maketrans(_UPPER, _LOWER), str.maketrans(_LOWER, _UPPER)
# What Unicode calls white space; written out, so that both halves cut the same.
_SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_SQL_SPACES = "".join(f"\\{ord(character):04X}" for character in _SPACES)
_NO_SLUG = re.compile("[^a-z0-9]+")


@functools.lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """Compile an RE2 pattern of at most 1,000 characters; one that RE2 refuses is an error."""
    import re2  # noqa: PLC0415 - 3 MiB, for definitions that have a pattern

    if len(text) > MAX_PATTERN:
        raise Unknown(f"a pattern has at most {MAX_PATTERN:,} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(text, options)
    except re2.error:
        raise Unknown("this is no RE2 pattern") from None


def _matches(text: str, written: str) -> bool:
    return pattern(written).search(text) is not None


def _inside(text: str, position: int) -> None:
    if not 0 <= position <= len(text):
        raise Unknown("the position is outside the text")


def _char_at(text: str, position: int) -> str:
    _inside(text, position)
    return text[position : position + 1]


def _index_of(text: str, wanted: str, start: int = 0) -> int:
    _inside(text, start)
    return text.find(wanted, start)


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    _inside(text, start)
    _inside(text, end)
    if end < start:
        raise Unknown("the end of a substring lies before its start")
    return text[start:end]


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    count = text.count(old) if limit < 0 else min(limit, text.count(old))
    check_built(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new, count)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator:
        return text.split(separator, -1 if limit < 0 else limit - 1)
    characters = list(text)
    return characters if limit < 0 else [*characters[: limit - 1], *filter(None, ["".join(characters[limit - 1 :])])]


def _join(texts: list[str], separator: str = "") -> str:
    if not all(isinstance(text, str) for text in texts):
        raise Unknown("only texts can be joined")
    check_built(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _slugify(text: str) -> str:
    plain_text = unicodedata.normalize("NFKD", text.replace("\u00df", "ss")).encode("ascii", "ignore").decode()
    return _NO_SLUG.sub("-", plain_text.lower()).strip("-")


def _sql_char_at(texts: Sequence[str], _nodes: "Sequence[Node]") -> str:
    text, at = texts
    return f"(CASE WHEN {at} BETWEEN 0 AND char_length({text}) THEN substr({text}, {sql_position(at)} + 1, 1) END)"


def _sql_substring(texts: Sequence[str], _nodes: "Sequence[Node]") -> str:
    text, start = texts[:2]
    first = sql_position(start)
    if len(texts) == 2:
        return f"(CASE WHEN {start} BETWEEN 0 AND char_length({text}) THEN substr({text}, {first} + 1) END)"
    end = texts[2]
    inside = f"{start} BETWEEN 0 AND {end} AND {end} <= char_length({text})"
    return f"(CASE WHEN {inside} THEN substr({text}, {first} + 1, {sql_position(end)} - {first}) END)"


def _sql_replace(texts: Sequence[str], nodes: "Sequence[Node]") -> str | None:
    # Of an empty part to replace Postgres leaves the text alone, and CEL puts the new one between all characters.
    return f"replace({', '.join(texts)})" if getattr(nodes[1], "value", "") else None


_SIZE = (
    plain((STRING,), INT, len, "char_length({0})::bigint"),
    plain((BYTES,), INT, len, "octet_length({0})::bigint"),
    plain((LIST,), INT, len, lambda texts, nodes: _sql_size(texts[0], nodes[0])),
    plain((MAP,), INT, len),
)


def _sql_size(text: str, node: "Node") -> str | None:
    flat = isinstance(node.type, ListOf) and isinstance(node.type.element, Scalar) and node.type.element != DYN
    return f"cardinality({text})::bigint" if flat else None


FUNCTIONS: tuple[Function, ...] = (
    Function("size", True, True, _SIZE, "The number of characters, bytes, elements or keys."),
    method(
        "startsWith",
        "Whether the text begins with another.",
        plain((STRING, STRING), BOOL, str.startswith, "starts_with({0}, {1})"),
    ),
    method(
        "endsWith",
        "Whether the text ends with another.",
        plain((STRING, STRING), BOOL, str.endswith, "(right({0}, char_length({1})) = {1})"),
    ),
    method(
        "contains",
        "Whether another text stands in it; whether a value is in a range.",
        plain((STRING, STRING), BOOL, str.__contains__, "(strpos({0}, {1}) > 0)"),
        *CONTAINS,
    ),
    Function(
        "matches",
        True,
        True,
        (plain((STRING, STRING), BOOL, _matches),),
        "Whether an RE2 pattern matches a part.",
        literal=pattern,
    ),
    method(
        "lowerAscii",
        "The text with the letters A to Z in lower case.",
        plain((STRING,), STRING, lambda text: text.translate(_TO_LOWER), f"translate({{0}}, '{_UPPER}', '{_LOWER}')"),
    ),
    method(
        "upperAscii",
        "The text with the letters a to z in upper case.",
        plain((STRING,), STRING, lambda text: text.translate(_TO_UPPER), f"translate({{0}}, '{_LOWER}', '{_UPPER}')"),
    ),
    method("overlaps", "Whether some value is in both ranges.", *OVERLAPS),
    function(
        "lower",
        "The text in lower case; where a range begins, null where it has no beginning.",
        plain((STRING,), STRING, str.lower),
        *LOWER,
    ),
    function(
        "upper",
        "The text in upper case; where a range ends, null where it has no end.",
        plain((STRING,), STRING, str.upper),
        *UPPER,
    ),
    method(
        "trim",
        "The text without white space at either end.",
        plain((STRING,), STRING, lambda text: text.strip(_SPACES), f"btrim({{0}}, U&'{_SQL_SPACES}')"),
    ),
    method(
        "replace",
        "The text with another in the place of a part, everywhere or at most so many times.",
        plain((STRING, STRING, STRING), STRING, _replace, _sql_replace),
        plain((STRING, STRING, STRING, INT), STRING, _replace),
    ),
    method(
        "split",
        "The parts between a separator, at most so many.",
        plain((STRING, STRING), ListOf(STRING), _split),
        plain((STRING, STRING, INT), ListOf(STRING), _split),
    ),
    method(
        "join",
        "The texts of a list, one after the other, with a separator between them.",
        plain((ListOf(STRING),), STRING, _join),
        plain((ListOf(STRING), STRING), STRING, _join),
        walks=True,
    ),
    method(
        "substring",
        "The part from a position up to another, or to the end.",
        plain((STRING, INT), STRING, _substring, _sql_substring),
        plain((STRING, INT, INT), STRING, _substring, _sql_substring),
    ),
    method(
        "indexOf",
        "Where another text first stands, from a position on; -1 if nowhere.",
        plain((STRING, STRING), INT, _index_of, "(strpos({0}, {1}) - 1)::bigint"),
        plain((STRING, STRING, INT), INT, _index_of),
    ),
    method(
        "charAt",
        "The character at a position; none at the end.",
        plain((STRING, INT), STRING, _char_at, _sql_char_at),
    ),
    method(
        "format",
        "The text with the values of a list in the places of %s %d %f %e %x %o %b.",
        plain((STRING, LIST), STRING, formatted),
        walks=True,
    ),
    function(
        "slugify", "The text as part of an address: lower case, digits and hyphens.", plain((STRING,), STRING, _slugify)
    ),
)

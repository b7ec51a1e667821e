"""The pieces that the dialect's texts are made of: lists, quoted values, names, numbers."""

import re
from collections.abc import Iterator

from app.data_plane.rest.dialect.refusals import QueryRefused, RangeInvalid

MAX_LIST = 10_000
MAX_PARTS = 1_000  # of select: a row of Postgres has 1,664 columns, those that it is ordered by among them
MAX_DEPTH = 50
MAX_OFFSET = 10**9

# A column, in quotes or not, or a path into its JSON, whose keys stand in quotes where they hold what else means
# something.
QUOTED = r'"(?:[^"\\]|\\.)*"'
OPERAND = rf"(?:[A-Za-z_]\w*|{QUOTED})(?:->>?(?:{QUOTED}|[^.,:()\">]+))*"
# A text in quotes: a whole element, what stands behind an operator, or a key of JSON. Any other quote is a character.
# Then an array behind an operator, whose elements may be quoted, too.
_QUOTED_PIECE = rf"(?:(?<=[,(.])|^){QUOTED}(?=[,)]|$)|(?<=>){QUOTED}"
_ARRAY_PIECE = rf'\.\{{(?:{QUOTED}|[^}}"])*\}}|\.\{{[^}}]*\}}'
_OTHER_PIECE = '[^",().]+|.'
_PIECE = re.compile(f"{_QUOTED_PIECE}|{_ARRAY_PIECE}|{_OTHER_PIECE}", re.DOTALL)
# Where no array can end any more, looking for its end at each `.{` would take the square of the text's length.
_LAST_PIECE = re.compile(f"{_QUOTED_PIECE}|{_OTHER_PIECE}", re.DOTALL)
_WHOLE = re.compile(QUOTED, re.DOTALL)
_UNCLEAR = "A list has an empty part, or parentheses that don't close."
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split(text: str, most: int = MAX_PARTS) -> list[str]:
    """Split at commas that stand outside of parentheses, quotes and arrays, and no further than is taken."""
    parts = [part.strip() for part in split_as_is(text, most)]
    if "" in parts:
        raise QueryRefused(_UNCLEAR)
    return parts


def split_as_is(text: str, most: int = MAX_PARTS) -> list[str]:
    """Split so, and leave parts that are empty, and the spaces around them: of a value they are a part."""
    parts, depth, start = [], 0, 0
    for match in _pieces(text):
        piece = match[0]
        depth += (piece == "(") - (piece == ")")
        if depth < 0:
            break
        if depth > MAX_DEPTH:
            raise QueryRefused(f"Parentheses stand at most {MAX_DEPTH} deep.")
        if piece == "," and depth == 0:
            parts.append(text[start : match.start()])
            start = match.end()
            if len(parts) == most:
                raise QueryRefused(f"A list has at most {most:,} values.")
    parts.append(text[start:])
    if depth:
        raise QueryRefused(_UNCLEAR)
    return parts


def _pieces(text: str) -> Iterator[re.Match[str]]:
    at, last_end = 0, text.rfind("}")
    while (match := (_PIECE if at < last_end else _LAST_PIECE).match(text, at)) is not None:
        yield match
        at = match.end()


def listed(text: str) -> tuple[str, ...]:
    """Read the list behind `in`."""
    text = text.strip()
    if not (text.startswith("(") and text.endswith(")")):
        raise QueryRefused("in takes a list in parentheses: status=in.(draft,submitted).")
    inside = text[1:-1].lstrip()
    return tuple(unquoted(part) for part in split_as_is(inside, MAX_LIST)) if inside else ()


def unquoted(part: str) -> str:
    """Give the value of a part that may stand in quotes, with spaces around them."""
    bare = part.strip()
    return _ESCAPED.sub(r"\1", bare[1:-1]) if _WHOLE.fullmatch(bare) else part


def number(text: str, what: str) -> int:
    """Read a limit or an offset; raises RangeInvalid."""
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MAX_OFFSET:
        raise RangeInvalid(f"{what} should be a whole number from 0 to {MAX_OFFSET}.")
    return int(text)

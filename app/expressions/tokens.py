"""The parts of an expression's text, found by one linear scan: texts, spaces and remarks, words, and single marks."""

import re
from collections.abc import Iterator

# A string ends where the parser's own lexer would end it: a backslash always takes the next character along, in a raw
# string too. That lexer takes exponential time on a string without an end, so such text must never reach it.
_TOKEN = re.compile(
    r"""(?P<string>[bB]?[rR]?(?:\"{3}(?:[^"\\]|\\[\s\S]|"(?!""))*\"{3}|'{3}(?:[^'\\]|\\[\s\S]|'(?!''))*'{3}
        |"(?!"")(?:[^"\\\n]|\\[^\n])*"|'(?!'')(?:[^'\\\n]|\\[^\n])*'))
      |(?P<quote>["'])|(?P<space>[\t\n\f\r\ ]+|//[^\n]*)|(?P<word>[A-Za-z0-9_]+)|(?P<mark>[\s\S])""",
    re.VERBOSE,
)


def tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield every part in order; `lastgroup` is `string`, `quote` (one without an end), `space`, `word` or `mark`."""
    return _TOKEN.finditer(text)


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Give the line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def offset_of(text: str, line: int, column: int) -> int:
    """Give the offset of a line and column."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start + column - 1

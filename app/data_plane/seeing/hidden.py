"""The credentials in a request's query and path, which what is told of it leaves out."""

import re

from app.errors import RowgateError
from app.http.query_string import query_pairs
from app.steps.redaction import REDACTED, hidden_in, is_hidden

_LOGIC = frozenset({"or", "and"})
# A test of the PostgREST dialect: `column.not.operator(modifier).value`.
_TEST = re.compile(
    r'([\w">-]+)\.(?:not\.)?[a-z]+(?:\(\w+\))?\.(\([^()]*\)|"(?:[^"\\]|\\.)*"|\{[^{}]*\}|[^,()]*)', re.ASCII
)
_PARTS = re.compile(r'[^,(){}"*%]+')
_SCHEME = re.compile(r"(?:bearer|basic|token)\s+(.+)", re.IGNORECASE)


def hidden_in_query(query: bytes) -> set[str]:
    """Give the texts of a query that stand under hidden names, alone, tested, or inside `or` and `and`."""
    try:
        pairs = query_pairs(query) if query else []
    except RowgateError:
        return set()
    found = hidden_in(dict(pairs))
    for name, value in pairs:
        tests = value if name.rpartition(".")[2] in _LOGIC else f"{name}.{value}"
        for column, tested in _TEST.findall(tests):
            if is_hidden(column):
                found |= hidden_in(_PARTS.findall(tested), column)
        if scheme := _SCHEME.fullmatch(value):
            found.add(scheme[1])
    return found


def shown_path(path: str, template: str | None) -> str:
    """Give a path without what stands in the places that an endpoint's template gives hidden names."""
    if template is None:
        return path
    wanted = template.split("/")
    parts = path.split("/")
    first = len(parts) - len(wanted)
    hidden = {first + at for at, part in enumerate(wanted) if part.startswith("{") and is_hidden(part[1:-1])}
    return "/".join(REDACTED if at in hidden else part for at, part in enumerate(parts))

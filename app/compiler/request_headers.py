"""Headers that rules ask of `request.headers` by a name that none of them ever has there."""

from collections.abc import Iterator

from app.expressions import syntax
from app.expressions.problems import Problem, excerpt
from app.http.header_names import CREDENTIALS
from app.relations.findings import Findings
from app.relations.names import RAW_REQUEST, REQUEST

_PATH = "request.headers"


def check_request_headers(findings: Findings) -> None:
    """Find names of headers that aren't in lower case, or are a credential's; what is stored so goes on as it did."""
    for place, expression in findings.checked:
        # What stands in a middleware was checked there, and once is enough.
        if "(" in place or not any(path.startswith(_PATH) for path in expression.paths):
            continue
        for name, node in dict(_names(expression.tree)).items():
            wrong = _wrong(name)
            if wrong is not None:
                message, hint = wrong
                shown = excerpt(expression.text, Problem(node.line, node.column, message))
                findings.report(place, message, hint, excerpt=shown, stricter=True)


def _wrong(name: str) -> tuple[str, str] | None:
    """Give why no header is there by this name, and what to write; None where one may be."""
    if name != name.lower():
        return f"no header is called {name!r} here", f"write {name.lower()!r}: all names are in lower case"
    if name.encode() in CREDENTIALS:
        return f"{name!r} is not among the headers that rules see", "what it says of the caller is auth"
    return None


def _names(tree: syntax.Node) -> Iterator[tuple[str, syntax.Node]]:
    """Yield the names by which headers are asked for, each with where."""
    for node in syntax.walk(tree):
        match node:
            case syntax.Index(operand=headers, index=syntax.Literal(value=str() as name)) if _are_headers(headers):
                yield name, node
            case syntax.Field(operand=headers, name=name) | syntax.Has(operand=headers, name=name):
                if _are_headers(headers):
                    yield name, node
            case syntax.Binary(operator="in", left=syntax.Literal(value=str() as name), right=headers):
                if _are_headers(headers):
                    yield name, node


def _are_headers(node: syntax.Node) -> bool:
    match node:
        case syntax.Field(name="headers", operand=operand):
            return operand.type in (REQUEST, RAW_REQUEST)
    return False

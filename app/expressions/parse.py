"""Text to tree: the bounds are held by a linear scan before the parser sees a character."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from app.expressions import syntax
from app.expressions.foreign import sign_hint, word_hint
from app.expressions.grammar import parser
from app.expressions.problems import ExpressionErrors, Problem
from app.expressions.tokens import offset_of, place_of, tokens
from app.expressions.types import BOOL, BYTES, DOUBLE, INT, NULL, STRING

MAX_LENGTH = 4_096
MAX_DEPTH = 64
_REMEMBERED, SHORT = 4_096, 400  # trees, of texts of so many characters at most
MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})

_LIST_IN = re.compile(r"\bin\s*\([^()]*$")
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]?))")
_PLAIN = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip
_WRAPPERS = frozenset(
    {"expr", "conditionalor", "conditionaland", "relation", "addition", "multiplication"}
    | {"unary", "member", "primary", "paren_expr"}
)
_OPERATORS = {
    "relation_lt": "<", "relation_le": "<=", "relation_gt": ">", "relation_ge": ">=", "relation_eq": "==",
    "relation_ne": "!=", "relation_in": "in", "addition_add": "+", "addition_sub": "-",
    "multiplication_mul": "*", "multiplication_div": "/", "multiplication_mod": "%",
}  # fmt: skip
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def parse(text: str) -> syntax.Node:
    """Parse CEL text of at most 4,096 characters and 64 levels; anything else raises ExpressionErrors.

    The same short text is parsed once: a project says few rules, each of them often.
    """
    return _remembered(text) if len(text) <= SHORT else _parsed(text)


def forget() -> None:
    """Forget what was parsed."""
    _remembered.cache_clear()


def _parsed(text: str) -> syntax.Node:
    _scan(text)
    try:
        tree = parser().parse(text)
    except UnexpectedInput as error:
        raise ExpressionErrors([_syntax_problem(text, error)]) from None
    return _node(tree, 1)


_remembered = functools.lru_cache(_REMEMBERED)(_parsed)


def _refuse(line: int, column: int, message: str, code: str = "expression.syntax", hint: str | None = None) -> NoReturn:
    raise ExpressionErrors([Problem(line, column, message, hint, code)])


def _syntax_problem(text: str, error: UnexpectedInput) -> Problem:
    line, column = max(error.line or 1, 1), max(error.column or 1, 1)
    if isinstance(error, UnexpectedCharacters):
        offset = offset_of(text, line, column)
        found = text[offset]
    else:
        token = getattr(error, "token", None)
        if token is None or token.type == "$END":
            return Problem(line, column, "the expression ends too early", None, "expression.syntax")
        found, offset = str(token)[:40], offset_of(text, line, column)
    return Problem(line, column, f"{found!r} is not expected here", _written_so(text, offset), "expression.syntax")


def _written_so(text: str, offset: int) -> str | None:
    """Say how what stands at an offset is written here, or the word before it, if it comes from another language."""
    if text[offset] == "," and _LIST_IN.search(text[:offset]):
        return word_hint("in")
    words = [token for token in tokens(text) if token.lastgroup == "word" and token.start() <= offset]
    near = [token for token in words[-2:] if not text[token.end() : offset].strip(" (")]
    hints = (word_hint(token.group()) for token in reversed(near))
    return sign_hint(text, offset) or next((hint for hint in hints if hint), None)


def _scan(text: str) -> None:
    if len(text) > MAX_LENGTH:
        _refuse(1, 1, f"the expression has more than {MAX_LENGTH:,} characters", "expression.bounds")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        _refuse(1, 1, "the expression holds a NUL or half of a surrogate pair")
    if not text.strip():
        _refuse(1, 1, "the expression is empty")
    for depth, position in _depths(text):
        if depth > MAX_DEPTH:
            line, column = place_of(text, position)
            _refuse(line, column, f"the expression is nested more than {MAX_DEPTH} levels deep", "expression.bounds")


def _depths(text: str) -> Iterator[tuple[int, int]]:
    """Yield an upper bound of the nesting at each token: open brackets and `?`, signs in a row, members in a chain."""
    stack = [0]
    signs = chain = 0
    for match in tokens(text):
        found, kind = match.group(), match.lastgroup
        if kind == "quote":
            line, column = place_of(text, match.start())
            _refuse(line, column, "this string has no end", hint="close it with the same quote, on the same line")
        if kind == "space":
            continue
        signs = signs + 1 if found in ("!", "-") else 0
        chain = _chain(chain, found, kind == "mark")
        _nest(stack, found)
        yield sum(stack) + len(stack) - 1 + signs + chain, match.start()


def _chain(chain: int, found: str, mark: bool) -> int:
    if mark and found in ".[":
        return chain + 1
    return 0 if mark and found not in "()]" else chain


def _nest(stack: list[int], found: str) -> None:
    if found in ("(", "[", "{"):
        stack.append(0)
    elif found in (")", "]", "}") and len(stack) > 1:
        stack.pop()
    elif found == "?":
        stack[-1] += 1
    elif found == ",":
        stack[-1] = 0


def _node(tree: Any, depth: int) -> syntax.Node:
    while tree.data in _WRAPPERS and len(tree.children) == 1:
        tree = tree.children[0]
    if depth > MAX_DEPTH:
        _refuse(
            tree.meta.line,
            tree.meta.column,
            f"the expression is nested more than {MAX_DEPTH} levels deep",
            "expression.bounds",
        )
    build = _BUILDERS.get(tree.data, _foreign)
    return build(tree, depth + 1)


def _foreign(tree: Any, _depth: int) -> syntax.Node:
    return _refuse(tree.meta.line, tree.meta.column, "this form of CEL is not part of the language")


def _conditional(tree: Any, depth: int) -> syntax.Node:
    condition, then, otherwise = (_node(child, depth) for child in tree.children)
    return syntax.Conditional(
        line=tree.meta.line, column=tree.meta.column, condition=condition, then=then, otherwise=otherwise
    )


def _logic(tree: Any, depth: int) -> syntax.Node:
    items: list[object] = []
    rest = tree
    while rest.data == tree.data and len(rest.children) == 2:
        rest, item = rest.children
        items.append(item)
    nodes = tuple(_node(item, depth) for item in (rest, *reversed(items)))
    operator = "||" if tree.data == "conditionalor" else "&&"
    return syntax.Logic(line=tree.meta.line, column=tree.meta.column, operator=operator, items=nodes)


def _binary(tree: Any, depth: int) -> syntax.Node:
    operator, right = tree.children
    return syntax.Binary(
        line=tree.meta.line,
        column=tree.meta.column,
        operator=_OPERATORS[operator.data],
        left=_node(operator.children[0], depth),
        right=_node(right, depth),
    )


def _unary(tree: Any, depth: int) -> syntax.Node:
    operator = "!" if tree.children[0].data == "unary_not" else "-"
    operand = _node(tree.children[1], depth)
    return syntax.Unary(line=tree.meta.line, column=tree.meta.column, operator=operator, operand=operand)


def _name(tree: Any, _depth: int) -> syntax.Node:
    (token,) = tree.children
    return syntax.Name(line=token.line, column=token.column, name=str(token))


def _field(tree: Any, depth: int) -> syntax.Node:
    operand, token = tree.children
    return syntax.Field(line=token.line, column=token.column, operand=_node(operand, depth), name=str(token))


def _index(tree: Any, depth: int) -> syntax.Node:
    operand, index = (_node(child, depth) for child in tree.children)
    return syntax.Index(line=index.line, column=index.column, operand=operand, index=index)


def _arguments(children: list[Any], depth: int) -> tuple[syntax.Node, ...]:
    return tuple(_node(child, depth) for listed in children for child in listed.children)


def _function(tree: Any, depth: int) -> syntax.Node:
    token, *listed = tree.children
    arguments = _arguments(listed, depth)
    if token == "has":  # noqa: S105 - the name of a macro
        return _has(token, arguments)
    return syntax.FunctionCall(
        line=token.line, column=token.column, function=str(token), arguments=arguments, method=False
    )


def _has(token: Token, arguments: tuple[syntax.Node, ...]) -> syntax.Node:
    if len(arguments) == 1 and isinstance(arguments[0], syntax.Field):
        field = arguments[0]
        return syntax.Has(line=field.line, column=field.column, operand=field.operand, name=field.name)
    return _refused(token, "has() takes one field, as in has(input.title)")


def _method(tree: Any, depth: int) -> syntax.Node:
    target, token, *listed = tree.children
    operand = _node(target, depth)
    arguments = _arguments(listed, depth)
    if token in MACROS:
        return _comprehension(token, operand, arguments)
    return syntax.FunctionCall(
        line=token.line, column=token.column, function=str(token), arguments=(operand, *arguments), method=True
    )


def _comprehension(token: Token, operand: syntax.Node, arguments: tuple[syntax.Node, ...]) -> syntax.Node:
    match arguments:
        case (syntax.Name(name=variable), body):
            condition = None
        case (syntax.Name(name=variable), condition, body) if token == "map":  # noqa: S105 - the name of a macro
            pass
        case _:
            return _refused(token, f"{token}() takes a variable and an expression, as in {token}(x, x > 1)")
    return syntax.Comprehension(
        line=token.line or 1,
        column=token.column or 1,
        macro=str(token),
        operand=operand,
        variable=variable,
        body=body,
        condition=condition,
    )


def _refused(token: Token, message: str) -> NoReturn:
    raise ExpressionErrors([Problem(token.line or 1, token.column or 1, message, None, "expression.syntax")])


def _list(tree: Any, depth: int) -> syntax.Node:
    items = _arguments(tree.children, depth)
    return syntax.ListLiteral(line=tree.meta.line, column=tree.meta.column, items=items)


def _map(tree: Any, depth: int) -> syntax.Node:
    nodes = _arguments(tree.children, depth)
    entries = tuple(zip(nodes[::2], nodes[1::2], strict=True))
    return syntax.MapLiteral(line=tree.meta.line, column=tree.meta.column, entries=entries)


def _literal(tree: Any, _depth: int) -> syntax.Node:
    (token,) = tree.children
    place = {"line": token.line, "column": token.column}
    match token.type:
        case "BOOL_LIT":
            return syntax.Literal(**place, type=BOOL, value=str(token).startswith("t"))
        case "NULL_LIT":
            return syntax.Literal(**place, type=NULL, value=None)
        case "INT_LIT":
            return syntax.Literal(**place, type=INT, value=_integer(token))
        case "FLOAT_LIT":
            return syntax.Literal(**place, type=DOUBLE, value=_double(token))
        case "BYTES_LIT":
            return syntax.Literal(**place, type=BYTES, value=_bytes(token))
        case "UINT_LIT":
            return _refused(token, "unsigned numbers are not part of the language")
    return syntax.Literal(**place, type=STRING, value=_string(token))


def _integer(token: Token) -> int:
    value = int(token, 16 if "x" in token else 10)
    if not _INT_MIN <= value <= _INT_MAX:
        _refused(token, "this number does not fit in 64 bits")
    return value


def _double(token: Token) -> float:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        _refused(token, "this number does not fit in a double")
    return value


def _body(written: str) -> tuple[str, bool]:
    """Cut the quotes off a string literal and say whether it is raw."""
    quoted = written.lstrip("bBrR")
    prefix = written[: len(written) - len(quoted)]
    width = 3 if quoted[:3] in ('"""', "'''") else 1
    return quoted[width:-width], "r" in prefix.lower()


def _string(token: Token) -> str:
    body, raw = _body(str(token))
    value = body if raw else _ESCAPE.sub(lambda match: _character(token, match), body)
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        _refused(token, "a string can hold neither a NUL nor half of a surrogate pair")
    return value


def _character(token: Token, match: re.Match[str]) -> str:
    two, four, eight, octal, plain = match.groups()
    if plain is not None:
        if plain not in _PLAIN:
            _refused(token, f"\\{plain} is no escape")
        return _PLAIN[plain]
    code = int(octal, 8) if octal else int(two or four or eight, 16)
    if code > 0x10FFFF:
        _refused(token, "this escape is no character")
    return chr(code)


def _bytes(token: Token) -> bytes:
    body, raw = _body(str(token))
    parts: list[bytes] = []
    position = 0
    for match in () if raw else _ESCAPE.finditer(body):
        parts.append(body[position : match.start()].encode())
        if match.group(2) or match.group(3):
            _refused(token, "\\u is no escape of bytes")
        character = _character(token, match)
        parts.append(character.encode() if match.group(5) is not None else bytes([ord(character)]))
        position = match.end()
    return b"".join((*parts, body[position:].encode()))


_BUILDERS: dict[str, Callable[[Any, int], syntax.Node]] = {
    "expr": _conditional,
    "conditionalor": _logic,
    "conditionaland": _logic,
    "relation": _binary,
    "addition": _binary,
    "multiplication": _binary,
    "unary": _unary,
    "ident": _name,
    "member_dot": _field,
    "member_index": _index,
    "member_dot_arg": _method,
    "ident_arg": _function,
    "list_lit": _list,
    "map_lit": _map,
    "literal": _literal,
}

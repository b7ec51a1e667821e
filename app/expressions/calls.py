"""The check of a call: which function, and which of its signatures the arguments fit."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.errors import near
from app.expressions import syntax
from app.expressions.foreign import function_hint
from app.expressions.library.table import NAMESPACES, TABLE
from app.expressions.named import rule_call
from app.expressions.operations import EvaluationError
from app.expressions.parse import MACROS
from app.expressions.types import DYN, STRING, describe

if TYPE_CHECKING:
    from app.expressions.check import Checker


def function_call(checker: "Checker", node: syntax.FunctionCall) -> syntax.Node:
    """Type a call by the signatures that its arguments fit."""
    if not node.method and (rule := checker.scope.rules.get(node.function)) is not None:
        return rule_call(checker, node, rule)
    node = _qualified(checker, node)
    arguments = tuple(checker.node(argument) for argument in node.arguments)
    node = dataclasses.replace(node, arguments=arguments)
    function = TABLE.get(node.function)
    if function is None:
        known = (*TABLE, *MACROS, "has", *checker.scope.rules)
        message = f"there is no function {node.function[:64]!r}"
        cure = function_hint(node.function) or near(node.function, known)
        checker.report(node, message, cure, "unknown_function")
        return node
    if not (function.method if node.method else function.function):
        way = f"{node.function}(x)" if node.method else f"x.{node.function}()"
        checker.report(node, f"{node.function} is written {way}", None, "unknown_function")
        return node
    kinds = tuple(argument.type for argument in arguments)
    fitting = [(overload, result) for overload in function.overloads if (result := overload.fits(kinds)) is not None]
    if not fitting:
        given = ", ".join(describe(kind) for kind in kinds)
        checker.report(node, f"{node.function} doesn't take ({given})", function.doc)
        return node
    _check_literal(checker, node, function.literal)
    if all(kind != DYN for kind in kinds):
        fitting = fitting[:1]
    results = {result for _, result in fitting}
    overloads = tuple(overload for overload, _ in fitting)
    return dataclasses.replace(node, overloads=overloads, type=results.pop() if len(results) == 1 else DYN)


def _qualified(checker: "Checker", node: syntax.FunctionCall) -> syntax.FunctionCall:
    """Read `math.abs(x)` as a call of the function `math.abs`, unless something here is called `math`."""
    match node:
        case syntax.FunctionCall(method=True, arguments=(syntax.Name(name=space), *rest)) if space in NAMESPACES:
            if space in checker.scope.names or space in checker.variables:
                return node
            return dataclasses.replace(node, function=f"{space}.{node.function}", arguments=tuple(rest), method=False)
    return node


def _check_literal(checker: "Checker", node: syntax.FunctionCall, read: Callable[[str], Any] | None) -> None:
    """Read now what depends on one literal alone: a pattern, a time zone, or the text of a date, a UUID, a duration."""
    last = node.arguments[-1]
    if read is None or not isinstance(last, syntax.Literal) or last.type != STRING:
        return
    try:
        read(last.value)
    except (EvaluationError, ValueError, OverflowError) as error:
        detail = error.detail if isinstance(error, EvaluationError) else f"this string is no {node.function}"
        checker.report(last, detail)

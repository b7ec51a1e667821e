"""Rules over the input: all are tried, and those that fail are one 422 that names every field."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.definitions.inputs import RuleDef
from app.errors import FieldError
from app.expressions.check import Expression, Scope
from app.expressions.evaluate import compile_condition
from app.expressions.types import Record
from app.relations.findings import Findings
from app.relations.rules import deciding_expression
from app.steps.refusals import InputRefused

_DEFAULT = "This value is not allowed here."
_SUMMARY = "The input doesn't hold to the rules."


def checked_inputs(
    rules: Sequence[RuleDef], place: str, scope: Scope, findings: Findings
) -> list[tuple[Expression, FieldError]] | None:
    """Check rules, each with what it says where it doesn't hold; None after findings."""
    compiled = []
    fields = scope.names.get("input")
    for index, rule in enumerate(rules):
        if rule.field is not None and isinstance(fields, Record) and rule.field not in fields.fields:
            findings.unknown(f"{place}/{index}.field", "input", rule.field, list(fields.fields))
        expression = deciding_expression(f"{place}/{index}.rule", rule.rule, scope, findings)
        if expression is not None:
            loc = ("input",) if rule.field is None else ("input", rule.field)
            error = FieldError(loc, "input.rule", rule.message or _DEFAULT)
            compiled.append((expression, error))
    return None if len(compiled) < len(rules) else compiled


def compile_rules(
    rules: Sequence[RuleDef], place: str, scope: Scope, findings: Findings
) -> Callable[[Mapping[str, object]], None] | None:
    """Compile rules over the input to one function that raises `InputRefused`; None after findings."""
    checked = checked_inputs(rules, place, scope, findings)
    if checked is None:
        return None
    compiled = [(compile_condition(expression), error) for expression, error in checked]

    def check(env: Mapping[str, Any]) -> None:
        refuse([error for holds, error in compiled if not holds(env)])

    return check


def refuse(failed: Sequence[FieldError]) -> None:
    """Raise the refusal that names all that failed, if anything did."""
    if failed:
        raise InputRefused(failed[0].message if len(failed) == 1 else _SUMMARY, errors=failed)

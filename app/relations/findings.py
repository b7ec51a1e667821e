"""Findings as they are gathered: an expression's problems get the place of the field that holds it."""

from collections.abc import Callable
from dataclasses import replace

from app.errors import Finding, near
from app.expressions.check import Expression, ExpressionErrors, Scope, check
from app.expressions.nulls import sure_where, unanswered
from app.expressions.problems import Problem, excerpt
from app.expressions.types import BOOL, Type


class Findings:
    """The list that one check fills; `checked` are the expressions that were sound, with their places.

    `secrets` are the names of those that what was checked needs.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.found: list[Finding] = []
        self.checked: list[tuple[str, Expression]] = []
        self.secrets: list[str] = []

    def report(
        self,
        place: str,
        message: str,
        hint: str | None = None,
        code: str = "definition.invalid",
        excerpt: str | None = None,
        *,
        stricter: bool = False,
    ) -> None:
        """Add a finding; one that is `stricter` leaves what it is about compiled as it was before the rule came."""
        self.found.append(Finding(place, message, hint, code, excerpt, stricter))

    @property
    def refusing(self) -> int:
        """Count the findings that refuse what is stored too: a part during which more came up was not compiled."""
        return sum(not finding.stricter for finding in self.found)

    def harden(self, hardens: Callable[[Finding], bool], since: int = 0) -> None:
        """Take some of the findings from `since` on as refusing: what they are about could not be compiled."""
        self.found[since:] = [
            replace(finding, stricter=finding.stricter and not hardens(finding)) for finding in self.found[since:]
        ]

    def unknown(self, place: str, what: str, name: str, known: "list[str] | tuple[str, ...]") -> None:
        """Add the finding that a name is not known, with the near match or what there is."""
        hint = near(name, known) or (
            f"there are {', '.join(sorted(known)[:20])}" if known else f"there is no {what} yet"
        )
        self.report(place, f"unknown {what} {name!r}", hint)

    def condition(self, place: str, text: str, scope: Scope) -> Expression | None:
        """Check a condition, in which what stands for `==` and `row.` may be left out; None after findings."""
        # In a middleware a bare name means what it means there, whatever the chain around it has bound.
        bare = scope if "(" not in place else scope.only(scope.rows)
        return self.expression(place, text, scope, BOOL, bare=bare)

    def expression(
        self, place: str, text: str, scope: Scope, expected: Type | None = None, *, bare: Scope | None = None
    ) -> Expression | None:
        """Check an expression; its problems become findings at `place:line:column`, and then there is none."""
        try:
            checked = check(text.removeprefix("="), scope, expected, bare=bare)
        except ExpressionErrors as errors:
            self.problems(place, text, errors)
            return None
        self.checked.append((place, checked))
        return checked

    def sure_since(self, since: int) -> frozenset[str]:
        """Give the inputs that have a value where all conditions hold that were checked since."""
        return frozenset().union(*(sure_where(one.tree, holds=True) for _, one in self.checked[since:]))

    def answered(self, place: str, expression: Expression, scope: Scope) -> None:
        """Report operations of a value that have no answer where what they need may be null: they'd be a 500."""
        for one in {one.path: one for one in reversed(list(unanswered(expression.tree, scope)))}.values():
            message = f"{one.path} may be null, of which {one.operation} has no answer: the request would fail"
            required = (
                "say required: true of what was left out, or of what it compares (a default may be left out even so)"
            )
            hint = f"{required}, or write {one.path} == null ? … : …"
            shown = excerpt(expression.text, Problem(one.node.line, one.node.column, message))
            self.report(place, message, hint, "expression.null", shown, stricter=True)

    def problems(self, place: str, text: str, errors: ExpressionErrors) -> None:
        """Add the problems of an expression; a leading `=` of the field counts as a column."""
        shift = 1 if text.startswith("=") else 0
        for problem in errors.problems:
            column = problem.column + (shift if problem.line == 1 else 0)
            shown = excerpt(text.removeprefix("="), problem)
            self.report(f"{place}:{problem.line}:{column}", problem.message, problem.hint, problem.code, shown)

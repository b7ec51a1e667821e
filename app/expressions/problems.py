"""What can be wrong with an expression's text: the place, the sentence, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import RowgateError


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of an expression; `line` and `column` count from 1 in characters."""

    line: int
    column: int
    message: str
    hint: str | None = None
    code: str = "expression.type"

    def __str__(self) -> str:
        """Print the problem on one line, the hint behind it."""
        return f"{self.line}:{self.column}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ExpressionErrors(RowgateError):
    """The expression was refused; `problems` holds every reason that was found, in reading order."""

    status = 422
    code = "expression.invalid"
    title = "Invalid expression"

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in reading order, each once."""
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.line, p.column)))
        super().__init__("; ".join(str(problem) for problem in self.problems))


def excerpt(text: str, problem: Problem) -> str:
    """Show the line of the problem, and a caret under its column."""
    lines = text.split("\n")
    line = lines[problem.line - 1] if 0 < problem.line <= len(lines) else ""
    before = "".join("\t" if character == "\t" else " " for character in line[: problem.column - 1])
    return f"{line}\n{before}^"


def caret(text: str, problem: Problem) -> str:
    """Show the line of the problem, a caret under its column, and the sentence."""
    return f"{excerpt(text, problem)}\n{problem}"

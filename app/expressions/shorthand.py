"""Conditions as people write them: a single `=`, and a column of the one row by its bare name; and their full form."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from app.errors import near, nearest
from app.expressions import syntax
from app.expressions.foreign import word_hint
from app.expressions.problems import Problem
from app.expressions.scope import Scope
from app.expressions.tokens import place_of, tokens
from app.expressions.types import TYPE_NAMES, Record

Place = tuple[int, int]
_SINGLE = re.compile(r"(?<![=!<>:+\-*/%|&^~])=(?![=><~])")
_NO_ROWS = frozenset({"auth", "request", "input", "params", "secrets"})  # what is known beside rows has fields too


class Spelling:
    """A condition as it is said, with what its full form has beside that, by line and column of what is said."""

    def __init__(self, said: str, scope: Scope) -> None:
        """Find each single `=` that stands outside of texts; `scope` has the rows that bare names may belong to."""
        self.said, self._scope = said, scope
        self._equals = tuple(_singles(said))
        self._added = dict.fromkeys(self._equals, "=")

    @property
    def text(self) -> str:
        """Give the text as it can be parsed, or the full form once every bare name was spelled out."""
        lines = self.said.split("\n")
        for (line, column), text in sorted(self._added.items(), reverse=True):
            here = lines[line - 1]
            lines[line - 1] = here[: column - 1] + text + here[column - 1 :]
        return "\n".join(lines)

    def said_of(self, problem: Problem) -> Problem:
        """Give a problem of the text that was parsed with its place in what is said."""
        line, column = self.said_at(problem.line, problem.column)
        return replace(problem, line=line, column=column)

    def said_at(self, line: int, column: int) -> Place:
        """Give the place in what is said for one in the text that was parsed."""
        columns = [at for on, at in self._equals if on == line]
        return line, column - sum(at + before < column for before, at in enumerate(columns))

    def owner(self, name: str) -> str | None:
        """Give the one row in reach, if it has such a column and Postgres reads it."""
        owners = rows_with(name, self._scope)
        return owners[0] if len(owners) == 1 and owners == [*self._scope.rows] else None

    def spell_out(self, name: syntax.Name, row: str) -> None:
        """Note that a bare name is a column of this row."""
        self._added[self.said_at(name.line, name.column)] = f"{row}."


def _singles(said: str) -> Iterator[Place]:
    alone = {match.start() for match in _SINGLE.finditer(said)}
    if alone:
        for token in tokens(said):
            if token.start() in alone and token.lastgroup == "mark":
                yield place_of(said, token.start())


def rows_with(column: str, scope: Scope) -> list[str]:
    """Name every row in reach that has a column."""
    return [
        name
        for name, kind in scope.names.items()
        if (name in scope.rows or name not in _NO_ROWS) and isinstance(kind, Record) and column in kind.fields
    ]


def unknown_hint(name: str, scope: Scope, variables: Iterable[str]) -> str | None:
    """Say what a name may mean that nothing has: a column, a word of another language, a near match."""
    if owners := rows_with(name, scope):
        return f"write {' or '.join(f'{owner}.{name}' for owner in (*owners, *variables))}"
    return word_hint(name) or near(name, _known(scope, variables)) or _near_column(name, scope)


def _known(scope: Scope, variables: Iterable[str]) -> list[str]:
    return [*scope.names, *variables, *(scope.relations if scope.related else ())]


def _near_column(name: str, scope: Scope) -> str | None:
    rows = [(row, scope.names.get(row)) for row in sorted(scope.rows)]
    found = [(row, nearest(name, kind.fields)) for row, kind in rows if isinstance(kind, Record)]
    return next((f"did you mean {row}.{column}?" for row, column in found if column), None)


def shadowed_hint(sides: Iterable[syntax.Node], scope: Scope) -> str | None:
    """Say how a column is read that has the name of a type, where the type stands in its place."""
    for side in sides:
        if isinstance(side, syntax.Name) and side.name in TYPE_NAMES and side.name not in scope.names:
            owners = rows_with(side.name, scope)
            if owners:
                return f"{side.name} is a type: write {' or '.join(f'{owner}.{side.name}' for owner in owners)}"
    return None

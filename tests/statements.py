"""Every statement that Rowgate sends while the tests run, and the proof that none of it was written by a caller.

What is no name and no parameter must stand in Rowgate's own source: a text between quotes, and a number. A caller may
name what comes out, in quotes behind AS, and nothing else.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from asyncpg.connection import Connection

from app.database.lock_waits import RowWaitingConnection
from app.expressions.library.signature import Sql
from app.expressions.library.table import TABLE
from app.expressions.syntax import Literal
from app.expressions.types import STRING

APP = Path(__file__).parents[1] / "app"
# DDL holds defaults and bounds of columns as literals, since Postgres takes no parameters there.
OTHERS = ("changes", "embedded.py", "store", "policy_tests/scratch.py")
SPAN = re.compile(r"'[0-9]+ (?:seconds|minutes|hours|days)'")
# An endpoint's time, a checked number: SET takes no parameters either.
TIME = re.compile(r"SET LOCAL (?:statement|lock)_timeout = [0-9]+(?=;|$)")
LITERAL = re.compile(r"U?&?'(?:[^']|'')*'")
IDENTIFIER = re.compile(r'"((?:[^"]|"")*)"')
CHOSEN = re.compile(r' AS "((?:[^"]|"")*)"')
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")  # an index of a draft: table, column, idx
NUMBER = re.compile(r"(?<![\w$.\"])[0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?(?![\w\"])")


@cache
def written_texts() -> list[str]:
    """Give every string and number that stands in the source, as it is compiled: each file is by now."""
    texts = []
    for path in APP.rglob("*.py"):
        constants: list[Any] = [SourceFileLoader("app", str(path)).get_code("app")]
        while constants:
            constant = constants.pop()
            if isinstance(constant, CodeType):
                constants += constant.co_consts
            elif isinstance(constant, tuple | frozenset):
                constants += constant
            elif isinstance(constant, str | int | float):
                texts.append(str(constant))
    return texts


def own_texts() -> Iterator[str]:
    """Yield every string that stands in the source or is put together when it is loaded, and the functions' SQL."""
    yield from written_texts()
    for name, module in list(sys.modules.items()):
        if name.startswith("app."):
            yield from (value for value in vars(module).values() if isinstance(value, str))
    yield from filter(None, (half(overload.sql) for function in TABLE.values() for overload in function.overloads))


def half(write: Sql | None) -> str | None:
    """Give the SQL half of a function for as many texts as it wants."""
    word = Literal(line=1, column=1, type=STRING, value="UTC")
    for count in (3, 2, 1):
        with suppress(IndexError, ValueError, TypeError):
            return write(["x"] * count, [word] * count) if write is not None else None
    return None


class Statements:
    """What was sent, by the file of `app` that sent it, and all of it in its order."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.order: list[str] = []

    def note(self, statement: str) -> None:
        frame: Any = sys._getframe(2)
        while frame is not None:
            path = frame.f_code.co_filename
            if "/tests/" in path or "/migrations/" in path:
                return
            if path.startswith(str(APP)):
                sender = path[len(str(APP)) + 1 :]
                if not sender.startswith(OTHERS):
                    self.seen.setdefault(statement, sender)
                    self.order.append(statement)
                return
            frame = frame.f_back

    def foreign(self) -> list[str]:
        """Give what stands in statements and not in the source, which is read only where there were any."""
        if not self.seen:
            return []
        texts = list(own_texts())
        literals = {found for text in texts for found in LITERAL.findall(text)}
        numbers = {found for text in texts for found in re.findall(r"[0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?", text)}
        found = []
        for statement, sender in self.seen.items():
            bare = LITERAL.sub("", SPAN.sub(lambda span: span[0].strip("'"), TIME.sub("", statement)))
            strangers = [text for text in LITERAL.findall(SPAN.sub("", statement)) if text not in literals]
            chosen = set(CHOSEN.findall(bare))
            strangers += [name for name in IDENTIFIER.findall(bare) if not NAME.fullmatch(name) and name not in chosen]
            strangers += [text for text in NUMBER.findall(IDENTIFIER.sub("", bare)) if text not in numbers]
            found += [f"{sender}: {text} in {statement[:300]}" for text in strangers]
        return found


@contextmanager
def captured() -> Iterator[Statements]:
    """Note every statement that asyncpg is asked to run."""
    with _noting() as statements:
        yield statements


@contextmanager
def captured_here() -> Iterator[Statements]:
    """Note the statements of this task's requests, and none that the server sends beside them."""
    with of_this_task() as here, _noting(here) as statements:
        yield statements


@contextmanager
def of_this_task() -> Iterator[Callable[[], bool]]:
    """Give what says whether it is called for this task, or for one that has begun in it meanwhile."""
    here: ContextVar[bool] = ContextVar("here", default=False)
    token = here.set(True)
    try:
        yield here.get
    finally:
        here.reset(token)


@contextmanager
def _noting(wanted: Callable[[], bool] = lambda: True) -> Iterator[Statements]:
    statements = Statements()
    get_statement, execute, rows = Connection._get_statement, Connection.execute, RowWaitingConnection.rows

    async def noting_get(self: Any, query: str, *more: Any, **named: Any) -> Any:
        if wanted():
            statements.note(query)
        return await get_statement(self, query, *more, **named)

    async def noting_execute(self: Any, query: str, *more: Any, **named: Any) -> Any:
        if wanted():
            statements.note(query)
        return await execute(self, query, *more, **named)

    async def noting_rows(self: Any, query: str, parameters: Any) -> Any:
        if wanted():
            statements.note(query)
        return await rows(self, query, parameters)

    Connection._get_statement, Connection.execute = noting_get, noting_execute
    RowWaitingConnection.rows = noting_rows  # type: ignore[method-assign]  # it asks for a statement that it knows
    try:
        yield statements
    finally:
        Connection._get_statement, Connection.execute = get_statement, execute
        RowWaitingConnection.rows = rows  # type: ignore[method-assign]

"""Databases of the tests' Postgres, each cloned from a template; a document that comes often gets one of its own."""

import asyncio
import threading
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg

from app.audit import writing
from app.database.embedded import SUPERUSER, EmbeddedPostgres

# How many documents a test process remembers, and keeps a database of those that came twice.
_DOCUMENTS = 6
_SESSIONS = """
SELECT (SELECT sessions FROM pg_stat_database WHERE datname = $1)
 + (SELECT count(*) FROM pg_stat_activity WHERE datname = $1)
"""
_hand = threading.Lock()
_defining = threading.Lock()


@dataclass(frozen=True)
class _Clone:
    server: EmbeddedPostgres
    name: str
    template: str


_clones: dict[str, _Clone] = {}
_spare: dict[tuple[EmbeddedPostgres, str], list[str]] = {}
_defined: OrderedDict[Any, str | None] = OrderedDict()


@cache
def _by_hand(server: EmbeddedPostgres) -> tuple[asyncio.AbstractEventLoop, Any]:
    """Connect once for what is run beside the tests, in a loop that runs for nothing else."""
    loop = asyncio.new_event_loop()
    return loop, loop.run_until_complete(asyncpg.connect(server.url(database="postgres", user=SUPERUSER)))


def run_sql(server: EmbeddedPostgres, statement: str, *parameters: Any) -> Any:
    """Run a statement as the superuser, beside the loop of the tests; gives the first value if it has parameters."""
    with _hand:
        loop, connection = _by_hand(server)
        run = connection.fetchval if parameters else connection.execute
        return loop.run_until_complete(run(statement, *parameters))


def leave(server: EmbeddedPostgres) -> None:
    """Close what `run_sql` has opened."""
    loop, connection = _by_hand(server)
    loop.run_until_complete(connection.close())
    loop.close()


def cloned(server: EmbeddedPostgres, template: str = "rowgate") -> Iterator[str]:
    """Yield the URL of a new database, which is dropped behind it."""
    clone = _Clone(server, f"test_{uuid.uuid4().hex}", template)
    if spare := _spare.get((server, template)):
        run_sql(server, f"ALTER DATABASE {spare.pop()} RENAME TO {clone.name}")
    else:
        _copy(server, template, clone.name)
    url = server.url(database=clone.name)
    _clones[url] = clone
    try:
        yield url
    finally:
        _clones.pop(url, None)
        _drop(server, clone.name)


def define(url: str, document: Any, apply: Callable[[str], Awaitable[None]]) -> bool:
    """Put a copy of a database that was given the document in the place of a clone that nobody has connected to.

    Says whether it did so; `apply` gives it to the database of a URL. Blocks, beside the loop of the tests.
    """
    with _defining:
        clone = _clones.pop(url, None)
        if clone is None:
            return False
        said = (clone.server, clone.template, repr(document), repr(writing._keys))
        is_new = said not in _defined
        _defined.setdefault(said, None)
        _defined.move_to_end(said)
        if is_new or run_sql(clone.server, _SESSIONS, clone.name):
            return False
        defined = _defined[said]
        if defined is None:
            defined = f"defined_{uuid.uuid4().hex}"
            _copy(clone.server, clone.template, defined)
            asyncio.run(apply(clone.server.url(database=defined)))  # type: ignore[arg-type]  # it is a coroutine
            _defined[said] = defined
        while len(_defined) > _DOCUMENTS:
            (server, *_), forgotten = _defined.popitem(last=False)
            if forgotten is not None:
                _drop(server, forgotten)
        spare = f"spare_{uuid.uuid4().hex}"
        run_sql(clone.server, f"ALTER DATABASE {clone.name} RENAME TO {spare}")
        _spare.setdefault((clone.server, clone.template), []).append(spare)
        _copy(clone.server, defined, clone.name)
        return True


def _copy(server: EmbeddedPostgres, template: str, name: str) -> None:
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template} OWNER rowgate STRATEGY FILE_COPY")


def _drop(server: EmbeddedPostgres, name: str) -> None:
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")

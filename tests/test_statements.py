"""The watch over statements sees what it is there for."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.backend import Backend
from tests.statements import Statements, captured, captured_here

DOCUMENT: dict[str, Any] = {"rowgate": 1}


@pytest.mark.parametrize(
    ("statement", "stranger"),
    [
        ("SELECT * FROM data.t WHERE name = 'alice'", "'alice'"),
        ("SELECT * FROM data.t WHERE n = 48151623", "48151623"),
        ('SELECT "a; DROP" FROM data.t', "a; DROP"),
        ("SELECT * FROM data.t WHERE at > now() - interval '48151623 days'", "48151623"),
        ("SELECT jsonb_typeof(x) = 'number' FROM data.t LIMIT $1", None),
        ('SELECT t."createdAt2" FROM data."documents" AS t', None),
    ],
)
def test_what_stands_in_no_source_is_found(statement: str, stranger: str | None) -> None:
    statements = Statements()
    statements.seen[statement] = "somewhere.py"
    found = statements.foreign()
    assert [line.split(": ")[1].split(" in ")[0] for line in found] == ([stranger] if stranger else [])


@pytest.mark.parametrize(("watch", "seen"), [(captured, True), (captured_here, False)])
async def test_what_runs_beside_a_request_is_told_apart(
    own_backend: Backend, watch: Callable[[], AbstractContextManager[Statements]], seen: bool
) -> None:
    go = asyncio.Event()

    async def beside() -> None:
        await go.wait()
        await own_backend.sign_up(f"beside-{seen}")

    task = asyncio.create_task(beside())
    with watch() as statements:
        go.set()
        await task
        assert bool(statements.seen) == seen
        await own_backend.sign_up(f"here-{seen}")
        assert statements.seen

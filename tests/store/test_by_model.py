"""Rows of system tables as values of their models."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import func
from sqlalchemy.exc import CompileError
from sqlmodel import SQLModel, col

from app.database.connection import Connection
from app.database.pool import connected
from app.store.by_model import added, changed, first, found, removed
from app.store.people_rows import AdminRow
from app.store.rows import AuditRow, RevisionRow

ROOT = {"email": "root@example.com", "role": "owner", "password_hash": "-"}


@pytest.fixture
async def connection(migrated_url: str) -> AsyncIterator[Connection]:
    async with connected(migrated_url) as one:
        yield one


def every_model(base: type[SQLModel] = SQLModel) -> list[type[SQLModel]]:
    return [one for kind in base.__subclasses__() for one in (kind, *every_model(kind)) if hasattr(one, "__table__")]


async def test_every_model_reads_what_the_migrations_made(connection: Connection) -> None:
    models = every_model()
    assert {AdminRow, AuditRow, RevisionRow} <= set(models)
    for model in models:
        await found(connection, model, limit=1)
    made = await added(connection, RevisionRow, number=7, author="test", changes=["one", {"two": 2}])
    assert (made.comment, made.changes) == (None, ["one", {"two": 2}])
    assert await found(connection, RevisionRow, col(RevisionRow.number) == 7) == [made]


async def test_a_row_is_added_found_changed_and_removed_as_a_value(connection: Connection) -> None:
    made = await added(connection, AdminRow, **ROOT)
    assert (made.email, made.created_at is not None, made.disabled_at) == ("root@example.com", True, None)
    with pytest.raises(asyncpg.UniqueViolationError):
        await added(connection, AdminRow, **ROOT)
    await added(connection, AdminRow, email="two@example.com", role="viewer", password_hash="-")
    owner = col(AdminRow.role) == "owner"
    (ended,) = await changed(connection, AdminRow, owner, disabled_at=func.now())
    assert (ended.id, ended.disabled_at is not None) == (made.id, True)
    assert await changed(connection, AdminRow, owner) == [ended]
    assert await first(connection, AdminRow, owner, col(AdminRow.disabled_at).is_(None)) is None
    assert [one.email for one in await found(connection, AdminRow, order=[col(AdminRow.email).desc()])] == [
        "two@example.com",
        "root@example.com",
    ]
    assert await removed(connection, AdminRow, owner) == [ended]
    assert await removed(connection, AdminRow, owner) == []


async def test_a_row_that_is_held_waits_for_no_reader_and_keeps_writers_out(
    connection: Connection, migrated_url: str
) -> None:
    made = await added(connection, AdminRow, **ROOT)
    async with connected(migrated_url) as other, connection.transaction():
        assert await first(connection, AdminRow, col(AdminRow.id) == made.id, hold=True) is not None
        assert await first(other, AdminRow, col(AdminRow.id) == made.id) is not None
        await other.execute("SET lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await changed(other, AdminRow, col(AdminRow.id) == made.id, role="viewer")


async def test_a_column_that_is_none_is_no_statement(connection: Connection) -> None:
    with pytest.raises(CompileError):
        await changed(connection, AdminRow, col(AdminRow.role) == "owner", rank="viewer")

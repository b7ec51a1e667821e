"""Rows of system tables as values of their models, read and written over a connection of asyncpg.

For what isn't asked for by every request: a statement is put together anew each time.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, SQLColumnExpression, delete, insert, select, update
from sqlalchemy.dialects.postgresql import asyncpg
from sqlmodel import SQLModel

from app.database.connection import Connection

M = TypeVar("M", bound=SQLModel)
Which = ColumnElement[bool]
_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects have no types


async def found(
    connection: Connection,
    model: type[M],
    *which: Which,
    order: Sequence[SQLColumnExpression[Any]] = (),
    limit: int | None = None,
    hold: bool = False,
) -> list[M]:
    """Read rows; `hold` keeps others from changing them until the transaction ends, and from nothing else."""
    asked = select(model).where(*which).order_by(*order).limit(limit)
    return await _rows(connection, model, asked.with_for_update(key_share=True) if hold else asked)


async def first(connection: Connection, model: type[M], *which: Which, **how: Any) -> M | None:
    """Read one row, as `found` does; None where there is none."""
    return next(iter(await found(connection, model, *which, **how, limit=1)), None)


async def added(connection: Connection, model: type[M], **values: Any) -> M:
    """Insert a row, and give it as it now is; a value may be one that the database computes."""
    (made,) = await _rows(connection, model, insert(model).values(values).returning(model))
    return made


async def changed(connection: Connection, model: type[M], *which: Which, **values: Any) -> list[M]:
    """Change rows, and give them as they now are; without values they are read."""
    if not values:
        return await found(connection, model, *which)
    return await _rows(connection, model, update(model).where(*which).values(values).returning(model))


async def removed(connection: Connection, model: type[M], *which: Which) -> list[M]:
    """Delete rows, and give them as they were."""
    return await _rows(connection, model, delete(model).where(*which).returning(model))


async def _rows(connection: Connection, model: type[M], statement: Any) -> list[M]:
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    parameters = [compiled.params[name] for name in compiled.positiontup or ()]
    return [model(**row) for row in await connection.fetch(str(compiled), *parameters)]

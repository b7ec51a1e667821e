"""The SQLAlchemy engine of what changes definitions; requests don't go this way."""

import json
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.database.connection import Connection
from app.database.pool import REFUSALS, DatabaseUnavailable


def make_engine(url: str) -> AsyncEngine:
    """Make an engine that opens a connection for each transaction; `url` is one that asyncpg takes."""

    async def connect() -> Any:
        try:
            return await asyncpg.connect(
                url,
                timeout=5,
                server_settings={
                    "application_name": "rowgate-changes",
                    "TimeZone": "UTC",
                    "search_path": "pg_catalog",
                    "standard_conforming_strings": "on",  # literals in DDL rest on it
                },
            )
        except tuple(kind for kind, _ in REFUSALS) as error:
            sentence = next(sentence for kind, sentence in REFUSALS if isinstance(error, kind))
            raise DatabaseUnavailable(sentence) from None

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, poolclass=NullPool, json_serializer=json.dumps
    )


async def driven(connection: AsyncConnection) -> Connection:
    """Give the connection of asyncpg below one of an engine, in whose transaction its statements are."""
    raw: Any = await connection.get_raw_connection()
    found: Connection = raw.driver_connection
    return found

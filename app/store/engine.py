"""The SQLAlchemy engine of what changes definitions; requests don't go this way."""

import json
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.database.connection import Connection
from app.database.opening import CONNECT_SECONDS, SAME_MEANING, opening


def make_engine(url: str) -> AsyncEngine:
    """Make an engine that opens a connection for each transaction; `url` is one that asyncpg takes."""

    async def connect() -> Any:
        with opening():
            settings = {"application_name": "rowgate-changes", **SAME_MEANING}
            return await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=settings)

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, poolclass=NullPool, json_serializer=json.dumps
    )


async def driven(connection: AsyncConnection) -> Connection:
    """Give the connection of asyncpg below one of an engine, in whose transaction its statements are."""
    raw: Any = await connection.get_raw_connection()
    found: Connection = raw.driver_connection
    return found

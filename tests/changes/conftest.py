from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.engine import make_engine
from app.store.migrate import migrate


@pytest.fixture
async def engine(fresh_database_url: str) -> AsyncIterator[AsyncEngine]:
    await migrate(fresh_database_url)
    engine = make_engine(fresh_database_url)
    yield engine
    await engine.dispose()

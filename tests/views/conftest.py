"""A server for the tests of each module of views, with the module's document."""

import pytest_asyncio

from tests.backend import Backend
from tests.turns import Turns


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()

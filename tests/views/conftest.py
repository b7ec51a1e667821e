"""A server for the tests of each module of views, with the module's document."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from app.database.embedded import EmbeddedPostgres
from tests.backend import Backend, serving
from tests.conftest import cloned
from tests.turns import Turns

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of a module in one loop, which is its server's."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("asyncio") is not None:
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def turns(
    request: pytest.FixtureRequest, embedded_server: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[Turns]:
    async with AsyncExitStack() as stack:
        yield Turns(stack, request.module.DOCUMENT, lambda: cloned(embedded_server, migrated_template))


@pytest_asyncio.fixture(loop_scope="module")
async def own_backend(request: pytest.FixtureRequest, migrated_url: str) -> AsyncIterator[Backend]:
    """A server for one test, which changes what a server keeps."""
    async with serving(migrated_url, request.module.DOCUMENT) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()

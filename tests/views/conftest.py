"""A server for each test of views, with the document of the test's module."""

from collections.abc import AsyncIterator

import pytest

from tests.backend import Backend, serving


@pytest.fixture
async def backend(request: pytest.FixtureRequest, migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, request.module.DOCUMENT) as served:
        yield served

"""Servers of tests that listen on a port: uvicorn with the protocol that `serve` has, in the test's own loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from app.http.protocol import BoundedHttpProtocol


@asynccontextmanager
async def listening_port(app: Any, **settings: Any) -> AsyncIterator[int]:
    """Serve an application on a free port of 127.0.0.1, which it gives; settings are uvicorn's."""
    config = uvicorn.Config(
        app, port=0, http=BoundedHttpProtocol, ws="none", lifespan="off", log_config=None, access_log=False, **settings
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        await server.shutdown()

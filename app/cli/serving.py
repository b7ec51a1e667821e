"""Running the server: its database, its first definitions, its processes, and what it says when it is up."""

import asyncio
import logging
import os
import resource
import signal
import sys
from functools import partial
from typing import Any

import uvicorn
from pydantic import SecretStr
from uvicorn.supervisors import Multiprocess

from app.audit.verify import heads
from app.changes.start import Start, begin
from app.cli.collecting import collect_seldom, settle_memory
from app.cli.database import embedded, url_of
from app.cli.documents import told
from app.database.connection import Connection
from app.database.embedded import UpFlag
from app.database.pool import connected
from app.errors import RowgateError
from app.http.protocol import BoundedHttpProtocol
from app.log import start_log
from app.main import Rowgate, create_app
from app.policy_tests.runner import Runner
from app.secrets.sealed import check_key
from app.secrets.sealing import SealingKey
from app.settings import Settings, load_settings
from app.store.migrate import migrate

DRAIN_SECONDS = 30
OPEN_FILES = 65_536


class WorkersNeedRedis(RowgateError):
    """Several processes can't count rate limits each for itself."""

    code = "serve.workers"


def serve(settings: Settings, *, host: str, port: int, workers: int, start: Start) -> int:
    """Serve until a signal ends it; gives the exit code."""
    if workers > 1 and settings.redis_url is None:
        raise WorkersNeedRedis(
            "Several workers count rate limits together in Redis or Valkey, and none is set.",
            hint="Set ROWGATE_REDIS_URL, or serve with --workers 1.",
        )
    _allow_connections()
    with embedded(settings) as server:
        url, up = url_of(settings, server), None if server is None else server.up
        audit = asyncio.run(_prepare(settings, url, start))
        if server is not None:
            server.keep_up(lambda: os.kill(os.getpid(), signal.SIGTERM))
        if workers > 1:
            code = _serve_processes(settings, url, host, port, workers, up=up, audit=audit)
        else:
            code = _serve_here(_alone(create_app(settings, url, up)), host, port, audit)
        if server is not None and server.lost is not None:
            raise server.lost
        return code


def _allow_connections() -> None:
    """Let the process have as many open sockets as the system lets it: often it begins with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _serve_here(app: Rowgate, host: str, port: int, audit: str) -> int:
    server = _Server(_config(app, host, port), audit)
    # uvicorn raises a signal again when it has drained: that must not end us before the database is stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()
    return 0 if server.started else 1


async def _prepare(settings: Settings, url: str, start: Start) -> str:
    """Make the database ready to be served; says how the audit log ends."""
    await migrate(url)
    async with connected(url) as connection:
        await check_key(connection, SealingKey.of(settings.secret_key.get_secret_value()))
        plan = await begin(url, start, judge=Runner(url).judge)
        if plan is not None and plan.changes:
            print(told(plan.shown()), flush=True)
        return await _audit_told(connection)


async def _audit_told(connection: Connection) -> str:
    """Say how the audit log ends, for whoever keeps that elsewhere."""
    count, head = await heads(connection)
    return f"The audit log has {count} rows, and its head is {head}."


def _config(app: Any, host: str, port: int, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedHttpProtocol,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        log_level=logging.WARNING,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        **more,
    )


class _Server(uvicorn.Server):
    """A server that says, once it listens, where, and what to do first."""

    def __init__(self, config: uvicorn.Config, audit: str) -> None:
        super().__init__(config)
        self._audit = audit

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(greeting(self.config.app, self.config.host, _port(self)), self._audit, sep="\n\n", flush=True)


def _port(server: uvicorn.Server) -> int:
    """Give the port that was bound, which the system chose where 0 was asked for."""
    for one in server.servers:
        for socket in one.sockets:
            return int(socket.getsockname()[1])
    return server.config.port


def greeting(app: Any, host: str, port: int) -> str:
    """Say where the server listens, how the first admin is made, and a first request."""
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 - what is shown for it
    url = f"http://{shown}:{port}"
    lines = [f"Rowgate listens on {url}", ""]
    auth = app.server.auth
    if auth.no_admin:
        body = f'{{"token": "{auth.setup_token}", "email": "you@example.com", "password": "a long password of yours"}}'
        lines += [
            "Make the first admin (the token works once):",
            f"  curl -X POST {url}/admin/v1/setup -H 'Content-Type: application/json' -d '{body}'",
            "",
        ]
    lines += ["A first request, and everything that there is:", f"  curl {url}/readyz", f"  {url}/docs"]
    return "\n".join(lines)


def _serve_processes(
    settings: Settings, url: str, host: str, port: int, workers: int, *, up: UpFlag | None, audit: str
) -> int:
    """Serve with several processes, which read their settings from the environment."""
    secret: SecretStr = settings.secret_key
    os.environ |= {
        "ROWGATE_DATABASE_URL": url,
        "ROWGATE_SECRET_KEY": secret.get_secret_value(),
        "ROWGATE_ENV": settings.env,
    }
    config = _config(partial(worker_app, up), host, port, workers=workers, factory=True)
    listener = config.bind_socket()
    print(f"Rowgate listens on http://{host}:{port} with {workers} processes", audit, sep="\n", flush=True)
    Multiprocess(config, sockets=[listener]).run()
    return 0


def worker_app(up: UpFlag | None = None) -> Any:
    """Make the application in a worker process, which has a log of its own."""
    collect_seldom()
    settings = load_settings()
    start_log(settings.log_format)
    if settings.database_url is None:
        raise WorkersNeedRedis("A worker process needs ROWGATE_DATABASE_URL.")
    return _alone(create_app(settings, settings.database_url.get_secret_value(), up))


def _alone(app: Rowgate) -> Rowgate:
    """Let the process be this server's alone."""
    app.on_ready = settle_memory
    return app

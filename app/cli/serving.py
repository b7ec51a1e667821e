"""Running the server: its database, its first definitions, its processes, and what it says when it is up."""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from pydantic import SecretStr

from app.audit.verify import heads
from app.auth.mailing import can_send_by, refuse_unsendable
from app.auth.start import publishable_key
from app.changes.standing_start import Start, stays
from app.cli.collecting import collect_seldom, settle_memory
from app.cli.database import embedded, is_first_start, url_of
from app.cli.listening import listening, refused
from app.cli.progress import progress
from app.console.pages import PREFIX as CONSOLE
from app.database.connection import Connection
from app.database.embedded import UpFlag
from app.database.pool import connected
from app.errors import RowgateError
from app.http.protocol import BoundedHttpProtocol
from app.log import start_log
from app.main import Rowgate, create_app
from app.secrets.sealed import check_key
from app.secrets.sealing import SealingKey
from app.settings import Settings, load_settings
from app.store.version import is_newest

if TYPE_CHECKING:
    from app.changes.apply import Plan

DRAIN_SECONDS = 30
OPEN_FILES = 65_536
WORKER_SECONDS = 60  # in which a process has to answer; on a busy machine it takes more than uvicorn's 5 to begin


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
    _refuse_unreadable(settings, start)
    with listening(host, port) as sockets, embedded(settings) as server:
        url, up = url_of(settings, server), None if server is None else server.up
        state = asyncio.run(_prepare(settings, url, start))
        if server is not None:
            server.keep_up(lambda: os.kill(os.getpid(), signal.SIGTERM))
        if workers > 1:
            code = _serve_processes(settings, url, host, sockets, workers, up=up, state=state)
        else:
            code = _serve_here(_alone(create_app(settings, url, up)), host, sockets, state)
        if server is not None and server.lost is not None:
            raise server.lost
        return code


def _refuse_unreadable(settings: Settings, start: Start) -> None:
    """Say what is wrong with the document before anything is made for it, where it is going to be read."""
    path = start.config or (start.path if is_first_start(settings) else None)
    if path is not None:
        from app.changes.files import read_project

        refuse_unsendable(read_project(path), can_send=can_send_by(settings))


def _allow_connections() -> None:
    """Let the process have as many open sockets as the system lets it: often it begins with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _serve_here(app: Rowgate, host: str, sockets: Sequence[socket], state: str) -> int:
    server = _Server(_config(app, host, _port(sockets)), state)
    # uvicorn raises a signal again when it has drained: that must not end us before the database is stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(list(sockets))
    return 0 if server.started else 1


async def _prepare(settings: Settings, url: str, start: Start) -> str:
    """Make the database ready to be served; says what is to be known of it."""
    await _migrate(url)
    async with connected(url) as connection:
        await check_key(connection, SealingKey.of(settings.secret_key.get_secret_value()))
        if not await stays(connection, start):
            await _define(url, start)
        key = await publishable_key(connection, settings)
        return f"The publishable key, for frontends: {key}\n\n{await _audit_told(connection)}"


async def _migrate(url: str) -> None:
    async with connected(url) as connection:
        if await is_newest(connection):
            return
    from app.store.migrate import migrate

    with progress("Bringing the database to this version"):
        await migrate(url)


async def _define(url: str, start: Start) -> None:
    """Bring the backend to what the start says, which loads what changes it."""
    from app.changes.start import begin
    from app.policy_tests.runner import Runner

    with progress("Defining the backend"):
        plan = await begin(url, start, judge=Runner(url).judge)
    if plan is not None and plan.changes:
        print(_made_told(plan, start), flush=True)


def _made_told(plan: "Plan", start: Start) -> str:
    """Say what the start has changed: of an empty backend in a few words, else as `rowgate apply` does."""
    from app.cli.documents import defined, told

    if plan.revision == 1 and start.path is not None:
        return defined(start.path, plan.verdict.count)
    return told(plan.shown())


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

    def __init__(self, config: uvicorn.Config, state: str) -> None:
        super().__init__(config)
        self._state = state

    async def startup(self, sockets: Any = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # another one bound it as we did, and has come to listen first
            await self.lifespan.shutdown()
            raise refused(self.config.host, self.config.port, error) from error
        if self.started:
            print(greeting(self.config.app, self.config.host, self.config.port), self._state, sep="\n\n", flush=True)


def _port(sockets: Sequence[socket]) -> int:
    """Give the port that was bound, which the system chose where 0 was asked for."""
    return int(sockets[0].getsockname()[1])


def greeting(app: Any, host: str, port: int) -> str:
    """Say where the server listens, how the first admin is made, and a first request."""
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 - what is shown for it
    url = f"http://{shown}:{port}"
    lines = [f"Rowgate listens on {url}", ""]
    auth = app.data_server.auth
    if auth.no_admin:
        body = f'{{"token": "{auth.setup_token}", "email": "you@example.com", "password": "a long password of yours"}}'
        lines += [
            "Make the first admin in a browser (the link works once), or by a request:",
            f"  {url}{CONSOLE}/setup#{auth.setup_token}",
            f"  curl -X POST {url}/admin/v1/setup -H 'Content-Type: application/json' -d '{body}'",
            "",
        ]
    else:
        lines += ["The console, where an admin signs in:", f"  {url}{CONSOLE}", ""]
    lines += ["A first request, and everything that there is:", f"  curl {url}/readyz", f"  {url}/docs"]
    return "\n".join(lines)


def _serve_processes(
    settings: Settings, url: str, host: str, sockets: Sequence[socket], workers: int, *, up: UpFlag | None, state: str
) -> int:
    """Serve with several processes, which read their settings from the environment."""
    secret: SecretStr = settings.secret_key
    os.environ |= {
        "ROWGATE_DATABASE_URL": url,
        "ROWGATE_SECRET_KEY": secret.get_secret_value(),
        "ROWGATE_ENV": settings.env,
    }
    from uvicorn.supervisors import Multiprocess

    port = _port(sockets)
    more = {"workers": workers, "factory": True, "timeout_worker_healthcheck": WORKER_SECONDS}
    config = _config(partial(worker_app, up), host, port, **more)
    print(f"Rowgate listens on http://{host}:{port} with {workers} processes", state, sep="\n", flush=True)
    Multiprocess(config, sockets=list(sockets)).run()
    return 0


def worker_app(up: UpFlag | None = None) -> object:
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

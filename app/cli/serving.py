"""Running the server: its database, its first definitions, its processes, and what it says when it is up."""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr
from uvicorn.supervisors import Multiprocess

from app.audit.verify import Verified, heads, verify
from app.audit.writing import chain_under
from app.auth import admins, api_keys
from app.auth.admins import ROLES
from app.auth.api_keys import KeyGrant
from app.auth.passwords import Passwords
from app.auth.start import open_auth
from app.changes.apply import DefinitionInvalid, Plan
from app.changes.commands import apply_file, read_project, told, whole
from app.changes.start import Start, begin
from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.control_plane.named import check_roles
from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.database.connection import Connection
from app.database.embedded import EmbeddedPostgres, UpFlag, start_embedded
from app.database.pool import Pool, connect
from app.definitions.project import Project
from app.errors import RowgateError
from app.http.json_answer import to_json
from app.http.protocol import BoundedHttpProtocol
from app.isolation import report as isolation_report
from app.isolation.callers import asked_for
from app.isolation.prove import prove
from app.log import start_log
from app.main import Rowgate, create_app
from app.policy_tests.report import shown
from app.policy_tests.runner import Runner
from app.secrets.rotation import audit_keys, rotate
from app.secrets.sealed import check_key
from app.secrets.sealing import SealingKey
from app.settings import Settings, load_settings
from app.store.active import load_active
from app.store.migrate import migrate

DRAIN_SECONDS = 30
OPEN_FILES = 65_536


class WorkersNeedRedis(RowgateError):
    """Several processes can't count rate limits each for itself."""

    code = "serve.workers"


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the URL of the database: the one that is set, or the embedded one, started for as long as the block runs."""
    with _embedded(settings) as embedded:
        yield _url(settings, embedded)


@contextmanager
def _embedded(settings: Settings) -> Iterator[EmbeddedPostgres | None]:
    """Run the embedded server for as long as the block runs, unless another database is set."""
    chain_under(settings.secret_key.get_secret_value())
    if settings.database_url is not None:
        yield None
        return
    server = start_embedded(settings.data_dir)
    try:
        yield server
    finally:
        server.stop()


def _url(settings: Settings, embedded: EmbeddedPostgres | None) -> str:
    if embedded is not None:
        return embedded.url()
    return "" if settings.database_url is None else settings.database_url.get_secret_value()


def serve(settings: Settings, *, host: str, port: int, workers: int, start: Start) -> int:
    """Serve until a signal ends it; gives the exit code."""
    if workers > 1 and settings.redis_url is None:
        raise WorkersNeedRedis(
            "Several workers count rate limits together in Redis or Valkey, and none is set.",
            hint="Set ROWGATE_REDIS_URL, or serve with --workers 1.",
        )
    _allow_connections()
    with _embedded(settings) as embedded:
        url, up = _url(settings, embedded), None if embedded is None else embedded.up
        asyncio.run(_prepare(settings, url, start))
        audit = asyncio.run(_audit_told(url))
        if embedded is not None:
            embedded.keep_up(lambda: os.kill(os.getpid(), signal.SIGTERM))
        if workers > 1:
            code = _serve_processes(settings, url, host, port, workers, up=up, audit=audit)
        else:
            code = _serve_here(create_app(settings, url, up), host, port, audit)
        if embedded is not None and embedded.lost is not None:
            raise embedded.lost
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


async def _prepare(settings: Settings, url: str, start: Start) -> None:
    await migrate(url)
    connection: Connection = await connect(url)
    try:
        await check_key(connection, SealingKey.of(settings.secret_key.get_secret_value()))
    finally:
        await connection.close()
    plan = await begin(url, start, judge=Runner(url).judge)
    if plan is not None and plan.changes:
        print(told(plan.shown()), flush=True)


async def _audit_told(url: str) -> str:
    """Say how the audit log ends, for whoever keeps that elsewhere."""
    connection: Connection = await connect(url)
    try:
        count, head = await heads(connection)
    finally:
        await connection.close()
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
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
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


async def create_admin(url: str, email: str, password: str, role: str) -> None:
    """Make an admin on the command line."""
    await migrate(url)
    connection: Connection = await connect(url)
    passwords = Passwords()
    try:
        async with connection.transaction():
            chosen = next(one for one in ROLES if one == role)
            await admins.create_admin(connection, passwords, email, password, chosen, actor="command")
    finally:
        passwords.close()
        await connection.close()


async def create_key(settings: Settings, url: str, name: str, roles: list[str], admin_role: str | None) -> str:
    """Make an API key on the command line."""
    await migrate(url)
    pool = Pool(url, 1)
    try:
        auth = await open_auth(settings, pool)
        auth.close()
        async with pool.lease() as connection:
            _, stored = await load_active(connection)
        check_roles(stored.project, roles)
        async with pool.lease() as connection, connection.transaction():
            grant = KeyGrant(name, tuple(roles), admin_role)
            key, _ = await api_keys.create_key(connection, auth.keys, grant, actor="command")
    finally:
        await pool.close()
    return key


async def rotate_secrets(settings: Settings, url: str, old_key: str) -> int:
    """Carry all that is sealed by an old ROWGATE_SECRET_KEY over to the one that is set; gives how many there were."""
    await migrate(url)
    secret = settings.secret_key.get_secret_value()
    chain_under(secret)
    connection: Connection = await connect(url)
    try:
        return await rotate(connection, old_key, secret)
    finally:
        await connection.close()


async def verify_audit(settings: Settings, url: str, expect: str | None) -> Verified:
    """Walk the audit log; `expect` is a head that it has had."""
    connection: Connection = await connect(url)
    try:
        keys = await audit_keys(connection, settings.secret_key.get_secret_value())
        return await verify(connection, keys, expect)
    finally:
        await connection.close()


async def apply(url: str, path: Path, destroy: list[str], *, dry_run: bool, allow_wider: bool) -> Plan:
    """Apply a document on the command line if its tests pass, or plan it."""
    await migrate(url)
    judge = Runner(url).judge
    return await apply_file(url, path, judge=judge, destroy=destroy, dry_run=dry_run, allow_wider=allow_wider)


async def run_tests(url: str, path: Path | None) -> dict[str, Any]:
    """Run the tests of a document, or of the live project; gives the report as an answer shows it."""
    await migrate(url)
    project = await live_project(url) if path is None else read_project(path)
    return shown(await Runner(url).run(project))


async def prove_isolation(url: str, path: Path | None, said: Mapping[str, list[str]]) -> dict[str, Any]:
    """Prove that people are kept apart, in a document or in the live project; gives the report."""
    await migrate(url)
    project = await live_project(url) if path is None else read_project(path)
    asked = asked_for(project, roles=said["role"], columns=said["user"], shared=said["shared"])
    return isolation_report.shown(await prove(url, project, asked))


def openapi_of(project: Project) -> str:
    """Give the OpenAPI document of a project; raises DefinitionInvalid."""
    return to_json(openapi_document(_compiled(project))).decode()


def types_of(project: Project) -> str:
    """Give the TypeScript types of a project; raises DefinitionInvalid."""
    return typescript(_compiled(project))


def _compiled(project: Project) -> Runtime:
    runtime, findings = compile_project(project)
    if runtime is None:
        raise DefinitionInvalid(findings)
    return runtime


async def live_project(url: str) -> Project:
    """Give the live project; raises DefinitionInvalid where a part of it can't be read."""
    connection: Connection = await connect(url)
    try:
        _, stored = await load_active(connection)
    finally:
        await connection.close()
    return whole(stored)


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
    settings = load_settings()
    start_log(settings.log_format)
    if settings.database_url is None:
        raise WorkersNeedRedis("A worker process needs ROWGATE_DATABASE_URL.")
    return create_app(settings, settings.database_url.get_secret_value(), up)

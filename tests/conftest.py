"""One embedded server for each test process, and from it databases that are each cloned from a template."""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
import pytest_asyncio

from app.audit.writing import chain_under
from app.auth import passwords
from app.cli.collecting import collect_seldom, settle_memory
from app.data_plane import targets
from app.data_plane.run import Run
from app.data_plane.targets import Target
from app.database import lock_waits, postgres_process
from app.database.embedded import EmbeddedPostgres, start_embedded
from app.database.pool import SESSION_SETTINGS
from app.definitions.endpoints import TIMEOUT
from app.http.deadline import Deadline
from app.relations import memory
from app.store.migrate import migrate
from tests.backend import SECRET_KEY, Backend, serving
from tests.cheap_requests import make_requests_cheap
from tests.databases import cloned, leave, run_sql
from tests.places import new_place
from tests.statements import captured
from tests.turns import Turns

# Servers and commands that tests start compile the code once, wherever they run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

make_requests_cheap()
_REAL_HASHES = passwords._context
collect_seldom()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let a worker that has nothing left take from the others: a file of tests stays together, and none ends late."""
    if config.getoption("numprocesses", None) and config.getoption("dist") == "no":
        config.option.dist = "worksteal"


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Take one worker more than there are cores: who waits for a clock or a process leaves its core to others."""
    return (yield) + ("PYTEST_XDIST_AUTO_NUM_WORKERS" not in os.environ)


def pytest_collection_finish() -> None:
    """Let Python's search for cycles walk through none of the thousands of tests that were collected."""
    settle_memory()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes a database, and run what uses a module's server in its loop; the longest tests begin first."""
    items.sort(key=lambda item: item.path.name != "test_console.py")
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "embedded_server" in fixtures:
            item.add_marker(pytest.mark.database)
        if {"turns", "own_backend"}.intersection(fixtures):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture(scope="session", autouse=True)
def no_statement_of_a_caller() -> Iterator[None]:
    """Hold every statement of the session against Rowgate's own source."""
    with captured() as statements:
        yield
    assert "\n".join(statements.foreign()) == ""


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """Undo what a command that is run in the test's process does to the log."""
    root, server, httpx = (logging.getLogger(name) for name in ("root", "uvicorn.error", "httpx"))
    handlers, level = root.handlers[:], root.level
    yield
    server.filters.clear()
    root.handlers[:] = handlers
    for logger, before in ((httpx, logging.NOTSET), (root, level)):
        if logger.level != before:  # to set it makes all loggers look again at what they log
            logger.setLevel(before)


@pytest.fixture(scope="session", autouse=True)
def first_audit_key() -> None:
    """Let the fixtures of a session and of a module audit under the secret of `tests.backend`."""
    chain_under(SECRET_KEY)


@pytest.fixture(autouse=True)
def audit_key() -> None:
    """Let each test begin with that secret, whatever one before has served with."""
    chain_under(SECRET_KEY)


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Let a password cost next to nothing; `real_hashes` is for tests of what one costs."""
    cheap = _REAL_HASHES().copy(
        argon2__time_cost=1, argon2__memory_cost=8, admin__argon2__time_cost=1, admin__argon2__memory_cost=16
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_context", lambda: cheap)
        yield


@contextmanager
def real_hashes() -> Iterator[None]:
    """Let passwords cost within the block what they cost in the product."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_context", _REAL_HASHES)
        passwords._dummy_hash.cache_clear()
        yield
    passwords._dummy_hash.cache_clear()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no request give up because the machine is busy, where a test asks who wins, and not how soon.

    What a definition says itself of how long it waits holds as it is. A server that is made behind this waits so.
    """
    waits, real = "SET LOCAL lock_timeout = 60000", Run.in_time
    monkeypatch.setattr(targets, "WAIT_FOR_ROWS", waits)
    monkeypatch.setattr(lock_waits, "WAIT_FOR_ROWS", waits)
    # A transaction waits for its locks in the statement that begins it, whose time began before.
    monkeypatch.setitem(SESSION_SETTINGS, "statement_timeout", "60s")

    def in_time(self: Run, target: Target) -> Deadline:
        if self.deadline is None and target.timeout == TIMEOUT:
            self.deadline = asyncio.get_running_loop().time() + 60
        return real(self, target)

    monkeypatch.setattr(Run, "in_time", in_time)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[EmbeddedPostgres]:
    """A server that loses all in a crash: tests of what lasts start their own."""
    data_dir = new_place()
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(postgres_process, "DURABLE", dict.fromkeys(postgres_process.DURABLE, "off"))
            server = start_embedded(data_dir)
        try:
            yield server
        finally:
            leave(server)
            server.stop()
    finally:
        shutil.rmtree(data_dir)


@pytest.fixture(scope="session")
def database_url(embedded_server: EmbeddedPostgres) -> str:
    """The empty database `rowgate`, which is the template of the others: connect to it only before they are made."""
    return embedded_server.url()


@pytest.fixture
def fresh_database_url(embedded_server: EmbeddedPostgres, database_url: str) -> Iterator[str]:
    """A database of the test's own."""
    yield from cloned(embedded_server)


@pytest.fixture(scope="module")
def module_database_url(embedded_server: EmbeddedPostgres, database_url: str) -> Iterator[str]:
    """A database that the tests of one module share."""
    yield from cloned(embedded_server)


@pytest.fixture(scope="session")
def migrated_template(embedded_server: EmbeddedPostgres, database_url: str) -> str:
    """The name of a database with all system tables, from which others are cloned."""
    run_sql(embedded_server, "CREATE DATABASE migrated TEMPLATE rowgate OWNER rowgate")
    asyncio.run(migrate(embedded_server.url(database="migrated")))
    return "migrated"


@pytest.fixture(scope="module")
def shared_url(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A migrated database that the tests of a module share."""
    yield from cloned(embedded_server, migrated_template)


@pytest.fixture
def migrated_url(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from cloned(embedded_server, migrated_template)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def turns(
    request: pytest.FixtureRequest, embedded_server: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[Turns]:
    """The server of the module's DOCUMENT, which its tests take in turn."""
    chain_under(SECRET_KEY)  # a module's fixtures come before the one that does it for each test
    async with AsyncExitStack() as stack:
        yield Turns(stack, request.module.DOCUMENT, lambda: cloned(embedded_server, migrated_template))


@pytest_asyncio.fixture(loop_scope="module")
async def own_backend(request: pytest.FixtureRequest, migrated_url: str) -> AsyncIterator[Backend]:
    """A server of the module's DOCUMENT for one test alone, which looks at or changes what a server keeps."""
    memory.MEMORY.forget()
    async with serving(migrated_url, request.module.DOCUMENT) as served:
        yield served
    memory.MEMORY.forget()  # what was compiled under what the test changed

"""The embedded server, killed, is started again with all that was acknowledged; what cannot be started is given up."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.database import embedded, postgres_process
from app.database.embedded import EmbeddedPostgres, start_embedded
from tests.platform_.conftest import Soon


class Kept:
    """A server that is kept up."""

    def __init__(self, server: EmbeddedPostgres, soon: Soon) -> None:
        self.server = server
        self.given_up = threading.Event()
        self._soon = soon
        server.keep_up(self.given_up.set)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        killed = self.server.pid
        os.kill(killed, number)
        return killed

    def is_back(self, killed: int) -> bool:
        return self._soon(lambda: self.server.up and self.server.pid != killed)

    def ask(self, *questions: str) -> Any:
        async def run() -> Any:
            connection = await asyncpg.connect(self.server.url())
            try:
                answers = [await connection.fetchval(one) for one in questions]
            finally:
                await connection.close()
            return answers[-1]

        return asyncio.run(run())


@pytest.fixture
def kept(data_dir: Path, soon: Soon) -> Iterator[Kept]:
    server = start_embedded(data_dir)
    try:
        yield Kept(server, soon)
    finally:
        server.stop()


def test_a_killed_server_is_back_with_all_that_was_acknowledged_also_when_killed_twice(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    async def lingering() -> None:
        connection = await asyncpg.connect(kept.server.url())
        running = asyncio.create_task(connection.fetchval("SELECT count(*) FROM generate_series(1, 10000000000)"))
        await asyncio.sleep(0.1)
        kept.kill()  # and its backend, in the middle of a statement, would keep the shared memory for minutes
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await running

    kept.ask("CREATE SCHEMA s", "CREATE TABLE s.t (n integer)", "INSERT INTO s.t VALUES (1)")
    killed = kept.server.pid
    asyncio.run(lingering())
    assert kept.is_back(killed)
    kept.ask("INSERT INTO s.t VALUES (2)")
    assert kept.is_back(kept.kill())
    assert kept.ask("SELECT sum(n) FROM s.t") == 3
    told = [record.getMessage() for record in caplog.records if record.name == "rowgate.postgres"]
    assert [line for line in told if "was killed by signal 9" in line] == told[0::2]
    assert [line for line in told if "serves again" in line] == told[1::2]
    assert len(told) == 4


def test_a_backend_that_is_killed_takes_the_server_along_and_both_are_back(kept: Kept) -> None:
    async def killing() -> None:
        connection = await asyncpg.connect(kept.server.url())
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        connection.terminate()

    before = kept.server.pid
    asyncio.run(killing())
    assert kept.is_back(before)
    assert kept.ask("SELECT 1") == 1


def test_a_server_that_is_only_stopped_by_a_signal_is_not_dead(kept: Kept) -> None:
    before = kept.kill(signal.SIGSTOP)
    assert kept.server.up
    os.kill(before, signal.SIGCONT)
    assert kept.ask("SELECT 1") == 1
    assert kept.server.pid == before


def test_stopping_while_it_waits_to_start_again_ends_at_once(
    kept: Kept, soon: Soon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_PAUSES", (3600.0,))
    kept.kill()
    assert soon(lambda: not kept.server.up)
    kept.server.stop()
    assert kept.server.lost is None
    assert not kept.given_up.is_set()


def test_stopping_while_it_recovers_ends_what_was_started(
    kept: Kept, soon: Soon, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Any] = []
    launch = postgres_process._launch

    def noted(*given: Any) -> Any:
        launched.append(launch(*given))
        return launched[-1]

    def never_ready(_place: Path, _server: Any, stopping: threading.Event) -> bool:
        stopping.wait()
        return False

    monkeypatch.setattr(postgres_process, "_launch", noted)
    monkeypatch.setattr(postgres_process, "_await_ready", never_ready)
    kept.kill()
    assert soon(lambda: launched)
    kept.server.stop()
    assert launched[0].server.poll() is not None
    assert kept.server.lost is None


def test_a_recovery_that_takes_long_is_waited_for_and_told(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(postgres_process, "_PATIENCE_SECONDS", 0.0)
    is_ready, asked = postgres_process._is_ready, []

    def not_at_once(place: Path, server: Any) -> bool:
        asked.append(server)
        return len(asked) > 1 and is_ready(place, server)

    monkeypatch.setattr(postgres_process, "_is_ready", not_at_once)
    assert kept.is_back(kept.kill())
    assert "the embedded Postgres recovers, for 0 seconds by now" in caplog.messages


def test_a_server_that_cannot_be_started_again_is_given_up_after_so_many_tries(
    kept: Kept, data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "_PAUSES", (0.0, 0.0, 0.0))
    (data_dir / "postgres/global/pg_control").write_bytes(bytes(8192))
    kept.kill()
    assert kept.given_up.wait(30)
    assert kept.server.lost is not None
    assert "control file" in kept.server.lost.detail or "incompatible" in kept.server.lost.detail
    assert not kept.server.up
    assert sum("failed: The embedded Postgres does not start" in line for line in caplog.messages) == 3


def test_a_server_that_ends_each_time_as_soon_as_it_runs_is_given_up(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(embedded, "_LIVED_SECONDS", 3600.0)
    for _ in range(2):
        assert kept.is_back(kept.kill())
    kept.kill()
    assert kept.given_up.wait(30)
    assert "again and again" in str(kept.server.lost)

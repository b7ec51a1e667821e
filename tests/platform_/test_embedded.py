"""Claims about the embedded server: one owner, durable, gone with its owner, recovered after kill -9."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from app.database import postgres_process
from app.database.embedded import EmbeddedPostgres, EmbeddedPostgresBusy, start_embedded
from app.database.postgres_process import EmbeddedPostgresFailed
from tests.places import new_place
from tests.platform_.conftest import Soon

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from app.database.embedded import start_embedded
server = start_embedded(Path(sys.argv[1]))
print(server.pid, flush=True)
time.sleep(60)
"""


def owner(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        return process, int(process.stdout.readline())


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ask(server: EmbeddedPostgres, question: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(server.url())
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_a_second_process_on_the_data_directory_is_refused_and_the_first_is_unharmed(data_dir: Path) -> None:
    server = start_embedded(data_dir)
    try:
        with pytest.raises(EmbeddedPostgresBusy, match=f"in use by another Rowgate process .process {os.getpid()}"):
            start_embedded(data_dir)
        second = subprocess.run(
            [sys.executable, "-c", OWNER, str(data_dir)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "EmbeddedPostgresBusy: The data directory" in second.stderr
        assert ask(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresFailed, match="cannot be used: Not a directory"):
        start_embedded(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")
def test_a_directory_out_of_the_reach_of_the_account_is_refused_and_no_rights_are_widened(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedPostgresFailed, match="the account that it runs as cannot come to"):
        start_embedded(tmp_path / "data")
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_the_settings_are_durable_and_only_the_socket_is_open(data_dir: Path) -> None:
    server = start_embedded(data_dir)
    try:
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
        }.items():
            assert ask(server, f"SHOW {name}") == value
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()


def test_a_configuration_file_cannot_take_durability_away(data_dir: Path) -> None:
    with (data_dir / "postgres/postgresql.auto.conf").open("a") as file:
        file.write("fsync = off\nsynchronous_commit = off\nlisten_addresses = '127.0.0.1'\n")
    server = start_embedded(data_dir)
    try:
        assert ask(server, "SHOW fsync") == "on"
        assert ask(server, "SHOW synchronous_commit") == "on"
        assert ask(server, "SHOW listen_addresses") == ""
    finally:
        server.stop()


def test_the_server_neither_runs_as_root_nor_knows_our_secrets(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWGATE_SECRET_KEY", "hunter2secret")
    server = start_embedded(data_dir)
    try:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert b"hunter2secret" not in Path(f"/proc/{server.pid}/environ").read_bytes()
        assert ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["with space, comma 'and\" quotes", "long-" + "x" * 120])
def test_a_path_that_is_strange_or_too_long_for_a_socket_works(data_dir: Path, name: str) -> None:
    place = data_dir.rename(data_dir.with_name(name))
    server = start_embedded(place)
    socket_dir = server.socket_dir
    try:
        assert ask(server, "SELECT current_user::text") == "rowgate"
    finally:
        server.stop()
    assert socket_dir.parent == place or not socket_dir.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_owner(data_dir: Path, number: signal.Signals, soon: Soon) -> None:
    process, pid = owner(data_dir)
    process.send_signal(number)
    process.wait()
    assert soon(lambda: gone(pid))
    assert not (data_dir / "postgres/postmaster.pid").exists()


def test_data_survives_when_owner_and_server_are_killed(data_dir: Path) -> None:
    server = start_embedded(data_dir)
    ask(server, "CREATE SCHEMA s")
    ask(server, "CREATE TABLE s.t AS SELECT 7 AS n")
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert (data_dir / "postgres/postmaster.pid").exists()
    again = start_embedded(data_dir)
    try:
        assert ask(again, "SELECT n FROM s.t") == 7
    finally:
        again.stop()


def test_a_server_that_outlived_its_owner_is_replaced(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_process, "_GUARD", "cat >/dev/null")
    server = start_embedded(data_dir)
    server._lock.close()  # what the kernel does at kill -9
    again = start_embedded(data_dir)
    try:
        assert server._running.server.wait(5) == 0
        assert ask(again, "SELECT 1") == 1
    finally:
        again.stop()
        server._running.end()


def test_a_stale_pid_file_that_names_a_foreign_process_harms_neither(data_dir: Path) -> None:
    foreign = subprocess.Popen(["sleep", "60"])
    try:
        (data_dir / "postgres/postmaster.pid").write_text(f"{foreign.pid}\n{data_dir / 'postgres'}\n1\n5432\n/tmp\n")
        server = start_embedded(data_dir)
        try:
            assert ask(server, "SELECT 1") == 1
            assert foreign.poll() is None
        finally:
            server.stop()
    finally:
        foreign.kill()
        foreign.wait()


def test_a_cluster_left_half_made_is_made_anew(tmp_path: Path) -> None:
    place = new_place()
    try:
        (place / "postgres.new").mkdir()
        (place / "postgres.new/PG_VERSION").write_text("18\n")
        start_embedded(place).stop()
        assert not (place / "postgres.new").exists()
    finally:
        shutil.rmtree(place)


def test_stopping_twice_is_harmless_and_frees_the_directory(data_dir: Path) -> None:
    server = start_embedded(data_dir)
    server.stop()
    server.stop()
    start_embedded(data_dir).stop()

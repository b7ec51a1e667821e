"""The Postgres that comes with Rowgate: started in the data directory, kept up, reached over a unix socket."""

import ctypes
import fcntl
import logging
import multiprocessing
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, ClassVar
from urllib.parse import quote

from app.database.postgres_process import (
    SOCKET_PREFIX,
    Cluster,
    EmbeddedPostgresFailed,
    Running,
    SystemAccount,
    bin_dir,
    drop_socket_dir,
    launch_until_ready,
    reason_of,
    room_hint,
    run,
)
from app.errors import RowgateError

ROLE = "rowgate"
DATABASE = "rowgate"
SUPERUSER = "postgres"
_ACCOUNT = "rowgate"
_LONGEST_SOCKET_PATH = 103  # bytes that macOS and Linux both take in sockaddr_un
_PLAIN_PATH = re.compile(r"/[\w ./@+-]*", re.ASCII)  # in a URL, a comma or colon in a host means more hosts or a port
# Seconds before each start of a server that has ended. After so many that failed, or whose server did not live for
# `_LIVED_SECONDS`, it is given up.
_PAUSES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0)
_LIVED_SECONDS = 2.0

_log = logging.getLogger("rowgate.postgres")


class EmbeddedPostgresBusy(RowgateError):
    """Another server process holds the data directory."""

    code: ClassVar[str] = "embedded.busy"


class UpFlag:
    """Whether the embedded server runs, for this process and for those that it spawns."""

    def __init__(self) -> None:
        """Begin with a server that runs."""
        self._shared: Any = multiprocessing.get_context("spawn").RawValue(ctypes.c_bool, True)

    def __bool__(self) -> bool:
        """Say whether it runs."""
        return bool(self._shared.value)

    def set(self, *, up: bool) -> None:
        """Tell all."""
        self._shared.value = up


class EmbeddedPostgres:
    """A running embedded server; it holds the lock on its data directory until `stop`."""

    def __init__(self, running: Running, cluster: Cluster, lock: IO[bytes]) -> None:
        """Take over what `start_embedded` started."""
        self.socket_dir = cluster.socket_dir
        self.up = UpFlag()
        self.lost: EmbeddedPostgresFailed | None = None
        self._running = running
        self._cluster = cluster
        self._lock = lock
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Give the number of the server's process."""
        return self._running.server.pid

    def url(self, *, database: str = DATABASE, user: str = ROLE) -> str:
        """Give the URL of a database; by default as the role that owns `rowgate` and is no superuser."""
        return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(str(self.socket_dir))}"

    def keep_up(self, give_up: Callable[[], object]) -> None:
        """Start the server again whenever it ends before `stop`, from a thread.

        When that is in vain, `lost` is why, and `give_up` is called once, in that thread.
        """
        self._keeper = threading.Thread(target=self._keep, args=[give_up], name="embedded postgres", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Shut the server down, roll open transactions back, and free the data directory; twice is harmless."""
        self._stopping.set()
        while self._keeper is not None and self._keeper.is_alive():
            self._running.end()
            self._keeper.join(0.1)
        self._running.end()
        drop_socket_dir(self.socket_dir)
        self._lock.close()

    def _keep(self, give_up: Callable[[], object]) -> None:
        failed = 0
        while True:
            began = time.monotonic()
            code = self._running.server.wait()
            if self._stopping.is_set():
                return
            died = time.monotonic()
            self.up.set(up=False)
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            _log.error("the embedded Postgres %s, and is started again", ended)
            self._running.end()
            failed = self._start_again(0 if died - began > _LIVED_SECONDS else failed)
            if self._stopping.is_set():
                return
            if self.lost is not None:
                _log.error("the embedded Postgres is given up: %s", self.lost.detail)
                give_up()
                return
            self.up.set(up=True)
            _log.warning("the embedded Postgres serves again, after %.1f seconds", time.monotonic() - died)

    def _start_again(self, failed: int) -> int:
        """Try until it runs, or we are to stop, or it is `lost`; gives how many tries there were in a row."""
        reason = EmbeddedPostgresFailed("The embedded Postgres ended again and again as soon as it ran.")
        for pause in _PAUSES[failed:]:
            failed += 1
            self._stopping.wait(pause)
            try:
                with _sentences(self._cluster.log.parent):
                    running = launch_until_ready(self._cluster, self._stopping)
            except EmbeddedPostgresFailed as error:
                _log.warning("start %d of at most %d failed: %s", failed, len(_PAUSES), error.detail)
                reason = error
            else:
                self._running = running or self._running
                return failed
        self.lost = reason
        return failed


def cluster_of(data_dir: Path) -> Path:
    """Name the folder of the server's own files, which is there once it was made."""
    return data_dir / "postgres"


def start_embedded(data_dir: Path) -> EmbeddedPostgres:
    """Start Postgres in `data_dir/postgres`, made at the first start, with durable settings, and wait until it serves.

    Blocks, for as long as the server takes to recover; run it before the event loop. What an earlier process left
    behind after kill -9 is cleaned up. Raises `EmbeddedPostgresBusy` while another process serves this directory, else
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
    place = cluster_of(data_dir)
    account = _account(place)
    if account.uid is not None:
        data_dir.chmod(data_dir.stat().st_mode | 0o111)
        _refuse_out_of_reach(data_dir, account)
    if not place.exists():
        _make_cluster(place, account)
    elif not (place / "PG_VERSION").is_file():
        hint = "Restore it from a backup, or move it away to begin with an empty database."
        raise EmbeddedPostgresFailed(f"{place} is not a data directory of Postgres: PG_VERSION is missing.", hint=hint)
    cluster = Cluster(place, _socket_dir(data_dir, account), data_dir / "postgres.log", account)
    try:
        running = launch_until_ready(cluster, threading.Event())
    except BaseException:
        drop_socket_dir(cluster.socket_dir)
        raise
    if running is None:  # pragma: no cover - nobody tells it to stop
        raise EmbeddedPostgresFailed("The embedded Postgres was stopped.")
    return EmbeddedPostgres(running, cluster, lock)


@contextmanager
def _sentences(data_dir: Path) -> Iterator[None]:
    """Turn a failure of the system or of a Postgres program into a sentence."""
    try:
        yield
    except subprocess.CalledProcessError as error:
        said = f"{Path(error.cmd[0]).name}: {reason_of(error.output or b'', data_dir)}"
        raise EmbeddedPostgresFailed(
            f"The embedded Postgres in {data_dir} cannot be made: {said}", hint=room_hint(data_dir)
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresFailed(
            f"The embedded Postgres in {data_dir} cannot be started: {error}.", hint=room_hint(data_dir)
        ) from error


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
    try:
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n".encode())
    except OSError:
        lock.close()
        raise
    return lock


def _account(cluster: Path) -> SystemAccount:
    """Find whom to run Postgres as: ourselves, or when we are root the owner of the data or an account of its own."""
    if os.geteuid() != 0:
        return SystemAccount(None, None)
    if cluster.exists() and cluster.stat().st_uid != 0:
        return SystemAccount(cluster.stat().st_uid, cluster.stat().st_gid)
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


def _of(entry: pwd.struct_passwd) -> SystemAccount:
    return SystemAccount(entry.pw_uid, entry.pw_gid)


def _refuse_out_of_reach(data_dir: Path, account: SystemAccount) -> None:
    """Say so when the account cannot come to its data or programs; others' rights are not ours to widen."""
    for path in (data_dir, bin_dir() / "postgres"):
        test = run(["/bin/sh", "-c", 'cd / && test -x "$1"', "sh", str(path)], account, check=False)
        if test.returncode != 0:
            raise EmbeddedPostgresFailed(
                f"Postgres refuses to run as root, and the account that it runs as cannot come to {path}.",
                hint="Start Rowgate as an ordinary user, or move it to where other users may enter.",
            )


def _make_cluster(cluster: Path, account: SystemAccount) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill on the way leaves nothing half-made."""
    draft = cluster.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    account.give(draft)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    trust = ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    run([str(bin_dir() / "initdb"), "-D", str(draft), "-U", SUPERUSER, *locale, *trust], account)
    made = run(
        [str(bin_dir() / "postgres"), "--single", "-j", "-D", str(draft), "postgres"],
        account,
        given=f"CREATE ROLE {ROLE} LOGIN;\n\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n\n".encode(),
    )
    if b"ERROR:" in made.stdout:  # after which it goes on, and ends as if all were well
        raise subprocess.CalledProcessError(made.returncode, made.args, made.stdout)
    draft.rename(cluster)


def _socket_dir(data_dir: Path, account: SystemAccount) -> Path:
    """Choose where the socket stands: in the data directory, or where its path won't do for one, in /tmp."""
    place = data_dir / "socket"
    too_long = len(os.fsencode(place / ".s.PGSQL.5432")) > _LONGEST_SOCKET_PATH
    if too_long or not _PLAIN_PATH.fullmatch(str(place)):
        place = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir="/tmp"))
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o700)
    account.give(place)
    return place

"""`rowgate import-users`: brings people of another system, with the hashes of their passwords."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from app.cli.options import REFUSED, AsJson, Key, Url, server_of, wrong_call

if TYPE_CHECKING:
    from app.cli.server_client import RemoteServer
    from app.control_plane.user_import import RowCutter

BATCH = 5000  # rows of one request to a running server
CHUNK = 1 << 20
SHOWN = 20
_BAR = 30


def import_users(
    file: Annotated[
        Path, typer.Argument(help="JSON lines, or with the ending .csv CSV whose first line names it all.")
    ],
    url: Url = None,
    key: Key = None,
    refused: Annotated[Path | None, typer.Option(help="Write each row that made nobody there, as JSON lines.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make people with the hashes of passwords that another system kept."""
    from app.cli.progress import progress

    server = server_of(url, key)
    if not file.is_file():
        wrong_call(f"There is no file {file}.")
    with ExitStack() as stack:
        told = None if refused is None else stack.enter_context(refused.open("w"))
        done = _Done(file, told)
        if server is not None:
            with progress(done.bar):
                _through(server, done)
        else:
            _into_database(done)
    _say(done, as_json=as_json)


@dataclass(slots=True)
class _Done:
    """How far the file has been read, and what came of it."""

    file: Path
    told: TextIO | None
    read: int = 0
    made: int = 0
    refused: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_csv(self) -> bool:
        return self.file.suffix.lower() == ".csv"

    def bar(self) -> str:
        """Give the line that a terminal shows."""
        share = self.read / max(1, self.file.stat().st_size)
        full = "#" * int(share * _BAR)
        return f"[{full:-<{_BAR}}] {share:4.0%}  {self.made:,} made, {self.refused:,} refused"

    def chunks(self) -> Iterator[bytes]:
        """Give the file's bytes, in pieces."""
        with self.file.open("rb") as opened:
            while chunk := opened.read(CHUNK):
                yield chunk
                self.read += len(chunk)

    def add(self, made: int, refusals: list[dict[str, Any]], refused: int) -> None:
        """Count what came of a batch; a refusal is written at once, and only the first are held."""
        self.made += made
        self.refused += refused
        if self.told is not None:
            self.told.writelines(f"{json.dumps(one)}\n" for one in refusals)
        self.first += refusals[: SHOWN - len(self.first)]


def _batches(done: _Done, cutter: "RowCutter", size: int) -> Iterator[list[bytes]]:
    waiting: list[bytes] = []
    for chunk in done.chunks():
        waiting += cutter.rows_in(chunk)
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    yield [*waiting, *cutter.last_row()]


def _through(server: "RemoteServer", done: _Done) -> None:
    from app.control_plane.user_import import CSV, LINES, RowCutter

    cutter, before = RowCutter(done.is_csv), 0
    headers = {"Content-Type": CSV if done.is_csv else LINES}
    for rows in _batches(done, cutter, BATCH):
        body = cutter.header + b"".join(rows)
        report = server.ask("POST", "/users/import", body=body, headers=headers, quiet=True).document()
        refusals = [{**one, "row": one["row"] + before} for one in report["refusals"]]
        done.add(report["made"], refusals, report["refused"])
        before += len(rows)


def _into_database(done: _Done) -> None:
    from app.cli.database import database
    from app.settings import load_settings

    settings = load_settings()
    with database(settings, done.bar) as url:
        asyncio.run(into(url, settings.secret_key.get_secret_value(), done))


async def into(url: str, secret: str, done: _Done) -> None:
    """Import into the database at `url`; what a hook sends after the commit is sealed under `secret`."""
    from contextlib import AsyncExitStack
    from dataclasses import asdict
    from datetime import UTC, datetime

    from app.auth.imported_users import Imported, insert_users
    from app.compiler.stored import compile_stored
    from app.control_plane.user_import import BATCH as BATCH_OF_ONE
    from app.control_plane.user_import import RowCutter, RowReader
    from app.data_plane.sign_up_hooks import ServedHooks
    from app.database.pool import connected
    from app.outward.client import Outward
    from app.secrets.sealing import SealingKey
    from app.store.active import load_active
    from app.store.migrate import migrate

    await migrate(url)
    key = SealingKey.of(secret)
    async with connected(url) as connection, AsyncExitStack() as stack:
        outward = Outward(key)
        stack.push_async_callback(outward.close)
        revision, stored = await load_active(connection)
        cutter, served = RowCutter(done.is_csv), compile_stored(stored, revision)
        hooks = ServedHooks(lambda: served, outward, lambda: datetime.now(UTC))
        reader = RowReader(served, cutter)
        for rows in _batches(done, cutter, BATCH_OF_ONE):
            batch = Imported()
            await insert_users(connection, hooks, reader.users(rows, batch), batch, "command")
            done.add(batch.made, [asdict(one) for one in batch.refusals], batch.refused)


def _say(done: _Done, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"made": done.made, "refused": done.refused, "refusals": done.first}, indent=2))
    else:
        typer.echo(f"{done.made:,} people were made, and {done.refused:,} rows refused.")
        for one in done.first:
            typer.echo(f"- row {one['row']}{_named(one)}: {one['message']}", err=True)
        if done.refused > len(done.first) and done.told is None:
            typer.echo("--refused FILE writes all of them.", err=True)
    if done.refused:
        raise typer.Exit(REFUSED)


def _named(refusal: dict[str, Any]) -> str:
    return f" ({refusal['email']})" if refusal["email"] else ""

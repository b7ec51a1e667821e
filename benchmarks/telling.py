"""Measures whether a route tells, by how long it takes, who has an account: known addresses beside unknown ones.

Each route that takes an address is asked in this process, without a socket, for addresses that are known, that wait to
be confirmed and that are unknown, in an order drawn by chance. Printed are the medians, and how often one of the first
two takes longer than an unknown one: 0.5 is what chance gives, with how far chance alone strays (two standard errors of
the rank sum of Mann and Whitney). Postgres keeps its files in memory where it can, so that no disk hides a difference.
"""

import argparse
import asyncio
import itertools
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.audit.writing import chain_under
from app.cli.documents import apply_to
from app.database.embedded import start_embedded
from app.database.pool import connect
from app.definitions.project import parse_project
from app.main import Rowgate, create_app
from app.settings import load_settings
from benchmarks.run import SECRET

PASSWORD = "kites over the harbour"  # noqa: S105 - of people who live for a minute
ADDRESSES = {"known": "known{}@example.com", "waiting": "waiting{}@example.com", "unknown": "nobody{}@example.com"}
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - no file is shared
DOCUMENT = {"rowgate": 1, "auth": {"confirm_email": True, "site_url": "https://app.example.com"}}
Ask = Callable[[str], tuple[str, dict[str, Any]]]
# What each route is asked for an address.
ROUTES: dict[str, Ask] = {
    "sign-in, wrong password": lambda at: (
        "/auth/v1/token?grant_type=password", {"email": at, "password": "another horse battery"}),
    "sign-up": lambda at: ("/auth/v1/signup", {"email": at, "password": PASSWORD}),
    "otp": lambda at: ("/auth/v1/otp", {"email": at, "create_user": False}),
    "otp that makes an account": lambda at: ("/auth/v1/otp", {"email": at.replace("nobody", "new")}),
    "recover": lambda at: ("/auth/v1/recover", {"email": at}),
    "resend, sign-up": lambda at: ("/auth/v1/resend", {"email": at, "type": "signup"}),
    "resend, change of address": lambda at: ("/auth/v1/resend", {"email": at, "type": "email_change"}),
    "verify, wrong code": lambda at: ("/auth/v1/verify", {"email": at, "type": "recovery", "token": "000000"}),
}  # fmt: skip


@asynccontextmanager
async def serving(people: int, **settings: Any) -> AsyncIterator[Rowgate]:
    """Give the application over a database of its own with people whose addresses are confirmed."""
    folder = Path(tempfile.mkdtemp(prefix="rowgate-telling-", dir=MEMORY))
    server = await asyncio.to_thread(start_embedded, folder)
    try:
        url = server.url()
        chain_under(SECRET)
        await apply_to(url, parse_project(DOCUMENT)[0], [], dry_run=False, allow_wider=True)
        app = create_app(load_settings(database_url=url, secret_key=SECRET, env="development", **settings), url)
        async with app.fastapi.router.lifespan_context(app.fastapi):
            digest = await app.server.auth.passwords.hash(PASSWORD)
            connection: Any = await connect(url)
            await connection.execute(
                "WITH made AS (INSERT INTO data.users (email) SELECT replace($1, '{}', n::text)"
                " FROM pg_catalog.generate_series(0, $2 - 1) n RETURNING id)"
                " INSERT INTO rowgate.accounts (user_id, password_hash, email_confirmed_at)"
                " SELECT id, $3, now() FROM made",
                ADDRESSES["known"], people, digest,
            )  # fmt: skip
            await connection.close()
            yield app
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder)


async def post(app: Rowgate, path: str, body: Any, caller: str) -> int:
    """Send a request from an address, and give the status."""
    path, _, query = path.partition("?")
    content, status = json.dumps(body).encode(), 0
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        "client": (caller, 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    return status


async def measured(app: Rowgate, ask: Ask, people: int, callers: Iterator[str]) -> dict[str, list[float]]:
    """Give the milliseconds by who is asked about; raises RuntimeError where one of them is answered otherwise."""
    asked = [(who, number) for who in ADDRESSES for number in range(people)]
    random.shuffle(asked)
    took: dict[str, list[float]] = {who: [] for who in ADDRESSES}
    statuses = set()
    for who, number in asked:
        path, body = ask(ADDRESSES[who].format(number))
        began = time.perf_counter()
        statuses.add(await post(app, path, body, next(callers)))
        took[who].append(1000 * (time.perf_counter() - began))
    if len(statuses) != 1:
        raise RuntimeError(f"{path} answers {statuses}")
    return took


async def forget_counts(app: Rowgate) -> None:
    """Let every address have all its mails and tries again."""
    async with app.server.pool.lease() as connection:
        await connection.execute("DELETE FROM rowgate.counted")


def longer(some: list[float], others: list[float]) -> float:
    """Give how often one of some takes longer than one of the others."""
    return sum((a > b) + (a == b) / 2 for a in some for b in others) / (len(some) * len(others))


async def main(people: int) -> None:
    """Measure every route and print a line for each."""
    callers = (f"10.{n // 65536 % 256}.{n // 256 % 256}.{n % 256}" for n in itertools.count())
    stray = 2 * ((2 * people + 1) / (12 * people * people)) ** 0.5
    async with serving(people) as app:
        for number in range(20):  # what is made at the first use
            for ask in ROUTES.values():
                await post(app, *ask(f"warm{number}@example.com"), next(callers))
        for number in range(people):
            await post(app, *ROUTES["sign-up"](ADDRESSES["waiting"].format(number)), next(callers))
        print(f"{people} addresses of each; medians in milliseconds; by chance 0.50 ± {stray:.2f}\n")
        print("| route | known | waiting | unknown | a known one takes longer | a waiting one |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, ask in ROUTES.items():
            await forget_counts(app)
            took = await measured(app, ask, people, callers)
            medians = " | ".join(f"{statistics.median(one):.2f}" for one in took.values())
            often = " | ".join(f"{longer(took[who], took['unknown']):.2f}" for who in ("known", "waiting"))
            print(f"| {name} | {medians} | {often} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=300, help="how many addresses of each")
    asyncio.run(main(parser.parse_args().people))

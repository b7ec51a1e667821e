"""Measures what a large project costs: a check, a start, one role more over HTTP, and the memory of who serves it.

What is measured is CPU of the process that compiles, since what else runs on the machine falls on waiting alone.
"""

import argparse
import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.audit.writing import chain_under
from app.cli.collecting import collect_seldom, settle_memory
from app.database.embedded import start_embedded
from app.definitions.project import parse_project
from app.main import create_app
from app.settings import load_settings
from benchmarks.growth_document import document
from benchmarks.run import SECRET

if TYPE_CHECKING:
    import httpx

EXAMPLE = Path(__file__).parents[1] / "examples" / "documents.yaml"
PASSWORD = "a password that this measurement alone uses"  # noqa: S105
TURNS = 3


def _checked(folder: Path) -> float:
    """Give the CPU seconds of `rowgate check`, a process of its own."""
    import yaml  # noqa: PLC0415 - not with what serves

    path = folder / "growth.yaml"
    path.write_text(yaml.safe_dump(document(), sort_keys=False))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([Path(sys.executable).with_name("rowgate"), "check", path], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _cost(call: Callable[[int], Awaitable[Any]]) -> list[float]:
    """Give the CPU milliseconds of each turn, those of the first one apart."""
    found = []
    for turn in range(TURNS + 1):
        began = time.process_time()
        await call(turn)
        found.append((time.process_time() - began) * 1000)
    return [found[0], sorted(found[1:])[TURNS // 2]]


async def _define(url: str, said: Any) -> None:
    # Who serves, in a process of this module too, has loaded what a server loads and no more.
    from app.changes.apply import apply_project  # noqa: PLC0415
    from app.store.engine import make_engine  # noqa: PLC0415
    from app.store.migrate import migrate  # noqa: PLC0415

    chain_under(SECRET)
    await migrate(url)
    project, findings = parse_project(said)
    if project is None:
        raise SystemExit(str(findings))
    engine = make_engine(url)
    await apply_project(engine, project, author="bench")
    await engine.dispose()


async def _serve(url: str, kind: str) -> dict[str, Any]:
    """Start a server on what is stored, as it starts in a process of its own, and change that by HTTP."""
    found: dict[str, Any] = {"imports_s": time.process_time()}
    began = time.process_time()
    collect_seldom()
    app = create_app(load_settings(database_url=url, secret_key=SECRET, env="production", confirm_email=False), url)
    app.on_ready = settle_memory
    async with app.fastapi.router.lifespan_context(app.fastapi):
        found["start_s"] = time.process_time() - began
        found["memory_mib"] = _resident()
        import httpx  # noqa: PLC0415 - behind the measured memory

        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=600) as client:
            client.headers["Authorization"] = await _admin(app, client)
            found["change_ms"] = await _cost(_role(client) if kind == "growth" else _edit(client))
        found["memory_after_mib"] = _resident()
    return found


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def _admin(app: Any, client: "httpx.AsyncClient") -> str:
    body = {"email": "root@example.com", "password": PASSWORD}
    token = app.server.auth.setup_token
    (await client.post("/admin/v1/setup", json={"token": token, **body})).raise_for_status()
    answer = await client.post("/admin/v1/sign-in", json=body)
    return f"Bearer {answer.json()['access_token']}"


def _role(client: "httpx.AsyncClient") -> Callable[[int], Awaitable[Any]]:
    async def add(turn: int) -> None:
        (await client.post("/admin/v1/roles", json={"name": f"more_{turn}"})).raise_for_status()

    return add


def _edit(client: "httpx.AsyncClient") -> Callable[[int], Awaitable[Any]]:
    """Change a rule, and so what some of the tests go through."""

    async def edit(turn: int) -> None:
        text = EXAMPLE.read_text().replace("input.amount < 1000000", f"input.amount < {1000000 + turn}")
        headers = {"Content-Type": "application/yaml"}
        (await client.put("/admin/v1/config?allow_wider=true", content=text, headers=headers)).raise_for_status()

    return edit


def _in_a_process(url: str, kind: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.growth", "--serve", kind, "--url", url]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    """Measure, and print lines and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--serve", choices=["growth", "example"])
    arguments.add_argument("--url")
    asked = arguments.parse_args()
    if asked.serve:
        print(json.dumps(asyncio.run(_serve(asked.url, asked.serve))))
        return
    from app.changes.files import load_file  # noqa: PLC0415 - not with what serves

    folder = Path(tempfile.mkdtemp(prefix="rowgate-bench-", dir="/tmp"))
    folder.chmod(0o755)  # Postgres may run as another account
    found: dict[str, Any] = {"check_s": _checked(folder)}
    for kind, said in {"growth": document(), "example": load_file(EXAMPLE)}.items():
        server = start_embedded(folder / kind)
        try:
            asyncio.run(_define(server.url(), said))
            found[kind] = _in_a_process(server.url(), kind)
        finally:
            server.stop()
    shutil.rmtree(folder)
    large, small = found["growth"], found["example"]
    first, later = large["change_ms"]
    print("1,000 endpoints, 300 views, 100 tables; CPU of one process:")
    print(f"  rowgate check        {found['check_s']:8.2f} s")
    print(f"  a start              {large['start_s']:8.2f} s, behind {large['imports_s']:.2f} s of imports")
    print(f"  one role over HTTP   {later:8.0f} ms, the first time {first:.0f} ms")
    print(
        f"  memory               {large['memory_mib']:8.0f} MiB, {large['memory_after_mib']:.0f} MiB behind the changes"
    )
    print(f"examples/documents.yaml edited over HTTP, its tests run: {small['change_ms'][1]:.0f} ms")
    print(json.dumps(found))


if __name__ == "__main__":
    main()

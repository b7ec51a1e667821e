"""A process of its own that calls a server's paths one after another, and tells what each took of its memory.

Its words are the server's `host:port`, and for each call a path and a time in seconds.
"""

import asyncio
import json
import re
import sys
import tracemalloc
from pathlib import Path

from app.outward.calls import OutwardCall
from app.outward.client import Outward
from app.outward.failures import CallFailed
from app.secrets.sealing import SealingKey


def most_resident() -> int:
    """Give the most bytes of memory that this process has had so far; what getrusage says begins with its parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def called(host: str, path: str, seconds: float) -> str:
    outward = Outward(SealingKey.of("s" * 40))  # a new one each time: a host that fails would rest
    try:
        await outward.send(OutwardCall("GET", f"http://{host}{path}", timeout=seconds, allow=(host,)))
    except CallFailed as failure:
        return failure.code
    finally:
        await outward.close()
    return "answered"


async def main(host: str, *words: str) -> None:
    calls = [(path, float(seconds)) for path, seconds in zip(words[::2], words[1::2], strict=True)]
    await called(host, "/fine", 30)  # what is loaded at the first call is loaded
    before = most_resident()
    codes = {path: await called(host, path, seconds) for path, seconds in calls}
    resident = most_resident() - before
    peaks = {}
    tracemalloc.start()
    for path, seconds in calls:
        tracemalloc.reset_peak()
        held, _ = tracemalloc.get_traced_memory()
        await called(host, path, seconds)
        peaks[path] = tracemalloc.get_traced_memory()[1] - held
    print(json.dumps({"codes": codes, "resident": resident, "peaks": peaks}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

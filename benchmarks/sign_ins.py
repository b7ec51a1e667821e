"""Measures sign-ins by password at the cost that the product has: how many a second one process does, and their CPU.

Several sign-ins are under way at once, as one process gets them, each for another person and from another address; no
socket is between. The hash is most of it, so it is measured alone as well.
"""

import argparse
import asyncio
import itertools
import os
import time

from benchmarks.telling import ADDRESSES, PASSWORD, post, serving

AT_ONCE = 8


async def main(seconds: float) -> None:
    """Print sign-ins a second, the CPU of this process for each, and what the hash alone takes."""
    people = 200
    async with serving(people) as app:
        passwords = app.server.auth.passwords
        digest = await passwords.hash(PASSWORD)
        numbers, done = itertools.count(), 0

        async def sign_in_until(end: float) -> None:
            nonlocal done
            while time.perf_counter() < end:
                number = next(numbers)
                body = {"email": ADDRESSES["known"].format(number % people), "password": PASSWORD}
                caller = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"
                status = await post(app, "/auth/v1/token?grant_type=password", body, caller)
                if status != 200:
                    raise RuntimeError(f"a sign-in was answered with {status}")
                done += 1

        await sign_in_until(time.perf_counter() + 1)
        done, began, cpu = 0, time.perf_counter(), time.process_time()
        await asyncio.gather(*(sign_in_until(began + seconds) for _ in range(AT_ONCE)))
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        alone = time.process_time()
        for _ in range(20):
            await passwords.verify(PASSWORD, digest)
        alone = (time.process_time() - alone) / 20
        print(f"{done / took:.1f} sign-ins a second, {AT_ONCE} at once, {os.cpu_count()} processors")
        print(f"{1000 * spent / done:.1f} ms of this process's CPU a sign-in, of which the hash {1000 * alone:.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    asyncio.run(main(parser.parse_args().seconds))

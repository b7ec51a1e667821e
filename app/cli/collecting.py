"""How often Python looks for cycles among objects: little of what Rowgate makes is one, and much of it lives long."""

import ctypes
import gc
import sys

# New objects, collections of those, collections of what outlived them.
WHILE_MAKING = (50_000, 20, 100)
WHILE_SERVING = (10_000, 20, 50)


def collect_seldom() -> None:
    """Look less often while a project is read and compiled: nearly all of it stays, so looking is half of the work."""
    gc.set_threshold(*WHILE_MAKING)


def keep_to_the_end() -> None:
    """Leave what a command made to the end of its process, which takes it all: looking through it is in vain."""
    gc.freeze()


def settle_memory() -> None:
    """Take what has been made so far out of what Python looks through for cycles, and give back what was freed.

    It lives as long as the process: to walk through it, and through a thousand requests that are under way, holds the
    loop up for a tenth of a second and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*WHILE_SERVING)
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc, which else keeps what was freed
        if trim is not None:
            trim(0)

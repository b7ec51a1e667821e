"""Where tests keep clusters: in memory where there is room, since they kill processes and never the machine."""

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3  # bytes, for the clusters of a test process and their databases


def new_place(prefix: str = "rowgate-test-") -> Path:
    """Make a directory that whoever asks removes."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if in_memory else "/tmp"))

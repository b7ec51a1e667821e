"""The packages of a lock file of npm, as they come from their registry."""

import fcntl
import subprocess
from pathlib import Path


def installed(folder: Path) -> Path:
    """Install what the folder's lock file says, unless that is there; gives the folder."""
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one installs
        there, wanted = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
        if not there.exists() or there.stat().st_mtime < wanted.stat().st_mtime:
            command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, timeout=600)
    return folder

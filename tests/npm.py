"""The packages of a lock file of npm, as they come from their registry."""

import fcntl
import json
import subprocess
from pathlib import Path


def installed(folder: Path) -> Path:
    """Install what the folder's lock file says, unless that is there; gives the folder."""
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one installs
        if not is_there(folder):
            if (linked := folder / "node_modules").is_symlink():
                linked.unlink()  # npm would empty another's folder
            command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, timeout=600)
    return folder


def is_there(folder: Path) -> bool:
    """Say whether the packages are those of the lock file, whenever either was written.

    A lock file that was just checked out is younger than packages that are linked or kept from one run to the next.
    """
    there = folder / "node_modules" / ".package-lock.json"
    if not there.exists():
        return False
    wanted = _packages(folder / "package-lock.json")
    found = _packages(there)
    # What is for other machines is left out.
    return all(found.get(name, package if package.get("optional") else None) == package
               for name, package in wanted.items() if name) and found.keys() <= wanted.keys()  # fmt: skip


def _packages(lock: Path) -> dict[str, dict[str, object]]:
    packages: dict[str, dict[str, object]] = json.loads(lock.read_text())["packages"]
    return packages

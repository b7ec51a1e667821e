"""How long a command takes: seconds and CPU seconds of the quickest round, with and without bytecode.

`serve` starts on a database that is there, the embedded one with examples/documents.yaml, and counts until it is ready.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parents[1]
DOCUMENT = str(HERE / "examples/documents.yaml")
ROWGATE = [sys.executable, "-c", "from app.cli.command import main; main()"]
TICKS = os.sysconf("SC_CLK_TCK")
Seconds = tuple[float, float]  # by the clock, and of CPU


def environment(bytecode: Path | None, data: Path) -> dict[str, str]:
    """Give what a command runs with: a folder that its bytecode is kept in, or none that has any."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROWGATE_", "PYTHON"))}
    without = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(data / "none")}
    chosen = without if bytecode is None else {"PYTHONPYCACHEPREFIX": str(bytecode)}
    return {**kept, **chosen, "PYTHONPATH": str(HERE), "ROWGATE_DATA_DIR": str(data)}


def ended(words: list[str], env: dict[str, str]) -> Seconds:
    """Run a command to its end."""
    began = time.perf_counter()
    process = subprocess.Popen([*ROWGATE, *words], env=env, cwd=HERE, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"rowgate {' '.join(words)} ended with {process.returncode}")
    return took, used.ru_utime + used.ru_stime


def ready(words: list[str], env: dict[str, str]) -> Seconds:
    """Run a server until it says where it listens, and end it; Postgres's own CPU is not counted."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*ROWGATE, *words], env=env, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    if process.stdout is None or not any("listens on" in line for line in process.stdout):
        sys.exit(f"rowgate {' '.join(words)} never listened")
    took = time.perf_counter() - began
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    process.terminate()
    process.communicate(timeout=60)
    return took, (int(fields[11]) + int(fields[12])) / TICKS


COMMANDS: dict[str, tuple[Callable[[list[str], dict[str, str]], Seconds], list[str]]] = {
    "--help": (ended, ["--help"]),
    "check": (ended, ["check", DOCUMENT]),
    "serve": (ready, ["serve", "--port", "0", "--start-with", DOCUMENT]),
}


def main() -> None:
    """Measure each command, and print a table."""
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--rounds", type=int, default=5)
    rounds = said.parse_args().rounds
    print("| command | bytecode | seconds | CPU seconds |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="rowgate-start-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # the embedded Postgres of a root is another account's
        data = Path(folder) / "data"
        for bytecode in (Path(folder) / "bytecode", None):
            env = environment(bytecode, data)
            for name, (run, words) in COMMANDS.items():
                run(words, env)  # makes the bytecode, and the database
                found = [run(words, env) for _ in range(rounds)]
                took, used = (min(column) for column in zip(*found, strict=True))
                print(f"| {name} | {'no' if bytecode is None else 'yes'} | {took:.2f} | {used:.2f} |", flush=True)


if __name__ == "__main__":
    main()

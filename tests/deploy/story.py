"""Runs the shell blocks of a page's story against a server, and holds each answer to what the page says of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def story(page: Path) -> list[str]:
    """Give the blocks from the one that sets the server's address on; README's last is about deploying."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    begin = next(index for index, block in enumerate(blocks) if block.startswith("U="))
    return [block for block in blocks[begin:] if "docker" not in block]


def tell(server: str, page: Path = README, setup: str = "", least: int = 10) -> list[str]:
    """Run the story, with the token of the first start, and give what went otherwise than it is told."""
    blocks = story(page)
    script = "set -e\n" + "\n".join(f"echo '@@ {index}'\n{block}" for index, block in enumerate(blocks))
    script = script.replace("http://127.0.0.1:8000", server).replace("the token that the server printed", setup)
    command = ["bash", "-c", script]
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=here)
    outputs = re.split(r"@@ \d+\n", done.stdout)[1:]
    wrong = [f"the story ended with {done.returncode}: {done.stderr}"] if done.returncode else []
    checked = 0
    for block, output in zip(blocks, outputs, strict=False):
        for line in re.findall(r"^#=> (.*)$", block, re.MULTILINE):
            checked += 1
            if line not in output:
                wrong.append(f"wanted: {line}\nanswered: {output}")
    return wrong if checked >= least else [*wrong, f"only {checked} answers were checked"]


if __name__ == "__main__":
    problems = tell(sys.argv[1])
    print("\n".join(problems) or "README's story goes as it is told.")
    sys.exit(bool(problems))

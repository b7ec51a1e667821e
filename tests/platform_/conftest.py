"""Data directories that tests may break, and a wait for what other processes do."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.database.embedded import EmbeddedPostgres, start_embedded
from tests.places import new_place

Soon = Callable[[Callable[[], object]], bool]


@pytest.fixture(scope="session")
def made(embedded_server: EmbeddedPostgres) -> Iterator[Path]:
    """A data directory made and stopped, to copy from: initdb is the slow part."""
    place = new_place()
    start_embedded(place).stop()
    yield place
    shutil.rmtree(place)


@pytest.fixture
def data_dir(made: Path) -> Iterator[Path]:
    parent = new_place()
    parent.chmod(0o711)
    place = parent / "data"
    place.mkdir()
    subprocess.run(["cp", "-a", made / "postgres", place], check=True)
    yield place
    shutil.rmtree(parent)


@pytest.fixture(scope="session")
def soon() -> Soon:
    """Wait until something holds, and give whether it came to that."""

    def waits(condition: Callable[[], object]) -> bool:
        deadline = time.monotonic() + 30
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        return bool(condition())

    return waits

"""docs/security.md names every requirement of the chapters that it walks through, and counts its own verdicts."""

import re

import pytest

from tests.backend import EXAMPLES

PAGE = (EXAMPLES.parent / "docs" / "security.md").read_text()
# How many requirements the sections of a chapter of ASVS 5.0.0 have.
SECTIONS = {6: (3, 12, 8, 6, 8, 4, 2, 4), 7: (3, 4, 2, 5, 3, 2), 9: (3, 4), 10: (2, 3, 5, 16, 5, 2, 3)}


@pytest.mark.parametrize("chapter", SECTIONS)
def test_each_requirement_has_its_verdict_and_is_counted(chapter: int) -> None:
    part = next(one for one in PAGE.split("\n## ") if one.startswith(f"V{chapter} "))
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \| (yes|partly|no|not ours) \| \S.* \|$", part, re.MULTILINE)
    sizes = enumerate(SECTIONS[chapter], 1)
    assert [number for number, _ in rows] == [f"{chapter}.{a}.{b}" for a, size in sizes for b in range(1, size + 1)]
    verdicts = [verdict for _, verdict in rows]
    counted = [f"{verdicts.count(one)} {one}" for one in ("yes", "partly", "no", "not ours") if one in verdicts]
    assert f"\n{len(rows)} requirements: {', '.join(counted)}.\n" in part

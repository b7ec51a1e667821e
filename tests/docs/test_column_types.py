"""What the docs say of column types is what there is, and the way to add one leads past all that names them."""

import re
from pathlib import Path

from app.definitions.column_types import COLUMN_TYPES

ROOT = Path(__file__).parents[2]
STEP = re.compile(r"^\d\. (.+?)(?=^\d\. |^$)", re.MULTILINE | re.DOTALL)


def section(document: str, heading: str) -> str:
    said = (ROOT / "docs" / document).read_text()
    return said.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_type_has_its_line_with_its_postgres_type_and_options() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (`.+) \|(.*)\|$", section("documents.md", "Types"), re.MULTILINE)
    assert [name for name, *_ in rows] == list(COLUMN_TYPES)
    for name, pg, options in rows:
        assert re.findall(r"`([\w ]+)`", pg)[0] == COLUMN_TYPES[name].pg
        assert re.findall(r"`(\w+)`", options) == sorted(COLUMN_TYPES[name].options), name


def test_every_step_to_a_new_type_names_a_file_that_has_all_of_them() -> None:
    steps = STEP.findall(section("architecture.md", "A new column type"))
    files = [re.findall(r"`((?:app|docs|tests)/[\w./]+)`", step)[0] for step in steps]
    assert files[0] == "app/definitions/column_types.py"
    assert len(files) == 4
    for file in files:
        said = (ROOT / file).read_text()
        missing = [name for name in COLUMN_TYPES if f'"{name}": ' not in said and f"| `{name}` |" not in said]
        assert missing == [], file

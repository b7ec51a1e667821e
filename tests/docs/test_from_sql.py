"""What docs say of SQL and its rules: every rule is sound where it would stand, and every page has its way in."""

import re
from pathlib import Path

import pytest

from app.changes.files import load_text
from app.compiler.check import check_project
from app.definitions.project import parse_project

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "from-sql.md").read_text()
RULES = [found.replace("\\|", "|") for found in re.findall(r"^\| .* \| `([^`]+)` \|$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_of_the_page_is_sound_as_a_filter(rule: str) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    document = load_text(found[1])
    document["views"] = [{"name": "seen", "table": "documents", "filter": rule}]
    project, findings = parse_project(document)
    assert project is not None, findings
    assert check_project(project) == []


def test_the_page_has_its_rules() -> None:
    assert len(RULES) > 25


def test_every_page_is_in_the_list_of_pages() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text())
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page.name != "README.md")

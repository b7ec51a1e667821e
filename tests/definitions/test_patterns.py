"""A pattern that RE2 can't read is a finding at its place, wherever it is said, and never a failure of the check."""

from typing import Any

import pytest

from app.compiler.check import check_project
from app.definitions.project import parse_project

BAD = {"type": "text", "pattern": "("}
TABLE = {"name": "t", "columns": [{"name": "a", "type": "text"}]}
BAD_TABLE = {"name": "t", "columns": [{"name": "a", **BAD}]}
VIEW = {"name": "v", "table": "t", "columns": ["a"], "allow": ["select", "insert"], "filter": "true"}
ENDPOINT = {"name": "e", "method": "POST", "path": "/e", "access": "public", "steps": [{"do": "respond", "body": 1}]}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"tables": [BAD_TABLE]}, "tables/t.columns/a.pattern"),
        ({"tables": [BAD_TABLE], "views": [VIEW]}, "tables/t.columns/a.pattern"),
        ({"tables": [TABLE], "views": [{**VIEW, "params": {"q": BAD}}]}, "views/v.params.q.pattern"),
        ({"endpoints": [{**ENDPOINT, "input": {"body": {"a": BAD}}}]}, "endpoints/e.input.a.pattern"),
        ({"users": {"columns": [{"name": "nick", **BAD}]}}, "users.columns/nick.pattern"),
    ],
)
def test_a_pattern_that_is_none_is_found_at_its_place(more: dict[str, Any], place: str) -> None:
    project, findings = parse_project({"rowgate": 1, **more})
    assert project is not None, findings
    assert [one.place for one in check_project(project)] == [place]

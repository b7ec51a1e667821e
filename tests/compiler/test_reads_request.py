"""What a rule reads of the request decides whether its headers are made into a map, and no word of the definition."""

from typing import Any

import pytest

from app.compiler.compile import compile_project
from app.definitions.project import parse_project

READS = {"do": "require", "that": 'request.method == "GET"'}
SAYS = {"do": "require", "that": "true", "message": "A request is needed."}
HEADER = {"do": "rate_limit", "limit": "9/minute", "by": 'request.headers["x-team"]'}


def reads(*steps: Any, middleware: Any = (), project: Any = (), **said: Any) -> tuple[bool, bool]:
    one = {"name": "e", "method": "GET", "path": "/e", "access": "public", "steps": [*steps, {"do": "respond"}]}
    view = {"name": "v", "table": "requests", "access": "public", "description": "What a request wants."}
    document = {
        "rowgate": 1,
        "project": {"middleware": list(project)},
        "tables": [{"name": "requests"}],
        "middleware": list(middleware),
        "endpoints": [{**one, **said}],
        "views": [view],
    }
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    runtime, findings = compile_project(parsed)
    assert runtime is not None, findings
    return runtime.endpoints["e"].reads_request, runtime.views["v"].reads_request


@pytest.mark.parametrize(
    ("steps", "is_read"),
    [
        ([SAYS], False),
        ([{"do": "list", "from": "requests", "as": "all_requests"}], False),
        ([READS], True),
        ([HEADER], True),
        ([{"do": "if", "when": "true", "then": [{"do": "set", "values": {"x": {"deep": ["=request.ip"]}}}]}], True),
        ([{"do": "call", "use": "reads"}], True),
        ([{"do": "call", "use": "says"}], False),
    ],
)
def test_only_a_rule_reads_the_request(steps: list[Any], is_read: bool) -> None:
    middleware = [{"name": "reads", "steps": [READS]}, {"name": "says", "steps": [SAYS]}]
    assert reads(*steps, middleware=middleware) == (is_read, False)


def test_a_chain_that_runs_before_all_reads_it_for_all() -> None:
    middleware = [{"name": "all", "steps": [HEADER]}]
    assert reads(SAYS, middleware=middleware, project=["all"]) == (True, True)
    assert reads(rules=[{"rule": 'request.ip != ""'}]) == (True, False)

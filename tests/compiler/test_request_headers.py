"""Headers that rules ask for by names that they never have there are found, and what is stored so goes on."""

from typing import Any

import pytest

from app.compiler.check import check_project
from app.compiler.compile import compile_project
from app.definitions.project import Project, parse_project
from app.errors import Finding

CASE = "write 'x-team': all names are in lower case"
CREDENTIAL = "what it says of the caller is auth"


def project_of(*steps: Any, middleware: Any = ()) -> Project:
    one = {"name": "e", "method": "GET", "path": "/e", "access": "public", "steps": [*steps, {"do": "respond"}]}
    project, findings = parse_project({"rowgate": 1, "middleware": list(middleware), "endpoints": [one]})
    assert project is not None, findings
    return project


def found(rule: str) -> list[Finding]:
    return check_project(project_of({"do": "require", "that": rule}))


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ('request.headers["X-Team"] == "a"', CASE),
        ('"X-Team" in request.headers', CASE),
        ('auth.signed_in || request.headers["X-Team"].size() > 1', CASE),
        ('request.headers["authorization"] != ""', CREDENTIAL),
        ('request.headers.authorization != ""', CREDENTIAL),
        ("has(request.headers.cookie)", CREDENTIAL),
        ('"apikey" in request.headers', CREDENTIAL),
    ],
)
def test_a_header_that_is_never_there_is_found(rule: str, hint: str) -> None:
    (finding,) = found(rule)
    assert (finding.place, finding.hint, finding.stricter) == ("endpoints/e.steps/0.that", hint, True)


@pytest.mark.parametrize(
    "rule",
    [
        'request.headers["x-team"] == "a"',
        "has(request.headers.origin) && request.headers.size() > 1",
        '["X-Team"].exists(name, name == request.method)',
        '{"headers": {"X-Team": 1}}.headers["X-Team"] == 1',
        '"X-Team" in ["a"] || request.headers.exists(name, name == "X-Team")',
    ],
)
def test_other_names_are_not(rule: str) -> None:
    assert found(rule) == []


def test_it_is_found_once_in_a_middleware_and_compiled_as_before() -> None:
    rule = {"do": "require", "that": 'request.headers["X-Team"] == "a"'}
    call = {"do": "call", "use": "m"}
    runtime, findings = compile_project(project_of(call, call, middleware=[{"name": "m", "steps": [rule]}]))
    assert runtime is not None
    assert [one.place for one in findings] == ["middleware/m.steps/0.that"]

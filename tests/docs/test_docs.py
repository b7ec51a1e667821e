"""The docs say what the code has: every code, step, setting and command."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.cli.command import app as command_line
from app.compiler.check import check_project
from app.data_plane.rest.dialect.codes import CODES, CODES_OF_RPC
from app.data_plane.rest.dialect.refusals import QueryRefused
from app.definitions.project import parse_project
from app.errors import RowgateError
from app.expressions.check import Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.library.table import TABLE
from app.settings import PREFIX, Settings
from app.steps.registry import KINDS
from tests.docs.step_examples import Example, around, examples

DOCS = Path(__file__).parents[2] / "docs"


def headings(name: str) -> list[str]:
    return re.findall(r"^## (.+)$", (DOCS / name).read_text(), re.MULTILINE)


def refusals(base: type[RowgateError] = RowgateError) -> Iterator[type[RowgateError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from refusals(kind)


def test_every_error_code_has_its_line() -> None:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        importlib.import_module(module.name)
    codes = {kind.code for kind in refusals() if kind.__module__.startswith("app.")}
    listed = re.findall(r"^\| `([a-z_.0-9]+)` \| \d{3} \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert sorted(codes) == listed


def test_every_code_of_postgrest_has_its_line_and_every_refusal_of_the_dialect_its_code() -> None:
    rows = re.findall(r"^\| `([A-Z0-9]+)` \| (`.+) \|$", (DOCS / "errors.md").read_text(), re.MULTILINE)
    listed = {(theirs, *one) for theirs, ours in rows for one in re.findall(r"`([a-z_.]+)`( of `/rest/v1/rpc`)?", ours)}
    said = {(theirs, ours, "") for ours, theirs in CODES.items()}
    assert listed == said | {(theirs, ours, " of `/rest/v1/rpc`") for ours, theirs in CODES_OF_RPC.items()}
    assert {QueryRefused.code, *(kind.code for kind in refusals(QueryRefused))} <= CODES.keys()


def test_every_kind_of_step_has_its_heading() -> None:
    assert sorted(headings("steps.md")) == sorted(KINDS)


def test_every_setting_has_its_heading() -> None:
    assert sorted(headings("settings.md")) == sorted(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)


def test_every_command_has_its_heading() -> None:
    names = [
        one.name or getattr(one.callback, "__name__", "").replace("_", "-") for one in command_line.registered_commands
    ]
    names += [
        f"{group.name} {one.name or getattr(one.callback, '__name__', '')}"
        for group in command_line.registered_groups
        for one in (group.typer_instance.registered_commands if group.typer_instance else ())
    ]
    assert sorted(headings("commands.md")) == sorted(f"rowgate {name}" for name in names)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_every_example_of_a_step_is_sound_and_stands_under_its_heading(example: Example) -> None:
    assert example.step["do"] == example.kind
    project, findings = parse_project(around(example))
    assert project is not None, findings
    assert check_project(project) == []


def test_every_kind_of_step_has_an_example() -> None:
    assert {example.kind for example in examples()} == set(KINDS)


FUNCTION_ROW = re.compile(r"^\| `([\w.]+)` \| (.+) \| `(.+)` \| `(.+)` \| (yes|no) \|$", re.MULTILINE)
EXAMPLES = FUNCTION_ROW.findall((DOCS / "language.md").read_text())


@pytest.mark.parametrize(("function", "doc", "example", "answer", "sql"), EXAMPLES)
def test_every_example_of_a_function_answers_as_it_says(
    function: str, doc: str, example: str, answer: str, sql: str
) -> None:
    assert function in example
    assert doc == TABLE[function].doc
    assert sql == ("yes" if any(overload.sql for overload in TABLE[function].overloads) else "no")
    assert compile_value(check(example, Scope({})))({}) == json.loads(answer)


def test_every_function_has_its_example() -> None:
    assert sorted(TABLE) == sorted(function for function, *_ in EXAMPLES)


def test_the_compose_file_passes_every_setting_of_a_server_in_a_container() -> None:
    said = (DOCS.parent / "docker-compose.yml").read_text()
    passed = set(re.findall(r"^ +(ROWGATE_[A-Z_]+):", said, re.MULTILINE))
    assert passed == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} - {"ROWGATE_DATA_DIR"}


def test_the_fetch_for_long_queries_is_the_one_that_the_clients_are_tried_with() -> None:
    (shown,) = re.findall(r"```js\n(export const fetchLong.*?)```", (DOCS / "views.md").read_text(), re.DOTALL)
    assert (DOCS.parent / "tests" / "clients" / "fetch_long.mjs").read_text().endswith(shown)

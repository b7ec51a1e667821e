"""The short lists of how something is added, and of where SQL is made, lead past what is there."""

import asyncio
import re
import sys
from types import FrameType
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from app.auth.identity import ANONYMOUS
from app.auth.route_limits import RouteLimits
from app.compiler.compile import compile_project
from app.control_plane.router import admin_router
from app.data_plane.made_request import made_request
from app.data_plane.rest.read import bind_read
from app.data_plane.rest.write import bind_write
from app.definitions.project import parse_project
from app.expressions.library.table import TABLE
from app.relations.memory import Memory
from app.settings import PREFIX, Settings
from tests.changes.test_managed import BESIDE, edits
from tests.control_plane.test_audit import CHANGES, OTHERS
from tests.control_plane.test_ranks import ROUTES
from tests.docs.test_column_types import ROOT, STEP, section


def steps(heading: str) -> list[list[str]]:
    """Give the files and folders that each step of a list names, in order."""
    listed = STEP.findall(section("architecture.md", heading))
    return [re.findall(r"`((?:app/|docs/|tests/|docker)[\w./-]+)`", step) for step in listed]


def text(path: str) -> str:
    found = ROOT / path
    files = sorted(found.glob("*.py")) if found.is_dir() else [found]
    return "\n".join(file.read_text() for file in files)


def test_the_way_to_a_function_leads_past_all_of_them() -> None:
    library, docs, edges = steps("A new function")
    assert library == ["app/expressions/library/"]
    for name in TABLE:
        assert f'"{name}"' in text(*library) or f"{name.partition('.')[0]}." in text(*library), name
        assert f"| `{name}` |" in text(*docs), name
        assert re.search(rf"\b{re.escape(name)}\b", "".join(map(text, edges))), f"{name} has no test of its edges"


def test_the_way_to_a_route_leads_past_all_of_them() -> None:
    made, router, ranks, changes = steps("A new route of the admin API")
    assert (made[0], ranks, len(changes)) == ("app/control_plane/", ["tests/control_plane/test_ranks.py"], 2)
    routes = {
        (method, str(route.path), route.endpoint)
        for route in iter_route_contexts(admin_router(RouteLimits()).routes)
        for method in route.methods or ()
    }
    assert {(method, path) for method, path, _ in routes} == set(ROUTES)
    for _, _, endpoint in routes:
        module = endpoint.__module__
        assert module.startswith("app.control_plane."), endpoint
        assert re.search(rf"\b{module.rpartition('.')[2]}\b", text(*router)), module
    writing = [one for one in routes if one[0] != "GET"]
    tried = {
        endpoint
        for method, path, *_ in CHANGES
        for other, template, endpoint in writing
        if method == other and compile_path(template)[0].match(f"/admin/v1{path.partition('?')[0]}")
    }
    functions = {getattr(endpoint, "__qualname__", "") for endpoint in tried}
    assert {getattr(endpoint, "__qualname__", "") for _, _, endpoint in writing} - functions <= OTHERS
    known = edits(admin_router(RouteLimits())) | BESIDE
    assert {(method, path.removeprefix("/admin/v1")) for method, path, _ in writing} <= known


def test_the_way_to_a_setting_leads_past_all_of_them() -> None:
    (settings,), (docs,), (compose,), (tests,) = steps("A new setting")
    for name in Settings.model_fields:
        assert f"    {name}: " in text(settings), name
        assert f"## {PREFIX}{name.upper()}\n" in text(docs), name
        assert f"{PREFIX}{name.upper()}:" in text(compose) or name == "data_dir", (
            name
        )  # a container has no embedded server
        assert re.search(rf"\b(?:{PREFIX})?{name}\b", text(tests), re.IGNORECASE), f"{name} is never tried"


DOCUMENT = {
    "rowgate": 1,
    "tables": [
        {"name": "notes", "columns": [{"name": "text", "type": "text"}]},
        {"name": "likes", "columns": [{"name": "note", "type": "reference", "table": "notes"}]},
    ],
    "views": [
        {
            "name": "seen", "table": "notes", "filter": "row.text != 'hidden'", "access": "public",
            "columns": ["id", "text", {"name": "likes", "count": "likes", "where": "item.note == row.id"}],
            "allow": ["select", "update"], "writable": ["text"],
        },
    ],
}  # fmt: skip


def made_by(work: Any) -> set[str]:
    """Give the files of app/ of which a function is called."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _more: Any) -> None:
        if event == "call":
            found.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {name.removeprefix(f"{ROOT}/") for name in found if name.startswith(f"{ROOT}/app/")}


def test_a_views_sql_is_made_where_the_list_says_and_nowhere_else() -> None:
    checked, asked, written, kept = steps("Where a view's SQL is made")
    project, findings = parse_project(DOCUMENT)
    assert project is not None, findings
    compiled = made_by(lambda: compile_project(project, memory=Memory()))
    assert {name for name in checked if name not in compiled} == set()
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    view = runtime.views["seen"]
    request = made_request("GET", "/rest/v1/seen", "text=eq.a&select=id,likes&order=text", {}, None)
    read = made_by(lambda: bind_read(view, request, ANONYMOUS))
    change = made_request("PATCH", "/rest/v1/seen", "text=eq.a", {}, None)
    wrote = made_by(lambda: asyncio.run(bind_write(view, change, b'{"text": "b"}', ANONYMOUS)))
    listed = {*asked, *written, *kept}
    assert listed - (read | wrote) == set()
    makers = {name for name in read | wrote if re.search(r"\b(?:SELECT|FROM|WHERE|UPDATE) [{\w]", text(name))}
    assert makers - listed == set(), "files that hold SQL take part, and the list doesn't name them"


@pytest.mark.parametrize("heading", ["A new function", "A new setting", "Where a view's SQL is made"])
def test_each_list_is_short(heading: str) -> None:
    assert 3 <= len(steps(heading)) <= 4
    assert all(steps(heading))

"""What a runtime has found by the paths of requests is its own."""

from dataclasses import replace
from typing import Any

from app.compiler.runtime import Runtime


def test_a_runtime_that_is_made_of_another_begins_without_its_paths() -> None:
    nothing: Any = None
    runtime = Runtime(1, nothing, nothing, nothing, {}, {}, nothing, {})
    runtime.accepted["GET", b"/rest/v1/notes"] = "the view of this one"
    other = replace(runtime, views={"notes": nothing})
    assert other.accepted == {}
    other.accepted["GET", b"/rest/v1/notes"] = "the view of that one"
    assert runtime.accepted["GET", b"/rest/v1/notes"] == "the view of this one"

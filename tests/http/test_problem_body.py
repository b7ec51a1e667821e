"""The body of a refusal is kept for its words, and is the one that would be made anew."""

import json
from typing import ClassVar

import pytest

from app.data_plane.rest.dialect.codes import rest_body, rpc_body
from app.errors import FieldError, RowgateError, render_problem
from app.http import problem_body as kept
from app.http.problem_body import Form, problem_body


class Gone(RowgateError):
    """It isn't there."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.not_found"


class Detailed(Gone):
    """It isn't there, and there is more to say."""

    def __init__(self, details: object) -> None:
        super().__init__("It isn't there.")
        self.details = details


@pytest.mark.parametrize("form", [render_problem, rest_body, rpc_body])
@pytest.mark.parametrize(
    "error",
    [
        Gone("It isn't there."),
        Gone("It isn't there.", hint="Look elsewhere."),
        Gone('No "request_id":"" and no "request_id": "" in sight.'),
        Gone('"request_id":', hint='""'),
        Gone("\ud800 and \x00"),
        Gone(""),
        Gone("Some fields failed.", errors=[FieldError(("body", "a"), "input.required", "Say it.")]),
        Detailed("once"),
        Detailed("twice"),
        Detailed([{"a": 1}]),
        RowgateError("nothing that is shown"),
    ],
)
def test_what_is_kept_is_what_would_be_made(form: Form, error: RowgateError) -> None:
    for request_id in ("r-1", "another.id:2"):
        assert problem_body(form, error, request_id) == form(error, request_id)


def test_what_strangers_choose_fills_no_memory() -> None:
    for number in range(kept.KEPT * 2):
        problem_body(render_problem, Gone(f"There is no {number}."), "r")
    assert 0 < len(kept._made) <= kept.KEPT
    kept._made.clear()
    problem_body(render_problem, Gone("long" * 10_000), "r")
    assert not kept._made


def test_another_kind_or_form_says_its_own() -> None:
    class Other(Gone):
        code: ClassVar[str] = "other"

    said = [problem_body(render_problem, kind("The same."), "r") for kind in (Gone, Other)]
    assert [json.loads(one)["code"] for one in said] == ["route.not_found", "other"]
    assert json.loads(problem_body(rpc_body, Gone("The same."), "r"))["code"] == "PGRST202"
    assert json.loads(problem_body(rest_body, Gone("The same."), "r"))["code"] == "PGRST205"

"""A refusal tells the caller what to do; a fault tells nothing."""

import json

from app.errors import FieldError, Finding, RowgateError, render_problem


class Forbidden(RowgateError):
    status = 403
    code = "access.role_missing"


def test_a_fault_shows_only_its_request_id() -> None:
    body = json.loads(render_problem(RowgateError("relation data.secrets is gone", hint="look at pg_class"), "r1"))
    assert body["status"] == 500
    assert body["request_id"] == "r1"
    assert "secrets" not in json.dumps(body)
    assert "pg_class" not in json.dumps(body)


def test_a_refusal_carries_every_member_of_rfc_9457_and_the_fields_that_failed() -> None:
    error = Forbidden("No.", hint="Ask.", errors=[FieldError(("body", "a", 0), "input.type", "must be text")])
    assert json.loads(render_problem(error, "r2")) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "No.",
        "code": "access.role_missing",
        "request_id": "r2",
        "hint": "Ask.",
        "errors": [{"loc": ["body", "a", 0], "code": "input.type", "message": "must be text"}],
    }


def test_a_lone_surrogate_in_a_sentence_does_not_break_the_answer() -> None:
    assert json.loads(render_problem(Forbidden("\ud800"), "r3"))["detail"] == "\ud800"


def test_a_finding_prints_its_place_and_its_hint() -> None:
    finding = Finding("views/mine.filter:1:5", "unknown name 'usr'", "did you mean 'user'?")
    assert str(finding) == "views/mine.filter:1:5: unknown name 'usr' (did you mean 'user'?)"

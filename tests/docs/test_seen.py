"""What pages show as answered is what the code answers."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.cli.why import told
from app.expressions.check import Scope, check
from app.expressions.evaluate import compile_condition
from app.expressions.types import BOOL, UUID, Record

DOCS = Path(__file__).parents[2] / "docs"
ANN, BOB = "01a21dee-c727-741f-8ae9-e0af50f5ce64", "01a21dee-c6a1-7d7c-a993-a552dd171934"
CHAIN = "endpoints/get_document.middleware/owns_document(owns_document).steps"
REQUEST: dict[str, Any] = {
    "method": "GET", "path": "/api/documents/01a21dee-c781-7d0d-9f0b-baa49baf186a",
    "at": "2026-11-27T16:55:17.652999+00:00", "caller": {"kind": "user", "id": ANN, "roles": []}, "status": 403,
    "code": "chain.refused", "detail": "This document belongs to somebody else.", "stage": "chain",
    "milliseconds": 4.126,
    "stages": [{"stage": "authorize", "milliseconds": 0.2}, {"stage": "chain", "milliseconds": 3.9}],
    "steps": [{"step": "fetch", "place": f"{CHAIN}/0", "milliseconds": 2.81},
              {"step": "require", "place": f"{CHAIN}/1", "milliseconds": 0.05}],
    "steps_before": [{"step": "fetch", "place": f"{CHAIN}/0"}],
    "step": {"step": "require", "place": f"{CHAIN}/1", "rules": [{
        "field": "that", "text": 'document.owner_user_id == auth.user.id || "support" in auth.user.roles',
        "saw": {"auth.user.id": ANN, "auth.user.roles": [], "document.owner_user_id": BOB},
    }]},
}  # fmt: skip
SCOPE = Scope({
    "row": Record("documents", {"reviewer": UUID, "public": BOOL}),
    "auth": Record("auth", {"user": Record("users", {"id": UUID})}),
})  # fmt: skip
FILTERS = re.findall(r"^\| `(.+)` \| ((?:shown|left out).*) \|$", (DOCS / "language.md").read_text(), re.MULTILINE)


def test_the_page_shows_a_refusal_as_the_command_says_it() -> None:
    assert f"\n{told(REQUEST)}\n```" in (DOCS / "seeing-why.md").read_text()


@pytest.mark.parametrize(("rule", "said"), FILTERS)
def test_a_filter_over_null_shows_what_the_page_says(rule: str, said: str) -> None:
    holds = compile_condition(check(rule.replace("\\|", "|"), SCOPE, BOOL))
    shown = [
        holds({"row": {"reviewer": None, "public": public}, "auth": {"user": {"id": ANN}}}) for public in (False, True)
    ]
    assert shown == {"shown": [True, True], "left out": [False, False], "shown, if it is public": [False, True]}[said]


def test_the_page_has_its_filters() -> None:
    assert len(FILTERS) == 6

"""What is wrong with a test is found when it is saved, each with its place and what to do."""

import pytest

from app.compiler.check import check_project
from app.definitions.project import dump_project, parse_project
from tests.policy.backend import backend, findings_of, one

SOUND = {
    "as": "{}",
    "given": "{documents: [{id: plan, owner: me, title: Plan}]}",
    "request": '{path: "/api/documents/{plan}/title", method: POST, body: {title: A}}',
    "expect": "{status: 200}",
}


def said(**changed: str) -> str:
    return one("\n".join(f"{name}: {text}" for name, text in {**SOUND, **changed}.items()))


WRONG = [
    ({"as": "{roles: [suport]}"}, "tests/it.as.roles", "unknown role 'suport'", "did you mean support?"),
    ({"as": "bob"}, "tests/it.as", "no row of users is called 'bob'", "add `users: [{id: bob}]` to given"),
    (
        {"as": "alise", "given": "{users: [{id: alice}]}", "request": "{path: /api/open}"},
        "tests/it.as",
        "no row of users is called 'alise'",
        "did you mean alice?",
    ),
    ({"as": "{columns: {plam: pro}}"}, "tests/it.as.columns.plam", "unknown column 'plam'", "did you mean plan?"),
    (
        {"as": "{columns: {plan: best}}"},
        "tests/it.as.columns.plan",
        "One of these is wanted: free, pro.",
        None,
    ),
    (
        {"as": "{key: true, columns: {plan: pro}}"},
        "tests/it.as",
        "an API key is no user: it has roles, and neither id, columns nor sign_in",
        None,
    ),
    ({"as": "7"}, "tests/it.as", "a mapping is wanted here", None),
    (
        {"given": "{documnets: [{title: A}]}", "request": "{path: /api/open}"},
        "tests/it.given",
        "unknown table 'documnets'",
        "did you mean documents?",
    ),
    (
        {"given": "{documents: [{id: plan, owner: me, titel: A, title: A}]}"},
        "tests/it.given.documents/plan.titel",
        "unknown column 'titel'",
        "did you mean title?",
    ),
    (
        {"given": "{documents: [{id: plan, owner: me}]}"},
        "tests/it.given.documents/plan",
        "a row of documents needs title",
        "say what they are here, or give the columns a default",
    ),
    (
        {"given": "{documents: [{id: plan, owner: me, title: A}, {title: B}]}"},
        "tests/it.given.documents/1",
        "a row of documents needs owner",
        "say what they are here, or give the columns a default",
    ),
    (
        {"given": "{documents: [{id: plan, owner: alice, title: A}]}"},
        "tests/it.given.documents/plan.owner",
        "no row of this test is called 'alice'",
        "give a row `id: alice`, or write {{alice}} for the text itself",
    ),
    (
        {"given": "{documents: [{id: plan, owner: plan, title: A}]}"},
        "tests/it.given.documents/plan.owner",
        "'plan' is a row of documents, and one of users is needed",
        None,
    ),
    (
        {"given": "{documents: [{id: plan, owner: me, title: A, amount: x}]}"},
        "tests/it.given.documents/plan.amount",
        "A number is wanted.",
        None,
    ),
    (
        {"given": "{documents: [{id: plan, owner: me, title: =nwo}]}"},
        "tests/it.given.documents/plan.title:1:2",
        "there is no 'nwo' here",
        "did you mean now?",
    ),
    (
        {"given": "{documents: [{id: plan, owner: me, title: A}], folders: [{id: plan, title: A}]}"},
        "tests/it.given.folders/plan.id",
        "the label 'plan' stands twice",
        "a label means one row of a test",
    ),
    (
        {"given": "{documents: [{id: Plan, owner: me, title: A}]}", "request": "{path: /api/open}"},
        "tests/it.given.documents/Plan.id",
        "'Plan' can't be the label of a row",
        "a label has a-z, 0-9 and _, and begins with a letter",
    ),
    (
        {"given": "{documents: [{id: me, owner: me, title: A}]}", "request": "{path: /api/open}"},
        "tests/it.given.documents/me.id",
        "me is who asks, and not this row",
        "give the row another label",
    ),
    (
        {"request": '{path: "/api/documents/{plam}/title", method: POST}'},
        "tests/it.request.path",
        "no row of this test is called 'plam'",
        "did you mean plan?",
    ),
    (
        {"request": '{path: "/api/documents/{plan}/titel", method: POST}'},
        "tests/it.request.path",
        "nothing is served at /api/documents/{plan}/titel",
        "did you mean /api/documents/{id}/title?",
    ),
    (
        {"request": "{path: /rest/v1/my_document}"},
        "tests/it.request.path",
        "nothing is served at /rest/v1/my_document",
        "did you mean /rest/v1/my_documents?",
    ),
    (
        {"request": "{path: /rest/v1/rpc/rename, method: POST}"},
        "tests/it.request.path",
        "nothing is served at /rest/v1/rpc/rename",
        None,
    ),
    (
        {"request": "{path: /rest/v1/my_documents, method: DELETE}"},
        "tests/it.request.method",
        "This method isn't allowed here: GET, HEAD, POST, PUT, PATCH are.",
        None,
    ),
    ({"request": "{path: /functions/v1/tidy}"}, "tests/it.request.method", None, None),
    ({"request": "{path: '/api/open%00'}"}, "tests/it.request.path", None, None),
    (
        {"request": '{path: "/api/open", body: {a: ["{x}"]}}'},
        "tests/it.request.body.a/0",
        "no row of this test is called 'x'",
        None,
    ),
    ({"expect": "{code: x}"}, "tests/it.expect.status", "'status' is required", None),
    ({"expect": "{status: 99}"}, "tests/it.expect.status", None, None),
    (
        {"expect": "{status: 200, changed: {document: {inserted: 1}}}"},
        "tests/it.expect.changed",
        "unknown table 'document'",
        "did you mean documents?",
    ),
    ({"expect": "{status: 200, changed: {documents: {added: 1}}}"}, None, "unknown key 'added'", None),
    ({"now": "yesterday"}, "tests/it.now", None, None),
    (
        {"as": "anonymous", "given": "{}", "request": '{path: "/rest/v1/folder_list?id=eq.{me}"}'},
        "tests/it.request.path",
        "no row of this test is called 'me'",
        "say `as: me` for somebody who is signed in",
    ),
    (
        {
            "as": "{id: a, columns: {plan: pro}}",
            "given": "{users: [{id: a, plan: free}]}",
            "request": "{path: /api/open}",
        },
        "tests/it.as.columns.plan",
        "this column is said twice",
        "leave one of the two out",
    ),
]


@pytest.mark.parametrize(("changed", "place", "message", "hint"), WRONG)
def test_what_is_wrong_has_its_place_and_a_hint(
    changed: dict[str, str], place: str | None, message: str | None, hint: str | None
) -> None:
    (found,) = findings_of(said(**changed))
    assert place is None or found.place == place
    assert message is None or found.message == message
    assert hint is None or found.hint == hint


def test_a_name_stands_once() -> None:
    (found,) = findings_of(f"{said()}\n{said()}")
    assert (found.place, found.message) == ("tests/it", "the name 'it' stands twice in tests")


def test_a_sound_test_has_no_findings_and_comes_back_as_it_was_said() -> None:
    other = one("request: {path: /api/open}\nexpect: {status: 403, changed: {}}", "other")
    document = backend(f"{said()}\n{other}")
    document["tests"].append({
        "name": "third", "as": "alice", "given": {"users": [{"id": "alice"}]}, "request": {"path": "/api/open"},
        "expect": {"status": 403},
    })  # fmt: skip
    project, findings = parse_project(document)
    assert (findings, findings_of(said())) == ([], [])
    assert project is not None
    assert dump_project(project)["tests"] == document["tests"]


def test_tests_are_looked_at_when_all_else_is_sound() -> None:
    document = backend(said(expect="{status: 200, changed: {x: {}}}"))
    document["views"][0]["filter"] = "row.ownr == auth.user.id"
    project, _ = parse_project(document)
    assert project is not None
    assert [one.place for one in check_project(project)] == ["views/my_documents.filter:1:5"]

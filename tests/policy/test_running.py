"""A test passes or fails as the request that it makes would; what failed says what came and why."""

import pytest

from app.changes.files import load_text
from tests.policy.backend import backend, one, outcome, ran, told

PASSING = [
    """
as: bob
given:
  users: [{id: alice}, {id: bob, plan: pro}]
  documents: [{id: plan, owner: alice, title: Plan}]
request: {method: POST, path: "/api/documents/{plan}/title", body: {title: Mine}}
expect: {status: 403, code: chain.refused, body: {code: chain.refused}}
""",
    """
as: {id: bob, roles: [support]}
given:
  users: [{id: alice}, {id: bob}]
  documents: [{id: plan, owner: alice, title: Plan, amount: 12.50, updated_at: "2020-01-01T00:00:00Z"}]
request: {method: POST, path: "/api/documents/{plan}/title", body: {title: "{plan}"}}
expect: {status: 422, code: db.check, changed: {}}
""",
    """
as: {id: bob, roles: [support]}
given:
  users: [{id: alice}, {id: bob}]
  documents: [{id: plan, owner: alice, title: Plan, amount: 12.50, updated_at: "2020-01-01T00:00:00Z"}]
request: {method: POST, path: "/api/documents/{plan}/title", body: {title: New}}
expect:
  status: 200
  body: {id: "{plan}", owner: "{alice}", title: New, amount: 12.5}
  changed: {documents: {updated: 1}}
""",
    # A row that refers to others may stand before them; bigints have labels too.
    """
as: {roles: []}
given:
  documents:
    - {id: child, owner: me, folder: box, parent: root, title: Child, labels: [a], extra: {of: ["{root}"]}}
    - {id: root, owner: me, title: Root}
  folders: [{id: box, title: Box}]
request: {path: /rest/v1/my_documents, query: {folder: "eq.{box}", select: "id,folder"}}
expect: {status: 200, rows: 1, body: [{id: "{child}", folder: "{box}"}]}
""",
    "request: {path: /rest/v1/my_documents}\nexpect: {status: 401, code: access.sign_in_required}",
    'request: {path: "/rest/v1/folder_list?order=title.desc"}\nexpect: {status: 200, rows: 0, body: []}',
    "request: {path: /rest/v1/folder_list, method: DELETE}\nexpect: {status: 405}",
    "request: {path: /api/nowhere}\nexpect: {status: 404, code: route.not_found}",
    """
as: {roles: []}
request: {path: /rest/v1/my_documents, method: POST, body: {title: One}, headers: {Prefer: return=representation}}
expect: {status: 201, body: [{title: One}], changed: {documents: {inserted: 1}}}
""",
    """
as: {roles: []}
given: {folders: [{title: Box}], documents: [{id: a, owner: me, title: bad one}]}
request: {path: "/rest/v1/my_documents?id=eq.{a}", method: PATCH, body: {title: bad}}
expect: {status: 422, code: db.check}
""",
    """
as: {key: true, roles: [clerk]}
given:
  users: [{id: alice}]
  folders: [{id: box, title: Box}, {id: other, title: Other}]
  documents: [{owner: alice, folder: box, title: A}, {owner: alice, folder: box, title: B}, {owner: alice, title: C}]
request: {path: /api/tidy, method: POST, body: {folder: "{box}", note: "of {{box}} or {box}"}}
expect:
  status: 200
  body: {kind: key, note: "of {{box}} or 1000002", answer: null, plan: null}
  changed: {documents: {deleted: 2}}
""",
    """
as: {roles: [support], columns: {plan: pro}}
request: {path: /rest/v1/rpc/tidy, method: POST, body: {folder: 1}}
expect: {status: 200, body: {kind: user, plan: pro}}
""",
    'now: "2026-01-31T16:59:00Z"\nrequest: {path: /api/open}\n'
    'expect: {status: 200, body: {at: "2026-01-31T16:59:00+00:00"}}',
    'now: "2026-01-31T17:01:00Z"\nrequest: {path: /api/open}\nexpect: {status: 403, code: chain.outside_window}',
    """
as: {roles: []}
given: {documents: [{id: soon, owner: me, title: Soon, starts_at: '=now + duration("1h")'}]}
request: {path: "/rest/v1/my_documents?title=eq.Soon"}
expect: {status: 200, rows: 1}
""",
]


@pytest.mark.parametrize("text", PASSING)
async def test_what_comes_as_expected_passes(migrated_url: str, text: str) -> None:
    result = await outcome(migrated_url, text)
    assert (told(result), result.passed) == ({}, True)


OWN = "as: {roles: []}\ngiven: {documents: [{id: a, owner: me, title: A}, {id: b, owner: me, title: B}]}\n"
RENAME = OWN + 'request: {method: POST, path: "/api/documents/{a}/title", body: {title: New}}\n'
LISTED = OWN + 'request: {path: "/rest/v1/my_documents?select=id,title"}\n'
FAILING = [
    (RENAME + "expect: {status: 403}", {"expect.status": ("403", "200")}),
    (
        "request: {path: /rest/v1/my_documents}\nexpect: {status: 200}",
        {"expect.status": ("200", "401 access.sign_in_required: Sign in first.")},
    ),
    (
        "request: {path: /rest/v1/my_documents}\nexpect: {status: 401, code: chain.refused}",
        {"expect.code": ("chain.refused", "access.sign_in_required")},
    ),
    (RENAME + "expect: {status: 200, code: chain.refused}", {"expect.code": ("chain.refused", "no refusal")}),
    (
        RENAME + 'expect: {status: 200, body: {id: "{b}", title: Old, gone: 1}}',
        {
            "expect.body.id": ('"{b}"', '"{a}"'),
            "expect.body.title": ('"Old"', '"New"'),
            "expect.body.gone": ("1", "nothing"),
        },
    ),
    (LISTED + "expect: {status: 200, rows: 1}", {"expect.rows": ("1 rows", "2 rows")}),
    (
        LISTED + 'expect: {status: 200, body: [{id: "{b}"}, {id: "{a}"}]}',
        {"expect.body/0.id": ('"{b}"', '"{a}"'), "expect.body/1.id": ('"{a}"', '"{b}"')},
    ),
    (
        LISTED + 'expect: {status: 200, body: [{id: "{a}"}]}',
        {"expect.body": ('[{"id":"{a}"}]', '[{"id":"{a}","title":"A"}, {"id":"{b}","title":"B"}]')},
    ),
    (
        RENAME + "expect: {status: 200, rows: 1, body: {amount: 0}}",
        {"expect.rows": ("1 rows", ""), "expect.body.amount": ("0", "null")},
    ),
    (RENAME + "expect: {status: 200, changed: {}}", {"expect.changed.documents": ("no row changed", "1 updated")}),
    (
        RENAME + "expect: {status: 200, changed: {documents: {updated: 2}, folders: {inserted: 1}}}",
        {
            "expect.changed.documents": ("2 updated", "1 updated"),
            "expect.changed.folders": ("1 inserted", "no row changed"),
        },
    ),
    # What a `respond` of 409 has written stays, and a refusal that writes is seldom meant.
    (
        OWN + 'request: {method: POST, path: "/api/documents/{a}/soft"}\nexpect: {status: 409}',
        {"expect.changed.documents": ("no row changed", "1 updated")},
    ),
    (
        "as: {roles: []}\ngiven: {documents: [{id: a, owner: me, title: bad}]}\n"
        "request: {path: /rest/v1/my_documents}\nexpect: {status: 200}",
        {"given.documents/a": ("a row that fits its table", "")},
    ),
    (
        "given: {folders: [{title: A}, {title: '=string(1 / size(now == null ? [1] : []))'}]}\n"
        "request: {path: /api/open}\nexpect: {status: 403}",
        {"given.folders/1": ("a row that fits its table", "")},
    ),
    (
        "request: {path: /api/tidy, method: POST, body: {note: '=string(1 / size(now == null ? [1] : []))'}}\n"
        "expect: {status: 200}",
        {"request.body": ("a value", "")},
    ),
    (
        "request: {path: /api/open}\nexpect: {status: 403, body: {at: '=string(1 / size(now == null ? [1] : []))'}}",
        {"expect.body": ("a value", "")},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), FAILING)
async def test_what_comes_otherwise_fails_and_says_what_came(
    migrated_url: str, text: str, wanted: dict[str, tuple[str, str]]
) -> None:
    result = await outcome(migrated_url, text)
    found = told(result)
    assert not result.passed
    assert list(found) == list(wanted)
    for place, (expected, came) in wanted.items():
        assert found[place][0] == expected
        assert found[place][1].replace(" ", "") == came.replace(" ", "") if came else found[place][1]


async def test_a_failure_names_the_rule_that_decided_and_what_it_saw(migrated_url: str) -> None:
    result = await outcome(migrated_url, PASSING[0].replace("403", "200"))
    assert result.decided is not None
    assert (result.decided["step"], result.decided["decision"]) == ("require", "refused")
    assert result.decided["rules"][0]["saw"]["document.owner"] == "{alice}"
    assert result.decided["rules"][0]["saw"]["auth.user.id"] == "{bob}"
    stopped = await outcome(migrated_url, "request: {path: /rest/v1/my_documents}\nexpect: {status: 200}")
    assert stopped.decided is not None
    assert (stopped.decided["stage"], stopped.decided["access"]) == ("authorize", "authenticated")


async def test_where_a_refusal_was_expected_the_checks_that_let_by_are_named(migrated_url: str) -> None:
    result = await outcome(migrated_url, RENAME + "expect: {status: 403}")
    assert [(check["step"], check["rules"][0]["saw"]["document.owner"]) for check in result.let_by] == [
        ("require", "{me}")
    ]


async def test_a_list_that_a_filter_hides_says_so(migrated_url: str) -> None:
    text = OWN.replace("owner: me, title: B", "owner: alice, title: B").replace(
        "{documents", "{users: [{id: alice}], documents"
    )
    result = await outcome(
        migrated_url, text + "request: {path: /rest/v1/my_documents}\nexpect: {status: 200, rows: 2}"
    )
    assert result.decided is not None
    assert (result.decided["rows_before_filter"], result.decided["rows_after_filter"]) == (2, 1)


async def test_tests_see_nothing_of_each_other_and_keep_their_order(migrated_url: str) -> None:
    text = (
        "as: {roles: []}\nrequest: {path: /rest/v1/my_documents, method: POST, body: {title: X}}\nexpect: {status: 201}"
    )
    look = "as: {roles: []}\nrequest: {path: /rest/v1/my_documents}\nexpect: {status: 200, rows: 0}"
    limited = "as: {roles: [clerk]}\nrequest: {path: /api/tidy, method: POST, body: {}}\nexpect: {status: 200}"
    tests = [one((text, look, limited)[index % 3], f"t{index}") for index in range(60)]
    report = await ran(migrated_url, backend("\n".join(tests)))
    assert [result.name for result in report.results] == [f"t{index}" for index in range(60)]
    assert [result.name for result in report.failed] == []


KEYED = """
rowgate: 1
users: {columns: [{name: username, type: text, unique: true}]}
tables:
  - {name: profiles, id: user, columns: [{name: bio, type: text}]}
  - name: pages
    id: text
    columns: [{name: writer, type: reference, table: users, column: username}]
  - {name: rooms, columns: [{name: house, type: text}, {name: number, type: integer}], unique: [[house, number]]}
  - name: stays
    columns: [{name: house, type: text}, {name: number, type: integer}, {name: guest, type: reference, table: profiles}]
    references: [{columns: [house, number], table: rooms, to: [house, number]}]
views:
  - {name: profile_list, table: profiles, access: public}
  - {name: page_list, table: pages, access: public}
  - {name: stay_list, table: stays, access: public, columns: [id, number, guest]}
"""
KEYED_TESTS = [
    """
as: me
given:
  stays: [{id: one, house: a, number: 1, guest: me}]
  profiles: [{id: me, bio: B}]
  rooms: [{house: a, number: 1}]
request: {path: "/rest/v1/stay_list?guest=eq.{me}"}
expect: {status: 200, body: [{id: "{one}", number: 1, guest: "{me}"}]}
""",
    """
as: me
given: {pages: [{id: home, writer: bob}, {id: My page}], users: [{id: bob, username: bob}]}
request: {path: "/rest/v1/page_list?order=id"}
expect: {status: 200, body: [{id: My page, writer: null}, {id: home, writer: bob}]}
""",
]


@pytest.mark.parametrize("test", KEYED_TESTS)
async def test_rows_are_given_by_keys_of_all_kinds(migrated_url: str, test: str) -> None:
    document = load_text(KEYED) | {"tests": [{"name": "keyed", **load_text(test)}]}
    report = await ran(migrated_url, document)
    assert [one.failures for one in report.results] == [()], report

"""What nothing could ever use is found when it is saved."""

from typing import Any

import pytest

from app.compiler.check import check_project
from app.definitions.names import LOGIC_KEYS, READ_KEYS, SYSTEM_COLUMNS, WRITE_KEYS
from app.definitions.project import parse_project
from app.origins import ANY, BadOrigin, Origins, read_origin


def found(**said: Any) -> list[tuple[str, str | None]]:
    project, findings = parse_project({"rowgate": 1, **said})
    assert project is not None, findings
    return [(one.place, one.hint) for one in check_project(project)]


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("https://a.example/", "write https://a.example"),
        ("https://a.example/app", "write https://a.example"),
        ("a.example", "write https://a.example"),
        ("HTTPS://A.example", "write https://a.example"),
        ("https://a.example:443", "write https://a.example"),
        ("http://a.example:80", "write http://a.example"),
        (" https://a.example", "write https://a.example"),
        ("https://user@a.example", "write https://a.example"),
        ("", "write scheme and host, such as https://app.example.com"),
        ("https://", "write scheme and host, such as https://app.example.com"),
        ("https://*", "write scheme and host, such as https://app.example.com"),
        ("https://*.com", "write scheme and host, such as https://app.example.com"),
        ("https://a.*.example.com", "write scheme and host, such as https://app.example.com"),
        ("https://pr-*.example.com", "write scheme and host, such as https://app.example.com"),
        ("https://*.*.example.com", "write scheme and host, such as https://app.example.com"),
        ("null", "list the origin of your own pages"),
    ],
)
def test_an_origin_that_no_browser_sends_is_found_with_what_to_write(said: str, hint: str) -> None:
    assert found(project={"cors_origins": ["https://fine.example", said]}) == [("project.cors_origins.1", hint)]
    assert not Origins.of([said])


@pytest.mark.parametrize(
    "said",
    [
        "https://a.example", "http://localhost:3000", "https://a.example:8443", "https://*.vercel.app", "http://[::1]:3000",
        "capacitor://localhost", ANY,
    ],
)  # fmt: skip
def test_what_browsers_send_may_be_listed(said: str) -> None:
    assert found(project={"cors_origins": [said]}) == []
    assert read_origin(said) == said


def test_a_wildcard_stands_for_one_label() -> None:
    origins = Origins.of(["https://*.example.com", "http://*.dev.example:8080"])
    allowed = ("https://a.example.com", "https://pr-7.example.com", "http://x.dev.example:8080")
    assert all(origins.allow(one) for one in allowed)
    for one in (
        "https://example.com", "https://a.b.example.com", "http://a.example.com", "https://.example.com",
        "https://a.example.com.evil", "https://a.example.com:8443", "http://x.dev.example", "null", "https://evil-example.com",
        "*", "https://*.evil.com", "",
    ):  # fmt: skip
        assert not origins.allow(one), one


def test_a_bad_origin_says_what_is_wrong() -> None:
    with pytest.raises(BadOrigin, match="every sandboxed page"):
        read_origin("null")


@pytest.mark.parametrize("name", sorted(READ_KEYS | WRITE_KEYS | LOGIC_KEYS | SYSTEM_COLUMNS))
def test_a_name_that_queries_or_postgres_have_is_found_wherever_it_is_given(name: str) -> None:
    columns = [{"name": name, "type": "text"}]
    computed = {"name": name, "value": "row.title"}
    places = found(
        users={"columns": [{**columns[0]}]},
        tables=[
            {"name": "things", "columns": columns},
            {"name": "papers", "columns": [{"name": "title", "type": "text", "required": True}]},
        ],
        views=[
            {"name": "seen", "table": "papers", "columns": [computed]},
            {"name": name, "table": "papers"},
        ],
    )
    assert [place for place, _ in places] == [
        f"tables/things.columns/{name}", f"users.columns/{name}", f"views/seen.columns/{name}", f"views/{name}.name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "is_found"),
    [
        ({"required": True}, True),
        ({"required": True, "default": "free"}, False),
        ({"required": True, "self_editable": True}, False),
        ({}, False),
    ],
)
def test_a_column_of_users_that_nobody_could_fill_is_found(column: dict[str, Any], is_found: bool) -> None:
    places = [place for place, _ in found(users={"columns": [{"name": "plan", "type": "text", **column}]})]
    assert places == (["users.columns/plan.required"] if is_found else [])


@pytest.mark.parametrize(
    ("auth", "is_found"),
    [
        ({"sign_up": "open"}, True),
        ({"sign_up": "invited"}, False),
        ({"sign_up": "closed"}, False),
        ({"sign_up": "closed", "anonymous": True}, True),
    ],
)
def test_where_only_admins_and_steps_make_accounts_they_may_fill_it(auth: dict[str, Any], is_found: bool) -> None:
    users = {"columns": [{"name": "staff_number", "type": "text", "required": True}]}
    places = [place for place, _ in found(users=users, auth=auth)]
    assert places == (["users.columns/staff_number.required"] if is_found else [])

"""What mails say: a template that could go wrong is a finding when it is saved."""

from typing import Any

import pytest

from app.auth.mail_templates import NAMES, rendered
from app.compiler.check import check_project
from app.definitions.auth_mail import TemplateDef, TemplatesDef
from app.definitions.project import parse_project
from tests.backend import PASSWORD, Backend
from tests.mail.conftest import DOCUMENT, last_mail, post

__all__ = ["DOCUMENT"]
VALUES = dict.fromkeys(NAMES["email_change"], "<b>&x")


def findings(**template: Any) -> list[tuple[str, str, str | None]]:
    auth = {"mail": {"templates": {"confirmation": template}}}
    project, wrong = parse_project({"rowgate": 1, "auth": auth})
    return [(one.place, one.message, one.hint) for one in (wrong if project is None else check_project(project))]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ emial }}", "names 'emial'"), ("{{ new_email }}", "names 'new_email'"), ("{{ email", "can't be read"),
        ("{% if email %}", "can't be read"), ("{{ email|shout }}", "can't be"), ("{{ email.upper() }}", "alone"),
        ("{{ ''.__class__.__mro__ }}", "alone"), ("{{ email['__class__'] }}", "alone"),
        ("{{ 'x' * 99999999 }}", "alone"), ("{% for a in email %}{{ a }}{% endfor %}", "alone"),
        ("{% if email %}{% else %}{{ link.upper() }}{% endif %}", "alone"), ("{% include 'a' %}", "alone"),
        ("{% set a = email %}{{ a }}", "alone"), ("{% macro a() %}{% endmacro %}", "alone"),
        ("{{ range }}", "names 'range'"), ("{{ cycler }}", "names 'cycler'"), ("{{ email ~ link }}", "alone"),
        ("{{ email|attr('upper') }}", "can't be"), ("{{ email|map('upper') }}", "can't be"),
    ],
)  # fmt: skip
def test_what_could_go_wrong_is_a_finding(text: str, told: str) -> None:
    for field in ("text", "subject"):
        found = findings(**{field: text})
        assert [place for place, _, _ in found] == [f"auth.mail.templates.confirmation.{field}"]
        assert told in found[0][1]


def test_a_name_that_is_spelled_wrong_comes_with_the_one_that_is_meant() -> None:
    assert findings(subject="{{ emial }}")[0][2] == "did you mean email?"


def test_html_without_text_and_a_time_without_a_unit_are_findings() -> None:
    assert "text beside it" in findings(html="<p>")[0][1]
    for lifetimes in ({"recovery": "60"}, {"recovery": "31d"}, {"code": "2h"}, {"code": "0m"}):
        _, wrong = parse_project({"rowgate": 1, "auth": {"mail": {"lifetimes": lifetimes}}})
        assert [one.place for one in wrong] == [f"auth.mail.lifetimes.{next(iter(lifetimes))}"]
    for sender in ("shop", "Shop <a@b.c>\nBcc: x@y.z", "a@b.c>", 'a"b <a@b.c>'):
        _, wrong = parse_project({"rowgate": 1, "auth": {"mail": {"from": sender}}})
        assert [one.place for one in wrong] == ["auth.mail.from"]


def test_every_kind_of_mail_says_something_of_its_own() -> None:
    assert set(NAMES) == set(TemplatesDef.model_fields)
    for kind, names in NAMES.items():
        told = rendered(kind, TemplateDef(), {name: f"the {name}" for name in names})
        assert told.subject
        assert "the project" in told.text or kind == "reauthentication"
        assert "\n" not in told.subject


def test_values_are_escaped_in_html_alone_and_a_subject_is_one_line() -> None:
    said = TemplateDef(subject="a\r\nBcc: {{ email }}", text="{{ email }}", html="<p>{{ email }}</p>")
    told = rendered("email_change", said, VALUES)
    assert (told.subject, told.text, told.html) == ("a Bcc: <b>&x", "<b>&x", "<p>&lt;b&gt;&amp;x</p>")


async def test_a_document_says_what_its_mails_say(backend: Backend) -> None:
    template = {"subject": "Hello {{ email|upper }}", "text": "{{ code }} {{ link }}", "html": "<a href='{{ link }}'>"}
    mail = {"from": "Shop <no-reply@shop.example>", "templates": {"confirmation": template}}
    await backend.apply({**DOCUMENT, "auth": {**DOCUMENT["auth"], "mail": mail}})
    await post(backend, "/signup", email="alice@example.com", password=PASSWORD)
    found = await last_mail(backend)
    assert (found["sender"], found["subject"]) == ("Shop <no-reply@shop.example>", "Hello ALICE@EXAMPLE.COM")
    assert found["html"].startswith("<a href='http://127.0.0.1:8000/auth/v1/verify?token=")
    assert "&amp;type=signup" in found["html"]

"""A backend with tests of its own, and the ways to run them."""

from typing import Any

from app.changes.files import load_text
from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.errors import Finding
from app.policy_tests.result import Result
from app.policy_tests.run import Report, run_tests

BACKEND = """
rowgate: 1
roles: [{name: support}, {name: clerk}]
users:
  columns:
    - {name: plan, type: enum, values: [free, pro], default: free, required: true}
    - {name: team, type: text}
tables:
  - name: folders
    id: bigint
    timestamps: false
    columns: [{name: title, type: text, required: true, unique: true}]
  - name: documents
    columns:
      - {name: owner, type: user, required: true, on_delete: cascade}
      - {name: folder, type: reference, table: folders}
      - {name: parent, type: reference, table: documents}
      - {name: title, type: text, required: true, max_length: 20}
      - {name: amount, type: decimal, precision: 10, scale: 2, min: 0}
      - {name: starts_at, type: timestamp}
      - {name: labels, type: text, array: true}
      - {name: extra, type: json}
    checks: [{rule: row.title != "bad", message: Not this title.}]
views:
  - name: my_documents
    table: documents
    columns: [id, title, folder, amount, created_at, updated_at]
    filter: row.owner == auth.user.id
    allow: [select, insert, update]
    presets: {owner: =auth.user.id}
    order: [title]
  - name: folder_list
    table: folders
    columns: all
    access: public
middleware:
  - name: owns
    steps:
      - {do: fetch, from: documents, id: input.id, as: document}
      - do: require
        that: document.owner == auth.user.id || "support" in auth.user.roles
        message: This document belongs to somebody else.
endpoints:
  - name: rename
    method: POST
    path: /documents/{id}/title
    access: authenticated
    input: {path: {id: {type: uuid}}, body: {title: {type: text, required: true}}}
    middleware: [owns]
    steps:
      - {do: update, table: documents, id: document.id, set: {title: =input.title}, as: document}
      - {do: respond, body: =document}
  - name: soft_refusal
    method: POST
    path: /documents/{id}/soft
    access: authenticated
    input: {path: {id: {type: uuid}}}
    steps:
      - {do: update, table: documents, id: input.id, set: {amount: 1}}
      - {do: respond, status: 409, body: {sorry: true}}
  - name: tidy
    method: POST
    path: /tidy
    access: {roles: [support, clerk]}
    input: {body: {folder: {type: bigint}, note: {type: text}}}
    steps:
      - {do: rate_limit, limit: 1/hour, by: '"all"'}
      - {do: http, method: POST, url: "https://example.com/", as: answer}
      - {do: delete, table: documents, where: item.folder == input.folder, expect: any}
      - {do: respond, body: {kind: =auth.kind, note: =input.note, answer: =answer, plan: =auth.user.plan}}
  - name: open_now
    method: GET
    path: /open
    access: public
    steps:
      - {do: time_window, until: "2026-01-31T18:00:00", timezone: Europe/Zurich}
      - {do: respond, body: {at: =now}}
  - name: slow
    method: GET
    path: /slow
    access: public
    timeout: 0.01
    steps:
      - do: for_each
        each: '"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t".split(",")'
        as: one
        steps:
          - do: for_each
            each: '"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t".split(",")'
            as: other
            steps: [{do: count, from: documents, where: item.title == one + other, as: found}]
"""


def backend(tests: str = "[]") -> dict[str, Any]:
    """Give the document with these tests."""
    document: dict[str, Any] = load_text(BACKEND)
    document["tests"] = load_text(tests)
    return document


def one(text: str, name: str = "it") -> str:
    """Write a list of one test."""
    lines = text.strip("\n").split("\n")
    return "\n".join([f"- name: {name}", *(f"  {line}" for line in lines)])


def project_of(document: Any) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def findings_of(tests: str) -> list[Finding]:
    """Give what is found wrong with tests when they are saved."""
    project, findings = parse_project(backend(tests))
    return findings if project is None else check_project(project)


async def ran(url: str, document: Any) -> Report:
    return await run_tests(url, project_of(document))


async def outcome(url: str, text: str) -> Result:
    """Run one test."""
    (result,) = (await ran(url, backend(one(text)))).results
    return result


def told(result: Result) -> dict[str, tuple[str, str]]:
    """Give what came otherwise, by the expectation."""
    return {
        failure.place.removeprefix(f"{result.place}."): (failure.expected, failure.came) for failure in result.failures
    }

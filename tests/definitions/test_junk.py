"""Whatever stands in a document, at whatever place: findings that say what is wrong, or a backend; never a failure."""

import json
import os
import random
from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.changes.change import SetDefinition
from app.changes.ddl import written
from app.changes.diff import diff, settled
from app.changes.files import dump_json, dump_yaml, load_file, load_text
from app.compiler.compile import compile_project
from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.definitions.project import EMPTY, Project, dump_project, parse_project
from app.definitions.stored import Stored, stored_of
from app.errors import Finding
from app.http.json_answer import to_json
from app.review.doubts import access_matrix
from app.review.effects import effects
from tests.backend import EXAMPLES as EXAMPLE_FILES
from tests.backend import serving
from tests.definitions.junk import NASTY, documents, junk, places, replaced

EXAMPLES = int(os.environ.get("ROWGATE_JUNK_EXAMPLES", "300"))
DOCUMENTS = documents()
# Each place meets some of what is put in each of them, and all of it where many examples are asked for.
THIN = 1 if EXAMPLES >= 1000 else 3
NOTHING: list[Any] = [None, True, [], {}, "=null", "=1 +"]
PLACES = [(index, path) for index, document in enumerate(DOCUMENTS) for path in places(document)]


def deeper(value: Any, most: int = 100) -> bool:
    """Say whether a value is nested too deep to be written as JSON."""
    for _ in range(most):
        inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        value = inside[-1] if inside else None
    return value is not None


SENDABLE = [one for one in NASTY if isinstance(one, str | int | float | dict | list | None) and not deeper(one)]


@cache
def sound(index: int) -> Project:
    project, findings = parse_project(DOCUMENTS[index])
    assert project is not None, findings
    return project


def findings_or_a_backend(document: Any, before: Project) -> list[Finding]:
    """Give the findings; where there are none, all that is made of the project without a database is made."""
    project, findings = parse_project(document)
    if project is None:
        assert findings
        return findings
    runtime, findings = compile_project(project)
    if runtime is None:
        assert findings
        return findings
    said = dump_project(project)
    assert load_text(dump_yaml(Stored(project))) == said
    assert json.loads(dump_json(Stored(project))) == said
    again, wrong = parse_project(said)
    assert again == project, wrong
    stored = settled(project)
    assert stored_of(as_stored(stored)) == Stored(stored)
    for old, new in ((EMPTY, project), (before, project), (project, before)):
        written(diff(old, new))
    effects(before, project)
    access_matrix(project)
    to_json(openapi_document(runtime))
    typescript(runtime).encode()
    return []


def as_stored(project: Project) -> list[tuple[str, str, str]]:
    """Give the rows that hold a project, in the order in which they are read."""
    said = [change for change in diff(EMPTY, project) if isinstance(change, SetDefinition)]
    rows = [(change.kind, change.name, json.dumps(change.body)) for change in said]
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.parametrize("index", range(len(DOCUMENTS)))
def test_the_documents_are_sound_to_begin_with(index: int) -> None:
    assert findings_or_a_backend(DOCUMENTS[index], EMPTY) == []


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES < 1000,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.sampled_from(PLACES), st.sampled_from(["value", "value", "value", "key", "beside", "gone"]), junk)
def test_junk_in_place_of_any_part_of_a_document_is_found_or_is_sound(
    place: tuple[int, Any], change: str, what: Any
) -> None:
    index, path = place
    findings = findings_or_a_backend(replaced(DOCUMENTS[index], path, change, what), sound(index))
    for finding in findings:
        str(finding).encode("utf-8", "backslashreplace")
        to_json(finding.shown())


@pytest.mark.parametrize("number", range(len(NOTHING)), ids=lambda number: str(NOTHING[number]))
def test_nothing_in_place_of_each_part_of_a_document_is_found_or_is_sound(number: int) -> None:
    what = NOTHING[number]
    for index, path in PLACES[number % THIN :: THIN]:
        findings_or_a_backend(replaced(DOCUMENTS[index], path, "value", what), sound(index))


@pytest.mark.parametrize("name", ["blog", "clinic", "documents", "shop"])
def test_junk_in_an_example_is_found_or_is_sound(name: str) -> None:
    document = load_file(EXAMPLE_FILES / f"{name}.yaml")
    before, findings = parse_project(document)
    assert before is not None, findings
    everywhere = list(places(document))
    chance = random.Random(name)
    for _ in range(max(10, EXAMPLES // 100)):
        path, what = chance.choice(everywhere), chance.choice(NASTY)
        findings_or_a_backend(replaced(document, path, "value", what), before)


async def test_junk_that_is_sent_is_refused_or_made_and_never_a_failure_of_the_server(migrated_url: str) -> None:
    async with serving(migrated_url, {"rowgate": 1}) as backend:
        admin = await backend.admin()
        chance = random.Random(EXAMPLES)
        statuses = Counter[tuple[str, int]]()
        for number in range(max(40, EXAMPLES // 50)):
            index, path = chance.choice(PLACES)
            what = chance.choice(SENDABLE)
            # Some go as they are, so that there are always some that are made.
            document = DOCUMENTS[index] if number % 8 == 0 else replaced(DOCUMENTS[index], path, "value", what)
            for method, route in (("POST", "check"), ("PUT", "config")) if number % 2 else (("PUT", "config"),):
                answer = await backend.client.request(
                    method, f"/admin/v1/{route}", headers={**admin, "Content-Type": "application/json"},
                    content=json.dumps(document, default=str), params={"destroy": ["t", "u"], "allow_wider": "true"},
                )  # fmt: skip
                assert answer.status_code in (200, 400, 409, 422), (index, path, what, answer.text)
                statuses[route, answer.status_code] += 1
        assert statuses["config", 200] > 3, statuses
        assert statuses["config", 422] > 3, statuses

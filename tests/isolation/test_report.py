"""The proof on the command line and over HTTP: its report, its exit code, and what it is asked with."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from app.definitions.columns import ColumnDef
from app.isolation.made_values import Maker, fits, known_by
from tests.backend import Backend, serving
from tests.isolation.cases import CASES, backend
from tests.policy.test_command import Rowgate, rowgate

__all__ = ["rowgate"]

BROKEN, _, SOUND = CASES["a_change_without_a_check"]
STAFF = "\nroles: [{name: staff}]"


@pytest.fixture
async def served(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, backend(BROKEN + STAFF)) as backend_:
        yield backend_


def document(folder: Path, text: str) -> str:
    path = folder / "backend.yaml"
    path.write_text(yaml.safe_dump(backend(text), sort_keys=False))
    return str(path)


def test_a_leak_is_told_with_its_request_and_the_exit_code_is_one(rowgate: Rowgate, tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    code, said, _ = rowgate("test", "--isolation", document(tmp_path, BROKEN), "--junit", str(junit))
    assert code == 1
    lines = said.splitlines()
    assert lines[0] in {
        f"LEAK  endpoints/it: {one} changes {other}'s notes.title" for one, other in (("ana", "ben"), ("ben", "ana"))
    }
    other = lines[0].split(" changes ")[1].partition("'")[0]
    assert lines[1].strip() in {f"PATCH /api/c/{{{other}.notes}}", f"PATCH /api/c/{{{other}.notes.2}}"}
    assert lines[2].strip().startswith('{"title":"')
    assert [line.strip() for line in lines[3:5]] == ["answered with 204", "let by: no check at all"]
    assert lines[5].startswith("1 leak in ")
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite[0].get("name") == "endpoints/it"
    assert (suite[0][0].get("message") or "").startswith("endpoints/it: ")


def test_where_nothing_leaks_the_exit_code_is_zero_and_what_was_not_tried_is_said(
    rowgate: Rowgate, tmp_path: Path
) -> None:
    for_staff = SOUND.replace("access: authenticated", "access: {roles: [staff]}") + STAFF
    code, said, _ = rowgate("test", "--isolation", document(tmp_path, for_staff))
    assert (code, said.splitlines()[0][:7]) == (0, "0 leaks")
    assert "  endpoints/it: for the role staff" in said.splitlines()
    code, said, _ = rowgate("test", "--isolation", "--role", "staff", "--json", document(tmp_path, for_staff))
    report = json.loads(said)
    assert (code, report["leaks"], report["untried"]) == (0, [], [])
    assert report["tried"] == [{"where": "endpoints/it", "action": None}]


def test_what_is_shared_is_no_leak_and_a_name_that_is_none_is_refused(rowgate: Rowgate, tmp_path: Path) -> None:
    path = document(tmp_path, BROKEN)
    assert rowgate("test", "--isolation", "--shared", "notes", path)[0] == 0
    code, _, said = rowgate(
        "test", "--isolation", "--shared", "nots", "--shared", "notes.titel", "--role", "boss", "--user", "plan=gold",
        "--user", "rank=1", path,
    )  # fmt: skip
    assert code == 1
    assert said.splitlines() == [
        "The proof can't be asked for so.",
        "role: There is no role 'boss'.",
        "shared: There is no table or column 'nots'.",
        "shared: There is no table or column 'notes.titel'.",
        "user: 'plan=gold' is no column of users with a value that it takes, such as plan=pro.",
        "user: 'rank=1' is no column of users with a value that it takes, such as plan=pro.",
    ]
    code, _, said = rowgate("test", "--shared", "notes", path)
    assert (code, said.strip()) == (2, "--role, --user and --shared go with --isolation.")


async def test_over_http_it_is_of_a_document_or_of_what_is_live_and_nothing_is_left(served: Backend) -> None:
    root = await served.admin()
    rows = "SELECT (SELECT count(*) FROM data.notes), (SELECT count(*) FROM data.users)"
    before = await served.sql(rows)
    answer = await served.client.post("/admin/v1/test/isolation", headers=root)
    assert answer.status_code == 200, answer.text
    assert [(leak["where"], leak["kind"]) for leak in answer.json()["leaks"]] == [("endpoints/it", "changes")]
    answer = await served.client.post("/admin/v1/test/isolation", headers=root, json=backend(SOUND))
    assert (answer.status_code, answer.json()["leaks"]) == (200, [])
    answer = await served.client.post("/admin/v1/test/isolation?shared=notes.title&user=plan=pro", headers=root)
    assert (answer.status_code, answer.json()["leaks"]) == (200, [])
    answer = await served.client.post("/admin/v1/test/isolation?role=boss", headers=root)
    assert (answer.status_code, answer.json()["code"]) == (422, "isolation.invalid")
    assert (await served.client.post("/admin/v1/test/isolation")).status_code == 401
    nothing = (await served.client.get("/admin/v1/test/isolation", headers=root)).json()
    assert (nothing["state"], len(nothing["report"]["leaks"])) == ("done", 0)  # what is refused proves nothing anew
    assert await served.sql(rows) == before


async def test_how_far_it_is_is_told_while_it_runs_and_then_what_came(served: Backend) -> None:
    root = await served.admin()

    async def told() -> dict[str, Any]:
        answer = await served.client.get("/admin/v1/test/isolation", headers=root)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert await told() == {"state": "none", "started_at": None, "done": 0, "known": 0, "report": None}
    proving = asyncio.create_task(served.client.post("/admin/v1/test/isolation", headers=root))
    seen = []
    while not proving.done():
        seen.append(await told())
    running = [one for one in seen if one["state"] == "running"]
    assert running
    assert all(one["done"] <= one["known"] and one["report"] is None for one in running)
    assert any(one["done"] > 0 for one in running)
    last = await told()
    assert (last["state"], last["report"]) == ("done", proving.result().json())
    assert last["done"] == last["known"] > 0


@pytest.mark.parametrize(
    "said",
    [
        {"type": "text"},
        {"type": "text", "max_length": 3},
        {"type": "text", "min_length": 40},
        {"type": "text", "format": "email"},
        {"type": "text", "format": "url"},
        {"type": "text", "format": "slug"},
        {"type": "text", "pattern": "[A-Z]{2}-[0-9]{4,6}"},
        {"type": "text", "pattern": "(red|green) [a-z]+!", "max_length": 20},
        {"type": "integer"},
        {"type": "integer", "min": 1, "max": 3},
        {"type": "integer", "max": -5},
        {"type": "bigint", "min": 10**15},
        {"type": "decimal", "precision": 12, "scale": 2, "min": 0},
        {"type": "decimal", "precision": 3, "scale": 2},
        {"type": "decimal"},
        {"type": "float", "min": 0, "max": 1},
        {"type": "boolean"},
        {"type": "date"},
        {"type": "timestamp"},
        {"type": "uuid"},
        {"type": "json"},
        {"type": "enum", "values": ["a", "b"], "default": "b"},
        {"type": "text", "array": True},
    ],
)
def test_values_fit_their_columns_and_are_known_again_if_they_are_long_enough(said: dict[str, Any]) -> None:
    column = ColumnDef.model_validate({"name": "it", **said})
    maker = Maker(datetime(2026, 1, 1, tzinfo=UTC))
    for attempt in range(8):
        one, other = (maker.value(column, f"{person}/1/notes/it", attempt) for person in ("ana", "ben"))
        assert one is not None
        assert fits(column, one)
        assert one == maker.value(column, "ana/1/notes/it", attempt)
        mark = known_by(column, one)
        if mark is not None and attempt == 0:
            assert mark != known_by(column, other)


def test_a_column_that_takes_nothing_has_no_value() -> None:
    column = ColumnDef.model_validate({"name": "it", "type": "text", "pattern": "a{30}", "max_length": 5})
    assert Maker(datetime(2026, 1, 1, tzinfo=UTC)).value(column, "ana") is None

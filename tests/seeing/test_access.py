"""The access matrix: who gets in where, and what is doubtful."""

from typing import Any

from app.changes.files import load_file
from app.compiler.access import access_matrix
from app.definitions.project import parse_project
from tests.backend import EXAMPLES, serving

DOUBTFUL: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "ghost"}, {"name": "staff"}],
    "users": {"columns": [{"name": "level", "type": "integer", "self_editable": True}]},
    "tables": [{"name": "notes", "columns": [{"name": "owner", "type": "user"}, {"name": "n", "type": "integer"}]}],
    "views": [
        {"name": "all_notes", "table": "notes", "columns": "all"},
        {"name": "mine", "table": "notes", "columns": "all", "filter": "row.owner == auth.user.id"},
        {"name": "for_staff", "table": "notes", "columns": "all", "access": {"roles": ["staff"]}},
    ],
    "middleware": [
        {"name": "idle", "steps": [{"do": "require", "that": "true"}]},
        {"name": "leveled", "steps": [{"do": "require", "that": "auth.user.level > 3"}]},
    ],
    "endpoints": [
        {"name": "open", "method": "POST", "path": "/open", "access": "public",
         "steps": [{"do": "insert", "table": "notes", "set": {"n": 1}}]},
        {"name": "held", "method": "POST", "path": "/held", "access": "public", "middleware": ["leveled"],
         "steps": [{"do": "insert", "table": "notes", "set": {"n": 1}}]},
    ],
}  # fmt: skip


def matrix(document: Any) -> dict[str, Any]:
    project, findings = parse_project(document)
    assert project is not None, findings
    return access_matrix(project)


def test_every_doubt_is_found_and_nothing_else() -> None:
    found = {(one["place"], one["code"]) for one in matrix(DOUBTFUL)["findings"]}
    assert found == {
        ("endpoints/open.access", "access.public_write"),
        ("views/all_notes.filter", "access.rows_of_everybody"),
        ("users.columns/level.self_editable", "access.self_editable_trusted"),
        ("roles/ghost", "access.unused_role"),
        ("middleware/idle", "access.unused_middleware"),
    }


def test_each_endpoint_and_view_has_its_row() -> None:
    rows = {one["name"]: one for one in matrix(DOUBTFUL)["surface"]}
    assert set(rows) == {"open", "held", "all_notes", "mine", "for_staff"}
    assert (rows["held"]["access"], rows["held"]["middleware"], rows["held"]["writes"]) == (
        "public",
        ["leveled"],
        ["notes"],
    )
    assert (rows["for_staff"]["access"], rows["for_staff"]["path"]) == (["staff"], "/rest/v1/for_staff")


async def test_an_admin_reads_it_and_nobody_else(migrated_url: str) -> None:
    async with serving(migrated_url, "documents.yaml") as backend:
        assert (await backend.client.get("/admin/v1/access")).status_code == 401
        answer = await backend.client.get("/admin/v1/access", headers=await backend.admin())
        assert answer.json()["surface"] == matrix(load_file(EXAMPLES / "documents.yaml"))["surface"]

"""What views answer is what the document of the data plane says of them: statuses, forms and members, refusals too."""

from typing import Any

import pytest
import pytest_asyncio
from jsonschema_rs import Draft202012Validator

from tests.backend import Backend
from tests.turns import Turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "teams", "columns": [{"name": "name", "type": "text"}]},
        {"name": "notes", "columns": [
            {"name": "word", "type": "text", "unique": True, "required": True, "max_length": 9},
            {"name": "team", "type": "reference", "table": "teams"},
            {"name": "second_team", "type": "reference", "table": "teams"},
        ]},
    ],
    "views": [
        {"name": "all_teams", "table": "teams", "columns": ["id", "name"], "access": "public"},
        {"name": "all_notes", "table": "notes", "columns": ["id", "word", "team", "second_team"], "access": "public",
         "allow": ["select", "insert", "update", "delete"]},
        {"name": "mine", "table": "notes", "columns": ["id"], "filter": "auth.signed_in"},
    ],
    "endpoints": [
        {"name": "listed", "method": "GET", "path": "/listed", "access": "public",
         "steps": [{"do": "list", "from": "notes", "as": "found", "limit": 9}, {"do": "respond", "body": "=found"}]},
    ],
}  # fmt: skip
ALL = {"Prefer": "return=representation"}
MERGED = {"Prefer": "resolution=merge-duplicates,return=representation"}
ASKED: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("POST", "all_notes", {"word": "a"}, {}, 201),
    ("POST", "all_notes", {"word": "b"}, ALL, 201),
    ("POST", "all_notes?on_conflict=word", {"word": "b"}, MERGED, 200),
    ("GET", "all_notes", None, {}, 200),
    ("GET", "all_notes?limit=1", None, {"Prefer": "count=exact"}, 206),
    ("POST", "all_notes/query", {"word": "eq.a"}, {}, 200),
    ("PATCH", "all_notes?word=eq.a", {"word": "c"}, {}, 204),
    ("PATCH", "all_notes?word=eq.c", {"word": "d"}, ALL, 200),
    ("DELETE", "all_notes?word=eq.d", None, ALL, 200),
    ("DELETE", "all_notes?word=eq.nothing", None, {}, 204),
    ("GET", "rpc/listed?select=id", None, {}, 200),
    ("GET", "mine", None, {}, 401),
    ("GET", "all_notes?nothing=eq.1", None, {}, 400),
    ("GET", "all_notes?offset=9", None, {"Prefer": "count=exact"}, 416),
    ("GET", "all_notes?select=id,all_teams(id)", None, {}, 300),
    ("GET", "all_notes", None, {"Accept": "application/vnd.pgrst.object+json"}, 200),
    ("GET", "all_notes", None, {"Accept": "text/csv"}, 200),
    ("GET", "all_notes?id=eq.nonsense", None, {}, 400),
    ("POST", "all_notes", {"word": "much too long"}, {}, 422),
    ("POST", "all_notes", {"word": "b"}, {}, 409),
    ("POST", "all_notes", {"nothing": 1}, {}, 422),
    ("GET", "rpc/listed?nothing=eq.1", None, {}, 400),
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def test_every_answer_is_described(backend: Backend) -> None:
    document = (await backend.client.get("/openapi.json")).json()
    statuses, wrong = [], []
    for method, path, body, headers, _ in ASKED:
        answer = await backend.client.request(method, f"/rest/v1/{path}", json=body, headers=headers)
        statuses.append(answer.status_code)
        operation = document["paths"][f"/rest/v1/{path.partition('?')[0]}"][method.lower()]
        said = operation["responses"].get(str(answer.status_code), operation["responses"]["default"])
        wrong += [f"{method} {path} {answer.status_code}: {one}" for one in differing(document, said, answer)]
    assert wrong == []
    assert statuses == [status for *_, status in ASKED]


def differing(document: dict[str, Any], said: dict[str, Any], answer: Any) -> list[str]:
    """Give what of an answer its description doesn't say."""
    while "$ref" in said:
        said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
    if not answer.content:
        return ["it has no body"] if answer.status_code >= 300 else []
    content = said.get("content", {}).get(answer.headers["content-type"].partition(";")[0])
    if content is None:
        return [f"{answer.headers['content-type']} is not described"]
    if "json" not in answer.headers["content-type"]:
        return []
    checked = Draft202012Validator({**content["schema"], "components": document["components"]})
    return [f"{one.instance_path} {one.message}" for one in checked.iter_errors(answer.json())]

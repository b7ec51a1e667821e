"""A row whose JSON Postgres makes is answered by the same bytes as one that is made into values and written here."""

from typing import Any

import pytest

from app.compiler.check import check_document
from app.compiler.compile import compile_project
from app.data_plane import asgi
from app.definitions.column_types import COLUMN_TYPES
from tests.backend import serving
from tests.compiler.test_fusion import Plain

# Of each type its values as Postgres reads them: usual ones, the bounds, and what Python has no value for.
VALUES: dict[str, list[str]] = {
    "text": ["plain", "".join(map(chr, (*range(1, 33), 34, 47, 60, 92, 127, 233, 0x2028, 0x1F600))), ""],
    "integer": ["0", "-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "decimal": [
        "0", "12.50", "-0.000001", "0.0000001", "-0.00000012300", "0.0000000", "0.000000", "1e-30", "123456789e20",
        "99999999999999999999.0000000001", "-1.00000000", "0.0000012345678",
    ],
    "boolean": ["true", "false"],
    "date": ["2027-01-31", "0001-01-01", "9999-12-31", "infinity", "-infinity", "0044-03-15 BC", "10000-01-01"],
    "time": ["00:00", "18:00:30.120000", "23:59:59.999999", "24:00"],
    "uuid": ["018f2b6c-9f1e-7cc3-8000-0123456789ab"],
    "timestamp": [
        "2027-01-31 18:00:00+00", "2027-01-31 18:00:00.12+00", "2027-01-31 18:00:00.000001+00", "infinity",
        "-infinity", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "0044-03-15 00:00:00.5+00 BC",
        "10000-01-01 00:00:00+00",
    ],
    "integer_range": ["[1,5)", "empty", "(,)"],
    "bigint_range": ["[1,5)"],
    "decimal_range": ["[0.5,1.50)", "[0.0000001,)"],
    "date_range": ["[2027-01-01,2027-02-01)"],
    "timestamp_range": ["[2027-01-31 18:00:00+00,infinity)"],
    "enum": ["a"],
}  # fmt: skip
AS_VALUES = {"float", "json"}  # Postgres writes them otherwise
ELSEWHERE = {"user", "reference"}  # a uuid, or of the type of another column
READ: list[dict[str, Any]] = [
    {"do": "fetch", "from": "things", "where": "item.number == input.number", "as": "x"},
    {"do": "respond", "body": "=x"},
]


def column(kind: str) -> dict[str, Any]:
    return {"name": f"a_{kind}", "type": kind} | ({"values": ["a", "b"]} if kind == "enum" else {})


def document(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    number = {"name": "number", "type": "integer"}
    money = {"name": "money", "type": "decimal", "precision": 12, "scale": 2}
    words = {"name": "words", "type": "text", "array": True}
    return {
        "rowgate": 1,
        "tables": [{"name": "things", "columns": [number, money, words, *kinds]}],
        "endpoints": [{
            "name": "all", "path": "/all", "method": "GET", "access": "public", "steps": [
                {"do": "list", "from": "things", "order": ["number"], "as": "x"}, {"do": "respond", "body": "=x"},
            ],
        }, {
            "name": "read", "path": "/read", "method": "GET", "access": "public", "steps": READ,
            "input": {"query": {"number": {"type": "integer"}}},
        }],
    }  # fmt: skip


def test_every_type_is_one_or_the_other() -> None:
    assert {*VALUES} | AS_VALUES | ELSEWHERE == {*COLUMN_TYPES}


@pytest.mark.parametrize("kind", [*VALUES, *sorted(AS_VALUES)])
def test_a_row_answers_by_its_json_unless_postgres_writes_a_column_otherwise(kind: str) -> None:
    checked, findings = check_document(document([column(kind)]))
    assert findings == []
    assert checked is not None
    runtime, _ = compile_project(checked.project)
    assert runtime is not None
    (sent,) = runtime.endpoints["read"].plan.sent
    assert ("row_to_json(rowgate_shown)" in str(sent)) == (kind in VALUES)


async def test_both_ways_give_the_same_bytes(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(migrated_url, document([column(kind) for kind in VALUES])) as backend:
        names = ", ".join(f"a_{kind}" for kind in VALUES)
        most = max(map(len, VALUES.values()))
        await backend.sql("INSERT INTO data.things (number) VALUES (-1)")
        for number in range(most):
            taken = [said[number % len(said)].replace("'", "''") for said in VALUES.values()]
            listed = ", ".join(f"'{text}'" for text in taken)
            await backend.sql(
                f"INSERT INTO data.things (number, money, words, {names})"
                f" VALUES ({number}, {number}.5, ARRAY['a', 'b \"c'], {listed})"
            )
        for asked in ("all", *(f"read?number={number}" for number in range(-1, most))):
            made = await backend.client.get(f"/api/{asked}")
            with monkeypatch.context() as plain:
                plain.setattr(asgi, "Run", Plain)
                values = await backend.client.get(f"/api/{asked}")
            assert made.status_code == 200, made.text
            assert made.content == values.content

"""Ranges: columns, parameters, inputs and rules, the same in SQL and in process, as Postgres has them."""

import random
from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.database.pool import connect
from app.definitions.column_types import COLUMN_TYPES
from app.definitions.wrong import Wrong
from app.expressions.check import Expression, Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.operations import EvaluationError
from app.expressions.problems import ExpressionErrors
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import DATE_RANGE as RANGE
from app.expressions.types import RANGES, Record, Type, describe, pg_type
from tests.backend import Backend

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "booking_rows",
            "columns": [
                {"name": "room", "type": "text", "required": True},
                {"name": "days", "type": "date_range", "required": True, "index": True},
                {"name": "seats", "type": "integer_range", "default": "[1,4]"},
                {"name": "price", "type": "decimal_range"},
                {"name": "open", "type": "timestamp_range"},
                {"name": "more", "type": "date_range", "array": True},
            ],
            "checks": [
                {"rule": 'lower(row.days) >= date("2020-01-01")', "message": "It begins too early."},
                {"rule": "row.seats == null || !row.seats.contains(0)", "message": "There is no seat 0."},
            ],
        }
    ],
    "views": [
        {
            "name": "bookings", "table": "booking_rows", "access": "public", "allow": ["select", "insert", "update"],
            "columns": ["room", "days", "seats", "price", "open", "more",
                        {"name": "from", "value": "lower(row.days)"}, {"name": "to", "value": "upper(row.days)"},
                        {"name": "is_open", "value": "row.open.contains(now)"},
                        {"name": "same", "list": "booking_rows", "where": "item.room == row.room",
                         "value": "item.days"}],
        },
        {
            "name": "taken", "table": "booking_rows", "access": "public", "columns": ["room"], "order": ["room"],
            "params": {"within": {"type": "date_range", "required": True}},
            "filter": "row.days.overlaps(params.within)",
        },
    ],
    "endpoints": [
        {
            "name": "first", "method": "POST", "path": "/first", "access": "public",
            "input": {"body": {"days": {"type": "date_range", "required": True},
                               "day": {"type": "date", "required": True}}},
            "steps": [
                {"do": "insert", "table": "booking_rows", "set": {"room": "z", "days": "=input.days",
                 "open": "[2027-01-31T18:00:00Z,2027-01-31T19:00:00Z]"}, "as": "made"},
                {"do": "fetch", "from": "booking_rows", "id": "made.id", "as": "row_made"},
                {"do": "respond", "body": {
                    "days": "=input.days", "kept": "=row_made.days", "open": "=row_made.open",
                    "inside": "=row_made.days.contains(input.day)", "end": "=upper(row_made.days)",
                    "open_then": '=row_made.open.contains(timestamp("2027-01-31T18:30:00Z"))',
                }},
            ],
        },
    ],
}  # fmt: skip


async def test_ranges_are_written_filtered_ordered_and_read(backend: Backend) -> None:
    rows: list[dict[str, Any]] = [
        {"room": "a", "days": "[2027-01-01,2027-01-31]", "seats": "[1,5)", "price": "[0.50,2]",
         "more": ["[2027-01-01,2027-01-02]"], "open": "[2000-01-01T00:00:00+01:00,)"},
        {"room": "b", "days": "[2027-02-01,)", "seats": None, "price": None, "more": None, "open": "empty"},
    ]  # fmt: skip
    answer = await backend.client.post("/rest/v1/bookings", json=rows)
    assert answer.status_code == 201, answer.text
    shown = (await backend.client.get("/rest/v1/bookings?order=days.desc")).json()
    assert shown == [
        {"room": "b", "days": "[2027-02-01,)", "seats": None, "price": None, "more": None, "open": "empty",
         "from": "2027-02-01", "to": None, "is_open": False, "same": ["[2027-02-01,)"]},
        {"room": "a", "days": "[2027-01-01,2027-02-01)", "seats": "[1,5)", "price": "[0.50,2]",
         "more": ["[2027-01-01,2027-01-03)"], "open": '["1999-12-31 23:00:00+00",)', "from": "2027-01-01",
         "to": "2027-02-01", "is_open": True, "same": ["[2027-01-01,2027-02-01)"]},
    ]  # fmt: skip
    for days, rooms in {"[2027-01-31,2027-02-01]": ["a", "b"], "[2026-01-01,2027-01-01)": [], "empty": []}.items():
        found = await backend.client.get(f"/rest/v1/taken?within={quote(days)}")
        assert [row["room"] for row in found.json()] == rooms, found.text
    found = await backend.client.get('/rest/v1/bookings?select=room&seats=in.("[1,5)",empty)')
    assert found.json() == [{"room": "a"}]
    found = await backend.client.get('/rest/v1/bookings?select=room,days::text&or=(seats.eq."[1,5)",open.is.null)')
    assert found.json() == [{"room": "a", "days": "[2027-01-01,2027-02-01)"}]
    changed = await backend.client.patch("/rest/v1/bookings?days=cs.[2027-03-01,2027-03-02)", json={"seats": "(2,3]"})
    assert changed.status_code == 204, changed.text
    assert (await backend.client.get("/rest/v1/bookings?select=seats&room=eq.b")).json() == [{"seats": "[3,4)"}]


async def test_csv_holds_ranges_both_ways(backend: Backend) -> None:
    text = 'room,days,seats,open\nx,"[2027-01-01,2027-01-31]",,"[""2027-01-01 00:00:00+00"",)"\n'
    sent = await backend.client.post("/rest/v1/bookings", content=text, headers={"Content-Type": "text/csv"})
    assert sent.status_code == 201, sent.text
    got = await backend.client.get(
        "/rest/v1/bookings?room=eq.x&select=room,days,seats,open", headers={"Accept": "text/csv"}
    )
    assert got.text == 'room,days,seats,open\nx,"[2027-01-01,2027-02-01)",,"[""2027-01-01 00:00:00+00"",)"'
    await backend.sql("DELETE FROM data.booking_rows WHERE room = 'x'")


async def test_steps_take_compute_and_answer_ranges(backend: Backend) -> None:
    body = {"days": "(2027-01-01,2027-01-05]", "day": "2027-01-01"}
    answer = await backend.client.post("/api/first", json=body)
    assert answer.json() == {
        "days": "[2027-01-02,2027-01-06)", "kept": "[2027-01-02,2027-01-06)", "end": "2027-01-06", "inside": False,
        "open": '["2027-01-31 18:00:00+00","2027-01-31 19:00:00+00"]', "open_then": True,
    }  # fmt: skip
    await backend.sql("DELETE FROM data.booking_rows WHERE room = 'z'")


@pytest.mark.parametrize(
    ("row", "status", "code"),
    [
        ({"days": "[2027-01-31,2027-01-01]"}, 422, "input.type"),
        ({"days": "2027-01-01"}, 422, "input.type"),
        ({"days": "[2027-01-01T00:00:00Z,)"}, 422, "input.type"),
        ({"days": ["2027-01-01", "2027-02-01"]}, 422, "input.type"),
        ({"seats": "[1,9999999999]"}, 422, "input.range"),
        ({"more": ["[1,2]"]}, 422, "input.type"),
        ({"days": "[2019-12-31,)"}, 422, "It begins too early."),
        ({"days": "[2027-01-01,)", "seats": "[0,5]"}, 422, "There is no seat 0."),
    ],
)
async def test_what_is_no_range_or_against_a_check_is_refused(
    backend: Backend, row: dict[str, Any], status: int, code: str
) -> None:
    answer = await backend.client.post("/rest/v1/bookings", json={"room": "a", "days": "[2027-01-01,)", **row})
    said = answer.json()
    assert answer.status_code == status, said
    assert code in {said.get("message"), *(one["code"] for one in said.get("errors") or ())}
    bad = await backend.client.get("/rest/v1/bookings?days=ov.(5")
    assert (bad.status_code, bad.json()["code"]) == (400, "22P02")


@pytest.mark.parametrize("test", ["room=sl.a", "from=adj.2027-01-01", "more=sl.{}", "room=ov.a", "days=fts.x"])
async def test_an_operator_of_ranges_is_refused_of_anything_else(backend: Backend, test: str) -> None:
    answer = await backend.client.get(f"/rest/v1/bookings?{test}")
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST100")


async def test_ranges_are_described_as_texts(backend: Backend) -> None:
    runtime = backend.app.server.live.runtime
    row = openapi_document(runtime)["components"]["schemas"]["view.bookings"]["properties"]
    assert row["days"] == row["seats"] == row["open"] == {"type": ["string", "null"]}
    assert row["more"] == {"type": ["array", "null"], "items": {"type": "string"}}
    assert "days: string\n" in typescript(runtime)


async def test_an_index_of_a_range_serves_its_operators(backend: Backend) -> None:
    indexes = await backend.sql("SELECT indexdef FROM pg_indexes WHERE tablename = 'booking_rows'")
    assert [one["indexdef"].partition(" USING ")[2] for one in indexes] == ["btree (id)", "gist (days)"]


# What a range may begin and end with, of each kind.
INSIDE: dict[str, list[str]] = {
    "integer_range": [str(number) for number in range(-3, 4)],
    "bigint_range": [str(number) for number in (-(2**40), 0, 1, 2, 2**40)],
    "decimal_range": ["-1", "0", "0.0", "0.5", "1e2"],
    "date_range": [(date(2027, 1, 1) + timedelta(days=number)).isoformat() for number in range(5)],
    "timestamp_range": [f"2027-01-0{day}T01:02:03{zone}" for day in (1, 2) for zone in (".5Z", "Z", "+01:00")],
}  # fmt: skip
RULES = (
    "row.a.contains(row.v)", "row.a.overlaps(row.b)", "lower(row.a)", "upper(row.b)", "lower(row.a) == null",
    "upper(row.a) < row.v",
)  # fmt: skip


def random_range(kind: str, chance: random.Random) -> str:
    """Write a range that doesn't begin behind its end, in any of its forms."""
    while True:
        lower, upper = (chance.choice([*INSIDE[kind], ""]) for _ in range(2))
        text = chance.choice([f"{chance.choice('[(')}{lower},{upper}{chance.choice(')]')}"] * 9 + ["empty"])
        with suppress(Wrong):
            COLUMN_TYPES[kind].read(text)
            return text


@pytest.mark.parametrize("kind", list(RANGES), ids=describe)
async def test_a_range_has_the_text_that_postgres_gives_it_and_rules_answer_as_sql(
    backend: Backend, kind: Type
) -> None:
    name, inside, chance = describe(kind), RANGES[kind], random.Random(describe(kind))
    scope = Scope({"row": Record("row", {"a": kind, "b": kind, "v": inside})}, rows=frozenset({"row"}))
    rules = [check(text, scope) for text in RULES]
    asked = [compile_sql(rule, lambda _root, column: f"t.{column}", Parameters()) for rule in rules]
    pg = pg_type(kind)
    columns = ", ".join([*asked, "a::text", "a", "b", "v"])
    source = f"(SELECT $1::text::{pg} a, $2::text::{pg} b, $3::text::{pg_type(inside)} v) t"
    statement = f"SELECT {columns} FROM {source}"
    connection = await connect(backend.url)
    for _ in range(300):
        a, b, value = random_range(name, chance), random_range(name, chance), chance.choice(INSIDE[name])
        found = tuple(await connection.fetchrow(statement, a, b, value))
        *answers, text, kept, other, inner = found
        assert COLUMN_TYPES[name].read(a) == text == kept
        row = {"row": {"a": kept, "b": other, "v": inner}}
        assert [answer_of(rule, row) for rule in rules] == answers, (a, b, value)
    await connection.close()


def answer_of(rule: Expression, row: dict[str, Any]) -> Any:
    try:
        return compile_value(rule)(row)
    except EvaluationError:
        return None


@pytest.mark.parametrize("rule", ["row.a == row.b", "row.a < row.b", "row.a in [row.b]", "[row.a] == [row.b]"])
def test_rules_do_not_compare_ranges(rule: str) -> None:
    row = Record("row", {"a": RANGE, "b": RANGE})
    with pytest.raises(ExpressionErrors) as refused:
        check(rule, Scope({"row": row}))
    assert "x.overlaps(y)" in refused.value.problems[0].message

"""Claims about values on their way to Postgres and back: none changes, and none makes a fetch raise."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.database.pool import connect
from app.database.wire_values import encode_json


@pytest.fixture
async def connection(module_database_url: str) -> AsyncIterator[Any]:
    connection = await connect(module_database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("numeric", Decimal("NaN")),
        ("numeric", Decimal("Infinity")),
        ("numeric", 1.5),
        ("numeric", True),
        ("numeric", "1"),
        ("numeric", Decimal("1E+131072")),
        ("jsonb", float("nan")),
        ("jsonb", [Decimal("1.5"), float("inf")]),
        ("jsonb", [Decimal("NaN")]),
        ("jsonb", {"a": object()}),
        ("jsonb", [Decimal(1), object()]),
        ("jsonb", "\ud800"),
        ("jsonb", "\x00"),
        ("timestamptz", datetime(2024, 1, 1)),  # noqa: DTZ001 - the claim is that it is refused
        ("date", datetime(2024, 1, 1, tzinfo=UTC)),
        ("uuid", "not-a-uuid"),
    ],
)
async def test_a_value_that_would_be_changed_is_refused(connection: Any, kind: str, value: object) -> None:
    with pytest.raises((asyncpg.DataError, asyncpg.PostgresError)):
        await connection.fetchval(f"SELECT $1::{kind}", value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uuid", "6f1e1c0e-58f5-4f6f-9d57-0d5f3a2b1c00"),
        ("uuid[]", ["6f1e1c0e-58f5-4f6f-9d57-0d5f3a2b1c00", None]),
        ("numeric", Decimal("0.1000")),
        ("numeric", Decimal("-12345678901234567890123456789.123456789012345678901234567890")),
        ("numeric", Decimal("1E-400")),
        ("numeric[]", [Decimal("1.10"), None, Decimal("-0.5")]),
        ("jsonb", {"a": [1, None, True, "ü\n\"'", {}], "b": Decimal("0.10000000000000000000001")}),
        ("jsonb", 12345678901234567890123456789),
        ("jsonb", "text"),
        ("json", [Decimal("1.50"), []]),
        ("jsonb[]", [{"a": 1}, '}"']),
        ("timestamptz", datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)),
        ("timestamptz", datetime(1, 1, 1, tzinfo=UTC)),
        ("timestamptz", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("timestamptz[]", [datetime(2024, 1, 1, 0, 0, 0, 500000, tzinfo=UTC), None]),
        ("date", date(1, 1, 1)),
        ("date", date(9999, 12, 31)),
    ],
)
async def test_a_value_comes_back_as_it_went(connection: Any, kind: str, value: object) -> None:
    back = await connection.fetchval(f"SELECT $1::{kind}", value)
    assert back == value
    assert repr(back).replace("E-", "e-") == repr(value).replace("E-", "e-") or kind == "numeric"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("timestamptz", "infinity"),
        ("timestamptz", "-infinity"),
        ("timestamptz", "0044-03-15 00:00:00+00 BC"),
        ("timestamptz", "294276-12-31 23:59:59.999999+00"),
        ("timestamptz", "10000-01-01 12:00:00+00"),
        ("date", "infinity"),
        ("date", "0044-03-15 BC"),
        ("date", "5874897-12-31"),
    ],
)
async def test_a_moment_that_python_has_not_is_text_and_goes_back_the_same(
    connection: Any, kind: str, text: str, zone: str
) -> None:
    await connection.execute(f"SET TimeZone = '{zone}'")
    value = await connection.fetchval(f"SELECT $1::text::{kind}", text)
    assert isinstance(value, str)
    assert await connection.fetchval(f"SELECT $1::{kind} = $2::text::{kind}", value, text)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Europe/Amsterdam"])
async def test_a_moment_is_in_utc_whatever_the_zone(connection: Any, zone: str) -> None:
    await connection.execute(f"SET TimeZone = '{zone}'")
    sent = datetime(1900, 1, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    back = await connection.fetchval("SELECT $1::timestamptz", sent)
    assert (back, back.tzinfo) == (sent, UTC)


async def test_a_number_that_json_holds_from_elsewhere_is_exact(connection: Any) -> None:
    assert await connection.fetchval("SELECT '[0.1, 1e2, 7]'::json") == [Decimal("0.1"), Decimal("1e2"), 7]
    digits = "9" * 5000
    assert await connection.fetchval(f"SELECT '{digits}'::jsonb") == Decimal(digits)


async def test_a_numeric_that_is_no_number_is_read(connection: Any) -> None:
    nan, infinity = await connection.fetchrow("SELECT 'NaN'::numeric, '-Infinity'::numeric")
    assert nan.is_nan()
    assert infinity == Decimal("-Infinity")


def test_both_json_encoders_agree() -> None:
    value = {"a": [1, 2.5, None, False, "ü\u2028"], "b": {}, 'c"': ()}
    exact = encode_json([value, Decimal(1)])
    assert exact.replace(" ", "") == f"[{encode_json(value)},1]".replace(" ", "")

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.http.json_answer import to_json


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": Decimal("12.50")}, b'{"a":12.50}'),
        (Decimal("NaN"), b'"NaN"'),
        (datetime(2026, 1, 1, tzinfo=UTC), b'"2026-01-01T00:00:00+00:00"'),
        (date(2026, 1, 1), b'"2026-01-01"'),
        (timedelta(hours=1, milliseconds=500), b'"3600.5s"'),
        (b"\x00\x01", b'"AAE="'),
        ({1: "x"}, b'{"1":"x"}'),
        ([2**70, Decimal("0.1"), None, True, "\u00e9"], b'[1180591620717411303424,0.1,null,true,"\\u00e9"]'),
        ({"a": "\ud800"}, b'{"a":"\\ud800"}'),
    ],
)
def test_every_value_has_one_exact_form(value: object, written: bytes) -> None:
    assert to_json(value) == written

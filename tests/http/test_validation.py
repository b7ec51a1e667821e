from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from app.definitions.inputs import InputDef
from app.definitions.validation import object_validator, validation_findings
from app.http.json_body import parse_json

FIELD: TypeAdapter[Any] = TypeAdapter(InputDef)


def read(said: dict[str, Any], value: Any, *, text: bool = False) -> tuple[Any, list[str]]:
    found, errors = object_validator({"x": FIELD.validate_python(said)}, text=text).read({"x": value})
    return found.get("x"), [f"{'.'.join(map(str, e.loc))}: {e.code}" for e in errors]


@pytest.mark.parametrize(
    ("said", "body", "code"),
    [
        ({"type": "text"}, b"1", "type"),
        ({"type": "text"}, b"[]", "type"),
        ({"type": "text"}, b"{}", "type"),
        ({"type": "text", "required": True}, b"null", "null"),
        ({"type": "text", "min_length": 2}, b'"a"', "length"),
        ({"type": "text", "max_length": 2}, b'"abc"', "length"),
        ({"type": "text", "pattern": "[a-z]+"}, b'"abc1"', "pattern"),
        ({"type": "text", "format": "email"}, b'"a@b@c"', "format"),
        ({"type": "text", "format": "url"}, b'"javascript:alert(1)"', "format"),
        ({"type": "text", "format": "slug"}, b'"A b"', "format"),
        ({"type": "integer"}, b"1.0", "type"),
        ({"type": "integer"}, b"1e3", "type"),
        ({"type": "integer"}, b"true", "type"),
        ({"type": "integer"}, b'"1"', "type"),
        ({"type": "integer"}, b"2147483648", "range"),
        ({"type": "bigint"}, b"9223372036854775808", "range"),
        ({"type": "bigint"}, b'"9223372036854775808"', "range"),
        ({"type": "bigint"}, b'"1.0"', "type"),
        ({"type": "bigint"}, b'"007"', "type"),
        ({"type": "bigint"}, b'""', "type"),
        ({"type": "integer", "min": 1}, b"0", "range"),
        ({"type": "decimal", "precision": 4, "scale": 2}, b"100", "range"),
        ({"type": "decimal", "precision": 4, "scale": 2}, b"1.001", "scale"),
        ({"type": "decimal"}, b"true", "type"),
        ({"type": "decimal"}, b'"1e9999"', "range"),
        ({"type": "decimal", "max": 0.1}, b"0.11", "range"),
        ({"type": "float"}, b"1e310", "range"),
        ({"type": "float"}, b'"1"', "type"),
        ({"type": "boolean"}, b"0", "type"),
        ({"type": "date"}, b'"2027-02-30"', "type"),
        ({"type": "date"}, b'"20270230"', "type"),
        ({"type": "timestamp"}, b'"2027-01-01T00:00:00"', "type"),
        ({"type": "timestamp"}, b'"2027-01-01T24:00:00Z"', "type"),
        ({"type": "timestamp"}, b'"9999-12-31T23:59:59.999999-12:00"', "type"),
        ({"type": "timestamp"}, b'"infinity"', "type"),
        ({"type": "uuid"}, b'"{018f0000-0000-7000-8000-00000000000a}"', "type"),
        ({"type": "enum", "values": ["a", "b"]}, b'"c"', "enum"),
        ({"type": "text", "array": True}, b'"a"', "type"),
    ],
)
def test_a_value_of_another_kind_is_refused(said: dict[str, Any], body: bytes, code: str) -> None:
    value, errors = read(said, parse_json(body))
    assert (value, errors) == (None, [f"x: input.{code}"])


def test_every_failing_field_is_named_with_its_place() -> None:
    said = {
        "type": "object",
        "fields": {"lines": {"type": "list", "of": {"type": "integer"}}, "name": {"type": "text", "required": True}},
    }
    _, errors = read(said, {"lines": [1, "2", None], "other": 1})
    assert errors == [
        "x.lines.1: input.type",
        "x.lines.2: input.null",
        "x.other: input.unknown_field",
        "x.name: input.required",
    ]


@pytest.mark.parametrize(
    ("said", "body", "value"),
    [
        ({"type": "decimal", "precision": 12, "scale": 2}, b"12.50", Decimal("12.50")),
        ({"type": "decimal"}, b'"0.1"', Decimal("0.1")),
        ({"type": "decimal", "min": 0.1}, b"0.1", Decimal("0.1")),
        ({"type": "float", "max": 0.1}, b"0.1", 0.1),
        ({"type": "bigint"}, b"9223372036854775807", 2**63 - 1),
        ({"type": "bigint"}, b'"9007199254740993"', 9007199254740993),
        ({"type": "bigint", "array": True}, b'["-9223372036854775808", 1]', [-(2**63), 1]),
        ({"type": "uuid"}, b'"018F0000-0000-7000-8000-00000000000A"', "018f0000-0000-7000-8000-00000000000a"),
        ({"type": "date"}, b'"2028-02-29"', date(2028, 2, 29)),
        ({"type": "timestamp"}, b'"2027-01-01T01:00:00+01:00"', datetime(2027, 1, 1, tzinfo=UTC)),
        ({"type": "text"}, b"null", None),
        ({"type": "json"}, b'{"a": [1.5]}', {"a": [Decimal("1.5")]}),
    ],
)
def test_a_value_comes_as_rules_see_it(said: dict[str, Any], body: bytes, value: Any) -> None:
    assert read(said, parse_json(body)) == (value, [])


@pytest.mark.parametrize(
    ("said", "text", "value"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "boolean"}, "true", True),
        ({"type": "decimal"}, "1.50", Decimal("1.50")),
        ({"type": "float"}, "1.5", 1.5),
        ({"type": "text"}, "12", "12"),
    ],
)
def test_a_text_of_a_path_or_query_is_read(said: dict[str, Any], text: str, value: Any) -> None:
    assert read(said, text, text=True) == (value, [])


@pytest.mark.parametrize("text", [" 1", "1 ", "+1", "1_0", "\u0661", "01", "0x1", "1.0", ""])
def test_a_text_that_is_nearly_a_number_is_refused(text: str) -> None:
    assert read({"type": "integer"}, text, text=True)[1] == ["x: input.type"]


def test_a_default_stands_for_what_was_not_sent_and_an_absent_field_stays_absent() -> None:
    fields = {
        "limit": FIELD.validate_python({"type": "integer", "default": 5}),
        "q": FIELD.validate_python({"type": "text"}),
    }
    assert object_validator(fields).read({}) == ({"limit": 5}, [])


def test_a_repeated_name_is_an_error_unless_it_is_an_array() -> None:
    fields = {
        "a": FIELD.validate_python({"type": "integer", "array": True}),
        "b": FIELD.validate_python({"type": "text"}),
    }
    found, errors = object_validator(fields, text=True).from_pairs([("a", "1"), ("a", "2"), ("b", "x"), ("b", "y")])
    assert found == {"a": [1, 2], "b": "x"}
    assert [e.code for e in errors] == ["input.repeated"]


def test_a_bad_pattern_and_a_default_that_does_not_fit_are_found_when_saved() -> None:
    fields = {
        "a": FIELD.validate_python({"type": "text", "pattern": "(?=x)"}),
        "b": FIELD.validate_python({"type": "integer", "max": 3, "default": 5}),
    }
    places = [finding.place for finding in validation_findings("endpoints/e.input", fields)]
    assert places == ["endpoints/e.input.a.pattern", "endpoints/e.input.b.default"]


def test_a_decimal_of_forty_digits_is_read_exactly_and_its_places_are_counted() -> None:
    said = {"type": "decimal", "precision": 40, "scale": 10}
    long = Decimal("123456789012345678901234567890.0123456789")
    assert read(said, long) == (long, [])
    assert read(said, Decimal("1.50000000000000")) == (Decimal("1.5"), [])
    assert read(said, Decimal("123456789012345678901234567890.01234567891"))[1] == ["x: input.scale"]

"""What the OpenAPI documents state as limits is what is checked: of decimals, and of passwords."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.auth.passwords import MAX_BYTES, MIN_LENGTH
from app.control_plane.router import admin_document
from app.data_plane.described.json_schema import sent_schema
from app.data_plane.described.openapi import fixed_document
from app.definitions.columns import ColumnDef
from app.definitions.validation import reader
from app.definitions.wrong import Wrong

SIZES = [(12, 2), (3, 3), (4, 0), (1, 0), (15, 6), (16, 2), (40, 20)]


def accepted(column: ColumnDef, value: Any) -> bool:
    try:
        reader(column)(value)
    except Wrong:
        return False
    return True


def stated(column: ColumnDef, value: Any) -> bool:
    return Draft202012Validator(sent_schema(column, {})).is_valid(value)


DIGITS = st.text("0123456789", min_size=1, max_size=24)
PART = st.just("") | DIGITS.map(lambda digits: f".{digits}")
TEXTS = st.tuples(st.sampled_from(["", "-"]), DIGITS, PART).map("".join)


@settings(deadline=None)
@given(st.sampled_from(SIZES), TEXTS)
def test_a_decimal_of_digits_takes_the_texts_that_its_schema_states(size: tuple[int, int], text: str) -> None:
    column = ColumnDef(name="amount", type="decimal", precision=size[0], scale=size[1])
    assert stated(column, text) == accepted(column, text)


@pytest.mark.parametrize("size", [size for size in SIZES if size[0] <= 15])
def test_a_decimal_of_digits_takes_the_numbers_that_its_schema_states(size: tuple[int, int]) -> None:
    column = ColumnDef(name="amount", type="decimal", precision=size[0], scale=size[1])
    most = sent_schema(column, {})["maximum"]
    for value in (most, -most, most + Decimal(1).scaleb(-size[1]), -most - Decimal(1).scaleb(-size[1]), Decimal(0)):
        assert stated(column, value) == accepted(column, value), value


def test_bounds_of_an_admin_and_of_digits_hold_both() -> None:
    column = ColumnDef(name="amount", type="decimal", precision=5, scale=2, min=Decimal("0.5"), max=Decimal(10_000))
    schema = sent_schema(column, {})
    assert (schema["minimum"], schema["maximum"]) == (Decimal("0.5"), Decimal("999.99"))
    assert schema["pattern"] == r"^-?0*[0-9]{1,3}(\.[0-9]{1,2}0*)?$"


@pytest.mark.parametrize(
    "text", ["1", "-0.50", "1e3", "12.5E-3", "1.", ".5", "+1", "1 ", "NaN", "1_0", "\uff11", "1" * 41]
)
def test_a_decimal_of_any_size_takes_the_texts_that_its_schema_states(text: str) -> None:
    column = ColumnDef(name="amount", type="decimal")
    assert stated(column, text) == accepted(column, text)


def passwords(document: Any) -> Iterator[tuple[str, Any]]:
    """Give every password that a body may have, each by where it stands."""
    for name, schema in document["components"]["schemas"].items():
        for key, said in schema.get("properties", {}).items():
            if key.endswith("password") and not key.startswith("weak"):
                kinds = [one for one in said.get("anyOf", [said]) if one.get("type") != "null"]
                yield from ((f"{name}.{key}", one) for one in kinds)


def test_the_limits_of_passwords_are_stated() -> None:
    found = dict([*passwords(admin_document()), *passwords(fixed_document())])
    assert {one.get("maxLength") for one in found.values()} == {MAX_BYTES}, found
    least = {place: one["minLength"] for place, one in found.items()}
    users, admins = MIN_LENGTH["user"], MIN_LENGTH["admin"]
    assert least["RegisterBody.password"] == least["UserBody.password"] == least["NewUserBody.password"] == users
    assert least["AdminBody.password"] == least["SetupBody.password"] == admins
    assert least["PasswordBody.password"] == least["AdminSignInBody.password"] == least["GrantForm.password"] == 0

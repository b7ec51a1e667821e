from decimal import Decimal

import pytest

from app.http.json_body import BadJson, BadText, json_or_text, parse_json
from tests.effort import at_most


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\xff"}',
        b'{"a": 1} x',
        b'{"a": 1 /* no */}',
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": "line\nbreak"}',
        b"[" * 65 + b"]" * 65,
        b"1" * 41,
        b'{"a": 1.' + b"0" * 60 + b"}",
        b"[" * 2000 + b"]" * 2000,
        b"[" + b"[],{}," * 65 + b"[" * 64 + b"]" * 65,
        b"1e400",
        b"[-1E-400]",
        b"1e131071",
        b"1e" + b"9" * 30,
        b"1e" + b"9" * 5000,
        b'{"a": "unended',
        b"\x00",
        b'"a\x00b"',
        b'"\xed\xa0\x80"',
    ],
)
def test_what_is_no_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadJson) as raised:
        parse_json(body)
    assert raised.value.status == 400


@pytest.mark.parametrize("body", [b'"\\u0000"', b'{"\\u0000": 1}', b'{"a": ["\\ud800"]}', b'{"a": "\\uDC00\\ud800"}'])
def test_text_that_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(BadText) as raised:
        parse_json(body)
    assert raised.value.code == "input.bad_text"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5_000,
        b'{"' + b"k" * 1_000_000,
        b'["' + b"\\" * 1_000_000,
        b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}",
        # Texts that never end, behind what makes each of the scans look.
        b"[" + b"[]," * 65 + b'"' + b'\\"' * 500_000,
        b"[1" + b"1" * 50 + b',"' + b'\\"' * 500_000,
        b":" * 60_000 + b',"' + b'\\"' * 450_000,
        b"1." + b"1" * 1_000_000,
    ],
)
def test_hostile_bodies_are_refused_within_a_bound(body: bytes) -> None:
    # What is done in one call of C is seen by who waits: quadratic work would take minutes.
    with at_most(1_000_000), pytest.raises(BadJson):
        parse_json(body)


def test_numbers_stay_exact() -> None:
    assert parse_json(b"[0.10, 1e2, 12345678901234567890123, -0]") == [
        Decimal("0.10"),
        Decimal("1E+2"),
        12345678901234567890123,
        0,
    ]
    assert str(parse_json(b"[0.10]")[0]) == "0.10"


def test_a_refusal_repeats_nothing_of_the_body() -> None:
    for body in (b'{"hunter2": 1, "hunter2": 2}', b"[hunter2]", b'["hunter2\\u0000"]'):
        with pytest.raises((BadJson, BadText)) as raised:
            parse_json(body)
        assert "hunter2" not in f"{raised.value.detail} {raised.value.hint} {raised.value.errors}"


def test_a_float_of_any_size_and_64_brackets_are_taken() -> None:
    assert parse_json(b"[1.7976931348623157e308, 5e-324]") == [Decimal("1.7976931348623157e308"), Decimal("5e-324")]
    parse_json(b"[" + b"[],{}," * 65 + b"[" * 63 + b"]" * 64)


def test_brackets_and_digits_inside_strings_do_not_count() -> None:
    text = "[" * 200 + "1" * 200
    assert parse_json(f'{{"a": "{text}"}}'.encode()) == {"a": text}


@pytest.mark.parametrize(
    ("body", "shown"),
    [(None, None), (b"", None), (b'{"a": 1}', {"a": 1}), (b"a,b\n", "a,b\n"), (b"\xff", "\ufffd"),
     (b'"\\ud800"', '"\\ud800"')],
)  # fmt: skip
def test_an_answer_is_shown_as_json_or_as_its_text(body: bytes | None, shown: object) -> None:
    assert json_or_text(body) == shown


def test_a_surrogate_pair_is_a_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"

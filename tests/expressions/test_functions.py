"""What functions do at their edges; docs/language.md has an example of each."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.expressions.check import Scope, check
from app.expressions.evaluate import BoundsExceeded, EvaluationError, compile_value
from app.expressions.problems import ExpressionErrors
from app.expressions.types import BYTES, DECIMAL, DYN, INT, STRING, ListOf, Type

SCOPE = Scope({"data": DYN, "word": STRING, "n": INT, "price": DECIMAL, "octets": BYTES, "words": ListOf(STRING)})


def value(text: str, **env: Any) -> Any:
    return compile_value(check(text, SCOPE))(env)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("'tacocat'.charAt(7)", ""),
        ("'tacocat'.indexOf('', 3)", 3),
        ("'tacocat'.indexOf('none')", -1),
        ("'a b c'.split(' ', 2)", ["a", "b c"]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'a'.split(' ', 0)", []),
        ("'aaa'.replace('a', 'b', 2)", "bba"),
        ("'ab'.replace('', '-')", "-a-b-"),
        ("'\\u0085 x\\u200b'.trim()", "x\u200b"),
        ("'\\x1cx'.trim()", "\x1cx"),
        ("[].join('-')", ""),
        ("'%d%% of %s'.format([5, {'b': 1, 'a': [true, null]}])", "5% of {a: [true, null], b: 1}"),
        ("'%x %X %o %b'.format([255, 'az', 8, true])", "ff 617A 10 1"),
        ("'%.2f'.format([decimal('1.005')])", "1.00"),
        ("'%e'.format([double('NaN')])", "NaN"),
        ("slugify('  Ünïcode & Straße! ')", "unicode-strasse"),
        ("math.greatest(1, decimal('2.5'))", Decimal("2.5")),
        ("math.round(-2.5)", -3.0),
        ("math.round(decimal('2.5'))", Decimal(3)),
        ("math.least([3.5, 1])", 1.0),
        ("decimal('1') / decimal('8')", Decimal("0.125")),
        ("decimal('-2') / decimal('3')", Decimal("-0.66666666666666666666666666666666666667")),
        ("1.0 / 0.0 == double('Infinity') && -1.0 / 0.0 == double('-Infinity')", True),
        ("1e308 * 10.0", float("inf")),
        ("sort([3, 1.5, 2])", [1.5, 2, 3]),
        ("base64.encode('\u00fc') + base64.encode(bytes(''))", "w7w="),
        ("bytes('\u00fc') == b'\\xc3\\xbc'", True),
        (
            "hmac_sha256('key', 'The quick brown fox jumps over the lazy dog')",
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
        ),
        ("'ab'.matches('b') && !'ab'.matches('^b')", True),
        ("upper('stra\u00dfe \ufb01')", "STRASSE FI"),
        ("sum([])", 0),
        ("sum([duration('1h'), duration('30m')])", timedelta(minutes=90)),
        ("sum([1, decimal('0.5')])", Decimal("1.5")),
        ("distinct([1, 1.0, '1', true, [1], [1.0], {'a': 1}, {'a': 1}])", [1, "1", True, [1], {"a": 1}]),
        ("first([])", None),
        ("type(null) == null_type && type(dyn(1.5)) == double && type(uuid(string(data))) == uuid", True),
        ("type(type(1)) == type", True),
        ("type(timestamp(0)) == google.protobuf.Timestamp", True),
        ("timestamp('2026-03-29T01:30:00Z').getHours('Europe/Zurich')", 3),
        ("timestamp('2026-03-29T00:30:00Z').getHours('Europe/Zurich')", 1),
        ("duration('-90m').getHours()", -1),
        ("[7, 8][dyn(1.0)]", 8),
        ("integer_range('[1,4]').overlaps(integer_range('[4,9]'))", True),
        ("bigint_range('empty').contains(1) || bigint_range('(1,2)').contains(1)", False),
        ("decimal_range('[0.5,0.5]').contains(decimal('0.50'))", True),
        ("upper(date_range('(2027-01-01,]'))", None),
        ("lower(timestamp_range('[2027-01-01 00:00:00+00,)')) == timestamp('2027-01-01T00:00:00Z')", True),
        ("false && 1 / 0 == 1 ? 1 : 2", 2),
    ],
)
def test_functions_at_their_edges(text: str, answer: Any) -> None:
    found = value(text, data="018f2b6c-9f1e-7cc3-8000-0123456789ab")
    assert found == answer
    assert type(found) is type(answer)


@pytest.mark.parametrize(
    "text",
    [
        "'a'.charAt(2)",
        "'a'.substring(1, 0)",
        "'a'.substring(-1)",
        "'a'.indexOf('a', 2)",
        "'%d'.format([])",
        "'%d'.format(['x'])",
        "'%q'.format([1])",
        "'%.200f'.format([1.0])",
        "math.greatest([])",
        "math.greatest(double('NaN'), 1.0)",
        "math.abs(-9223372036854775808)",
        "sort([1, 'a'])",
        "integer_range(word + '[5,1]')",
        "date_range(word + '[,9999-12-31]')",
        "sort([1, null])",
        "sum(['a'])",
        "[dyn(1)].join()",
        "base64.decode('*')",
        "random_token(0)",
        "random_token(5000)",
        "string(b'\\x00')",
        "string(b'\\xff')",
        "int(9223372036854775808.0)",
        "timestamp(0).getHours(word)",
        "decimal('1') / decimal('0')",
        "duration('200000000000s')",
        "timestamp('9999-12-31T00:00:00Z') - timestamp('0001-01-01T00:00:00Z')",
        "lower(words[9])",
        "sha256(null == null ? word : null)",
    ],
)
def test_what_a_function_has_no_answer_for(text: str) -> None:
    with pytest.raises((EvaluationError, ExpressionErrors)):
        value(text, word="Nowhere/Land" if "getHours" in text else None, words=["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp(0).getHours('Europe/Zurch')", "there is no such time zone"),
        ("'a'.format(1)", "format doesn't take (string, int)"),
        ("math.abs('x')", "math.abs doesn't take (string)"),
        ("math.greatest()", "math.greatest doesn't take ()"),
        ("math.cosine(1)", "there is no function 'math.cosine'"),
        ("sum(words)", "sum doesn't take (list of string)"),
        ("abs(1)", "there is no function 'abs'"),
        ("word.sha256()", "sha256 is written sha256(x)"),
    ],
)
def test_a_call_that_cannot_be_is_refused_when_saved(text: str, message: str) -> None:
    with pytest.raises(ExpressionErrors) as raised:
        check(text, SCOPE)
    assert raised.value.problems[0].message == message


def test_the_types_of_answers_are_known() -> None:
    kinds: dict[str, Type] = {
        "math.greatest(n, price)": DECIMAL,
        "first(words)": STRING,
        "sort(words)": ListOf(STRING),
        "words.map(w, w.size())": ListOf(INT),
        "sum(words.map(w, w.size()))": INT,
        "dyn(n)": DYN,
        "base64.decode(word)": BYTES,
    }
    assert {text: check(text, SCOPE).type for text in kinds} == kinds


def test_a_name_of_the_scope_hides_a_library() -> None:
    scope = Scope({"math": DYN, "int": INT})
    assert compile_value(check("math.size() + int", scope))({"math": [1, 2], "int": 5}) == 7


def test_a_random_token_is_new_each_time() -> None:
    token = compile_value(check("random_token(22)", SCOPE))
    assert len({token({}) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    [
        "word.replace('a', word)",
        "data.map(x, word).join()",
        "'%s%s'.format([word + word, word])",
        "sort(data.map(x, data))",
        "data.map(x, data) == data.map(x, data)",
        "data.map(x, data) in [data, data.map(x, data)]",
        "data.map(x, distinct([data.map(y, y)]))",
        "data.all(x, " + " && ".join(["x + 1 > 0 && x * 2 >= x"] * 60) + ")",
        "'%s'.format([data.map(x, data.map(y, y))])",
        "word.split('')",
    ],
)
def test_work_that_grows_is_bounded(text: str) -> None:
    with pytest.raises((BoundsExceeded, EvaluationError)) as raised:
        value(text, word="a" * 1_000_000 if "split" not in text else "a" * 1_100_000, data=list(range(3_000)))
    assert raised.value.code == "expression.bounds"


def test_instants_keep_their_zone_apart_from_what_they_are() -> None:
    moment = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    scope = Scope({"data": DYN})
    for part, answer in {"getFullYear": 2027, "getMonth": 0, "getDate": 1, "getDayOfYear": 0}.items():
        assert compile_value(check(f"data.{part}('Europe/Zurich')", scope))({"data": moment}) == answer

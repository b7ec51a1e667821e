"""What can be said comes back equal through a reader of either version of YAML, and bare words are read as by both."""

import io
import re
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from yaml._yaml import CParser

from app.changes.files import DocumentUnreadable, dump_part, dump_yaml, load_text
from app.changes.yaml_types import PythonParser, read_by, value_of
from app.definitions.project import dump_project, parse_project
from app.definitions.stored import Stored
from tests.definitions.junk import endpoint

# Texts that some reader takes for something else, or that a writer has to take care of.
TRICKY = [
    "08", "007", "010", "0", "-0", "+5", "1e3", "1.e3", ".5e1", "12e03", "1.5", "1.", ".5", "-.5", "+.5", "1_000",
    "0x1f", "0o17",
    "0b11", "1.5e+3", "12:30", "12:30:45", "190:20:30.15", "2027-01-01", "2027-1-1", "2027-01-01T00:00:00Z",
    "2027-01-01 00:00:00",
    ".inf", "-.inf", "+.INF", ".nan", ".NaN", "yes", "Yes", "YES", "no", "on", "On", "off", "y", "n", "Y", "N",
    "true", "True", "TRUE",
    "false", "null", "Null", "NULL", "~", "", "=", "==", "<<", "<", ">", "|", "|-", ">-", "&a", "*a", "!a",
    "!!str a", "%a", "@a", "`a`",
    "- a", "-", "--", "---", "--- a", "...", "... ", "? a", "?", ": a", ":", "a:", "a: b", "a:b", "a #b", "#a",
    "a#b", "[a]", "{a: 1}",
    "a, b", ",", "]", "}", "'", "''", '"', '""', "it's", 'say "x"', "\\", "\\n", " a", "a ", " ", "  ", "\t", "a\tb",
    "\ta", "a\t", "\n", "a\n",
    "\na", "a\nb", "a\n\nb", "a\n b\n", "  a\nb", "a  \nb", "\r", "a\r\nb", "a\rb", "\x85", "a\x85b", "\u2028",
    "a\u2029b", "\xa0", "a\xa0",
    "\ufeff", "\ufeffa", "a\ufeffb", "\x01", "\x1b[31m", "\x7f", "\x9f", "\ue000", "\ufffe", "\uffff", "\U0001f600",
    "\U0010ffff", "é", "日本", "١٢",
    "=input.a", "= input.a", "=a ? 1 : 2", "=a #b", "=[1, 2]", '={"a": 1}', "/a/{b}", "a" * 200, "a b " * 60,
    "a  b" * 60, "a\n" * 60, "é " * 99,
    "0.1", "1e400", "1" * 50, "_1", "1_", "0_", "__", "e3", "inf", "nan", "None", "NaN", "Infinity", "0o8", "0xg",
    "1.2.3", "1,000", "$1", "a'b\"c",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
    st.text("0123456789_.:+-eExob~ #'\"\\\n\t-=<", max_size=8), st.text("a \n", max_size=300),
)  # fmt: skip
numbers = st.one_of(st.integers(-(10**40) + 1, 10**40 - 1), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def said(value: Any) -> tuple[str, Any]:
    """Say a value in the body of an answer; give the document as it is written, and what it says."""
    document = {"rowgate": 1, "endpoints": [endpoint([{"do": "respond", "body": value}])]}
    project, findings = parse_project(document)
    assert project is not None, findings
    return dump_yaml(Stored(project)), dump_project(project)


def readers() -> dict[str, Any]:
    newer = YAML(typ="safe", pure=True)
    newer.version = (1, 2)
    return {"Rowgate": load_text, "1.1": yaml.safe_load, "1.2": lambda text: newer.load(io.StringIO(text))}


def alike(left: Any, right: Any) -> bool:
    """Compare with types: 1, 1.0 and true are three values."""
    return repr(left) == repr(right)


@pytest.mark.parametrize("reader", ["Rowgate", "1.1", "1.2"])
def test_every_tricky_text_comes_back_as_itself(reader: str) -> None:
    read = readers()[reader]
    text, document = said(
        {"values": TRICKY, "keys": {key: key for key in TRICKY}, "nested": [[{key: [key]}] for key in TRICKY]}
    )
    assert alike(read(text), document)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(values)
def test_what_can_be_said_comes_back_equal_through_every_reader(value: Any) -> None:
    text, document = said(value)
    assert document["endpoints"][0]["steps"][0] == {"do": "respond", "body": value}
    for name, read in readers().items():
        assert alike(read(text), document), name


PLAIN = re.compile(r"[0-9A-Za-z_.:+~=<-]*")


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(st.sampled_from([one for one in TRICKY if PLAIN.fullmatch(one)]), st.from_regex(PLAIN, fullmatch=True))
)
def test_a_bare_word_is_read_as_both_versions_read_it_or_as_text_or_refused(word: str) -> None:
    if word[:1] in ("-", ":") or ":" in word[-1:] or word.startswith("..."):
        return  # syntax, and no word
    read = readers()
    try:
        found = load_text(f"a: {word}")["a"]
    except DocumentUnreadable:
        found = word
        assert word[0] in "+-.0123456789"
    if not isinstance(found, str):
        assert [repr(found)] * 2 == [repr(_read(read[version], word)) for version in ("1.1", "1.2")]
    else:
        assert found == word


def _read(read: Any, word: str) -> Any:
    try:
        return read(f"a: {word}")["a"]
    except (yaml.YAMLError, ValueError):  # of a date that there isn't, of `=` alone
        return None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 08", "line 1, column 4: write a number as JSON does, or quote '08' if it is a text."),
        ("a: 1e3", "quote '1e3'"), ("a: [1_000]", "quote '1_000'"), ("- 0x1f", "quote '0x1f'"), ("a: .inf",
        "quote '.inf'"),
        ("a: &x 1\nb: *x", "anchors and aliases are not taken"), ("a: !!timestamp 2027-01-01", "tags are not taken"),
        ("a: !!python/object:os.system x", "tags are not taken"), ("a: !x y", "tags are not taken"), ("a: 1\na: 2",
        "stands twice"),
        ("1: a\n'1': b", "stands twice"), ("? [a]\n: b", "a key has to be a plain word"), ("[" * 50 + "]" * 50,
        "nested too deep"),
        ("a: [", "line 1, column 5"), ("a: \x01", "characters or values that YAML doesn't have"),
        ("&a [&b [*a], *a, *a]", "anchors and aliases"), ("a: " + "9" * 5000, "characters or values"),
    ],
)  # fmt: skip
def test_what_readers_take_differently_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(DocumentUnreadable) as refused:
        load_text(text)
    assert says in refused.value.detail


PIECES = [
    *"abc:-#[]{},?!&*|>'\"%@`\n\t \\=~.01\r\x85\u2028\ufeff\x7fé", "\n  ", "\n- ", ": ", "? ", "! ", "--- ", "...",
    "\n---\n", "|\n ", ">-\n  ", " #", "{a: b", "c: [d, e?f]", "!!str ", "null", "true", *TRICKY,
]  # fmt: skip


def outcome(read: Any, text: str) -> tuple[Any, ...]:
    try:
        return ("value", repr(read(text)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return ("refused", error.problem, mark and (mark.line, mark.column))
    except (yaml.YAMLError, ValueError) as error:
        return ("refused", type(error))


@settings(max_examples=1500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_libyaml_reads_what_the_parser_in_python_reads_and_refuses_it_in_its_words(text: str) -> None:
    assert outcome(value_of, text) == outcome(lambda said: read_by(PythonParser(said)), text)


@pytest.mark.parametrize("text", ["a\t: b", "\n\ufeffa: b", "a: |# b", "{a: b?c}", "a: !"])
def test_where_the_two_parsers_differ_the_one_in_python_is_asked(text: str) -> None:
    assert outcome(lambda said: read_by(CParser(said)), text) != outcome(value_of, text)


@pytest.mark.parametrize("text", ["message: Where to?", "- =a ? b : c", "a: b\n  ? c", "[a, b]\n", "a: {b: c}\nd: e?f"])
def test_where_they_do_not_libyaml_is_not_asked_in_vain(text: str) -> None:
    assert read_by(CParser(text), alike=True) == read_by(PythonParser(text))


@pytest.mark.parametrize("text", ["a: {b: c?}", "[a?b]", "- [x, {y: z}, w?]", "?a"])
def test_a_question_mark_is_left_to_the_parser_in_python_where_it_ends_words(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="parsers differ"):
        read_by(CParser(text), alike=True)


def test_keys_are_texts_and_merges_are_not_made() -> None:
    assert load_text("{200: a, on: b, true: c, ~: d, <<: {x: 1}}") == {
        "200": "a", "on": "b", "true": "c", "~": "d", "<<": {"x": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("0.12345678901234567890", "more digits than a reader"), ("1" * 41, "at most 40 digits"), ('"a\\0b"', "NUL"),
        ('"\\ud800"', "half a surrogate pair"), ('{"a\\0": 1}', "NUL"), ("1.0e+999", "more digits than a reader"),
    ],
)  # fmt: skip
def test_what_no_reader_would_give_back_is_a_finding_with_its_place(value: str, says: str) -> None:
    text = f'{{"rowgate": 1, "endpoints": [{{"name": "e", "steps": [{{"do": "respond", "body": {value}}}]}}]}}'
    project, findings = parse_project(load_text(text))
    assert project is None
    assert [(one.place, says in one.message) for one in findings] == [("endpoints/e.steps/0.body", True)]


@pytest.mark.parametrize("text", ["12345678901234567890.5", "1e400", "-1.25E-400", "0.1000000000000000055511151231"])
def test_a_number_that_no_float_is_comes_back_as_it_is(text: str) -> None:
    assert load_text(dump_part([{"amount": Decimal(text)}])) == [{"amount": Decimal(text)}]

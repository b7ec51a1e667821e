"""What a test expects against what came."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.compiler.checked_tests import CompiledTest
from app.compiler.test_labels import Id
from app.errors import RowgateError
from app.http.json_answer import to_json
from app.http.json_body import json_or_text, parse_json
from app.policy_tests.attempt import Attempt
from app.policy_tests.result import Failure

Changes = Mapping[str, Mapping[str, int]]
_NOTHING = {"inserted": 0, "updated": 0, "deleted": 0}
_LONGEST = 300
_ABSENT = object()


def failures_of(test: CompiledTest, wanted: object, made: Attempt) -> list[Failure]:
    """Give everything that came otherwise than expected; `wanted` is the body that is."""
    said, place = test.said.expect, f"{test.place}.expect"
    body = json_or_text(made.answer.body)
    found = []
    if made.answer.status != said.status:
        found.append(Failure(f"{place}.status", str(said.status), _status(made.answer.status, made.refusal)))
    if said.code is not None and made.code != said.code:
        found.append(Failure(f"{place}.code", said.code, made.code or "no refusal"))
    if said.rows is not None and (not isinstance(body, list) or len(body) != said.rows):
        came = f"{len(body)} rows" if isinstance(body, list) else f"{_shown(body)}, which is no list of rows"
        found.append(Failure(f"{place}.rows", f"{said.rows} rows", came))
    if wanted is not None:
        found += _different(parse_json(to_json(wanted)), body, f"{place}.body")
    found += _changed(test, made.answer.status, made.changes)
    return [Failure(one.place, called(one.expected, test.labels), called(one.came, test.labels)) for one in found]


def _status(status: int, refusal: RowgateError | None) -> str:
    return str(status) if refusal is None else f"{status} {refusal.code}: {refusal.detail}"


def _different(expected: object, came: object, place: str) -> Iterator[Failure]:
    """Compare: of an object the members that are named, of a list every item in its order, of all else the value."""
    if isinstance(expected, dict) and isinstance(came, dict):
        for name, value in expected.items():
            yield from _different(value, came.get(name, _ABSENT), f"{place}.{name}")
    elif isinstance(expected, list) and isinstance(came, list) and len(expected) == len(came):
        for index, pair in enumerate(zip(expected, came, strict=True)):
            yield from _different(*pair, f"{place}/{index}")
    elif isinstance(expected, bool) is not isinstance(came, bool) or expected != came:
        yield Failure(place, _shown(expected), _shown(came))


def _changed(test: CompiledTest, status: int, changes: Changes) -> Iterator[Failure]:
    """Compare the rows that were written; a refusal has to leave everything as it was, if nothing else is said."""
    if test.changed is None:
        if status < 400:
            return
        wanted: dict[str, dict[str, int]] = {}
    else:
        wanted = {table: said.model_dump() for table, said in test.changed.items()}
    for table in [*wanted, *(table for table in changes if table not in wanted)]:
        expected, came = wanted.get(table, _NOTHING), changes.get(table, _NOTHING)
        if expected != came:
            yield Failure(f"{test.place}.expect.changed.{table}", _counted(expected), _counted(came))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no row changed"


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = to_json(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def called(value: Any, labels: Mapping[Id, str]) -> Any:
    """Put labels in the place of the ids that a test gave its rows, so that a reader knows them again."""
    if isinstance(value, Mapping):
        return {key: called(item, labels) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [called(item, labels) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value in labels:
        return f"{{{labels[value]}}}"
    if not isinstance(value, str) or not labels:
        return value
    known = {str(id_): label for id_, label in labels.items()}
    ids = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))))
    return ids.sub(lambda found: f"{{{known[found[0]]}}}", value)

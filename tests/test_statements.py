"""The watch over statements sees what it is there for."""

import pytest

from tests.statements import Statements


@pytest.mark.parametrize(
    ("statement", "stranger"),
    [
        ("SELECT * FROM data.t WHERE name = 'alice'", "'alice'"),
        ("SELECT * FROM data.t WHERE n = 48151623", "48151623"),
        ('SELECT "a; DROP" FROM data.t', "a; DROP"),
        ("SELECT * FROM data.t WHERE at > now() - interval '48151623 days'", "48151623"),
        ("SELECT jsonb_typeof(x) = 'number' FROM data.t LIMIT $1", None),
        ('SELECT t."createdAt2" FROM data."documents" AS t', None),
    ],
)
def test_what_stands_in_no_source_is_found(statement: str, stranger: str | None) -> None:
    statements = Statements()
    statements.seen[statement] = "somewhere.py"
    found = statements.foreign()
    assert [line.split(": ")[1].split(" in ")[0] for line in found] == ([stranger] if stranger else [])

"""`count`: how many rows of a table or view there are."""

from app.expressions.types import INT
from app.relations.select import count_rows
from app.steps.chosen import SomeRows, read_value
from app.steps.context import Context, Step
from app.steps.kind import READS, Kind, never


def _compile(body: SomeRows, context: Context) -> Step | None:
    return read_value(body, context, INT, count_rows)


COUNT = Kind(
    body=SomeRows, compile=_compile, refuses=never, asks=None, rules=None, does=READS, answers=False, pauses=None
)

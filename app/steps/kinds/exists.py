"""`exists`: whether there is a row of a table or view."""

from app.expressions.types import BOOL
from app.relations.select import any_row
from app.steps.chosen import SomeRows, read_value
from app.steps.context import Context, Step
from app.steps.kind import READS, Kind, never


def _compile(body: SomeRows, context: Context) -> Step | None:
    return read_value(body, context, BOOL, any_row)


EXISTS = Kind(
    body=SomeRows, compile=_compile, refuses=never, asks=None, rules=None, does=READS, answers=False, pauses=None
)

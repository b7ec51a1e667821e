"""What a step says of itself so that the compiler may send it and its neighbours as one statement."""

from collections.abc import Callable
from dataclasses import dataclass

from app.errors import RowgateError
from app.relations.fused import Part
from app.steps.running import Call, RunStep


@dataclass(frozen=True, slots=True)
class Fusable:
    """What the step does in a statement, of a rule the refusal, and, where the step always runs, how it runs alone.

    `told` are the paths that the refusal reads, `shows` takes the JSON of what answers; `holds` is what a rule holds
    before it is asked.
    """

    part: Part
    refused: Callable[[Call], RowgateError] | None = None
    told: frozenset[str] = frozenset()
    shows: Callable[[Call, bytes], None] | None = None
    run: RunStep | None = None
    holds: "Holds | None" = None


@dataclass(frozen=True, slots=True)
class Holds:
    """That the rows which a rule reads are held, since these tables are `written` behind it."""

    written: frozenset[str]
    by_table: bool

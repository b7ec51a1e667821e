"""Whether what a request does is a transaction, and the statement that opens it."""

import math
from collections.abc import Sequence

from app.database.pool import STATEMENT_SECONDS
from app.definitions.endpoints import TIMEOUT
from app.steps.context import Step


def begin_of(steps: Sequence[Step], isolation: str, timeout: float) -> str | None:
    """Give the statement that opens the transaction; None where one statement by itself is as good.

    A timeout that the endpoint says is also what one statement may take.
    """
    level = " ISOLATION LEVEL SERIALIZABLE" if isolation == "serializable" else ""
    if not level and _is_good_alone(steps, timeout):
        return None
    if timeout == TIMEOUT:
        return f"BEGIN{level}"
    return f"BEGIN{level}; SET LOCAL statement_timeout = {math.ceil(timeout * 1000)}"


def _is_good_alone(steps: Sequence[Step], timeout: float) -> bool:
    """Say whether one statement needs no transaction.

    It doesn't, where nothing is left that could refuse once the one statement has written, and where Postgres' own
    timeout ends that statement before the endpoint's does: what we cut off ourselves, only a rollback surely undoes.
    """
    statements = sum(step.statements for step in steps)
    writes = any(step.writes for step in steps)
    if statements > 1 or (statements and timeout != TIMEOUT and (writes or timeout > STATEMENT_SECONDS)):
        return False
    return not any(
        step.writes and (step.undoes or any(after.may_refuse for after in steps[index + 1 :]))
        for index, step in enumerate(steps)
    )

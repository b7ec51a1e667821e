"""When a chain needs a transaction: where it locks or writes, and something comes behind that."""

import math
from collections.abc import Sequence

from app.database.pool import STATEMENT_SECONDS
from app.definitions.endpoints import TIMEOUT
from app.steps.context import Step


def begin_of(steps: Sequence[Step], isolation: str, timeout: float) -> str | None:
    """Give the statement that opens the transaction; None where each statement by itself is as good.

    A timeout that the endpoint says is also what one statement may take.
    """
    level = " ISOLATION LEVEL SERIALIZABLE" if isolation == "serializable" else ""
    if not level and _are_good_alone(steps, timeout):
        return None
    if timeout == TIMEOUT:
        return f"BEGIN{level}"
    return f"BEGIN{level}; SET LOCAL statement_timeout = {math.ceil(timeout * 1000)}"


def _are_good_alone(steps: Sequence[Step], timeout: float) -> bool:
    """Say whether the statements need no transaction.

    What only reads doesn't, since each statement sees what is there when it begins, in a transaction too. One that
    writes doesn't, where nothing is left that could refuse once it has written, and where Postgres' own timeout ends it
    before the endpoint's does: what we cut off ourselves, only a rollback surely undoes.
    """
    statements = sum(step.statements for step in steps)
    writes = any(step.writes for step in steps)
    if timeout != TIMEOUT and statements and (statements > 1 or writes or timeout > STATEMENT_SECONDS):
        return False
    if sum(map(_waiting, steps)) > 1:
        return False
    if any(step.at_end for step in steps):
        return not any(step.writes for step in steps)
    return not any(
        step.writes and (step.undoes or any(after.may_refuse or after.statements for after in steps[index + 1 :]))
        for index, step in enumerate(steps)
    )


def _waiting(step: Step) -> int:
    """Count the statements that lock or write, or may do so; a lock by itself has to last, and so counts twice."""
    waiting = sum(one.waits for one in step.sends)
    if step.opens or (waiting and step.statements > len(step.sends)):
        return max(waiting, step.statements)
    return waiting if step.writes else 2 * waiting

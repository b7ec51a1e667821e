"""The refusals that steps raise, and those that an admin makes with a status and a code of the own choice."""

from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import Field

from app.errors import RowgateError
from app.expressions.nulls import ALL
from app.expressions.operations import EvaluationError
from app.expressions.types import DYN
from app.relations.values import Value
from app.steps.context import Context

_OF_DEFINITIONS = "definitions"  # where classes come from that no file of ours holds
RefusalStatus = Annotated[int, Field(ge=400, le=599)]
RefusalCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=64)]


class StepRefused(RowgateError):
    """A rule of the admin's said no."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "chain.refused"


class StepFailed(RowgateError):
    """A `fail` step ended the request."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "chain.failed"


class RowNotFound(RowgateError):
    """There is no such row, or none that the caller may see."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "step.not_found"

    def __init__(self) -> None:
        """Say the one sentence that both cases have."""
        super().__init__("There is no such record.")


class TooManyRows(RowgateError):
    """One row was expected and there are more."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "step.too_many"

    def __init__(self) -> None:
        """Say that nothing was changed."""
        super().__init__("One record was expected, and there are more. Nothing was changed.")


class OverQuota(RowgateError):
    """There are as many rows as a quota allows, or it isn't known how many."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "chain.over_quota"


class TooManyItems(RowgateError):
    """A list has more items than its loop or its insert takes."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "step.too_many_items"

    def __init__(self, limit: int) -> None:
        """Say how many there may be."""
        super().__init__(f"There are more than {limit:,} items. Nothing was changed.")


class RateLimited(RowgateError):
    """More requests than a limit allows."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "chain.rate_limited"


class OutsideWindow(RowgateError):
    """The time is not one at which this is open."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "chain.outside_window"


class InputRefused(RowgateError):
    """Rules over the input failed; `errors` has all of them."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "input.invalid"


@lru_cache(1_024)
def refusal_class(base: type[RowgateError], status: int | None, code: str | None) -> type[RowgateError]:
    """Give the base class with another status or code, one for all steps that say the same."""
    if status is None and code is None:
        return base
    said = {"status": status or base.status, "code": code or base.code, "__module__": _OF_DEFINITIONS}
    return type(base.__name__, (base,), said)


def compile_message(said: Any, default: str, context: Context) -> Value | None:
    """Compile a step's message: a text, or a value that is computed when it refuses."""
    lenient = context.sure_of(frozenset({ALL}))
    return lenient.value("message", default if said is None else said, DYN if said is not None else None)


def message_of(value: Value | None, env: Any, default: str) -> str:
    """Give the message's text; one that can't be computed is the default."""
    if value is None:
        return default
    try:
        text = value.evaluate(env)
    except EvaluationError:
        return default
    return text if isinstance(text, str) else default

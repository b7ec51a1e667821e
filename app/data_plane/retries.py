"""A request is tried again where a try has found that it has done nothing, and that another one may do better."""

import asyncio
import random
from typing import ClassVar

from app.data_plane.pipeline import serve
from app.data_plane.run import Run, too_late
from app.database.faults import Contended, Retryable, Stale, Streamed, Unfused
from app.errors import RowgateError
from app.http.read_body import ChangedMeanwhile
from app.steps.running import Answer

ATTEMPTS = 3
PAUSE = 0.025  # seconds, about, before the second run; four times as long before each further one, up to
LONGEST = 16 * PAUSE


class DefinitionsChanging(RowgateError):
    """The definitions changed at every try to serve the request."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "definitions.changing"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("The definitions are changing: try again.", headers={"Retry-After": "1"})


async def serve_with_retries(run: Run) -> Answer:
    """Answer a request, or raise the refusal.

    A try that finds its definitions or its caller's authority changed has done nothing yet: another one begins on the
    new ones; where only the caller's has changed, for as long as the request may take. After a deadlock or a
    serialization failure another one begins too. What was looked ahead at is begun.
    """
    attempt = outrun = 0
    if run.target is None:
        run.begin()
    while attempt < ATTEMPTS:
        try:
            return await serve(run)
        except (Unfused, Streamed) as found:
            attempt += run.goes_another_way(found)
        except Stale:
            outrun += 1
            attempt += await _read_afresh(run, outrun)
        except Retryable as found:
            attempt += 1
            await _before_another(run, found, attempt)
        run.begin()
    raise DefinitionsChanging


async def _read_afresh(run: Run, outrun: int) -> bool:
    """Read what has changed before a try could begin; says whether it was the definitions."""
    if run.runs_once:
        raise ChangedMeanwhile from None
    if run.is_late:
        raise too_late() from None
    if outrun > 1:
        await _pause(outrun - 1)
    return await run.refresh()


async def _before_another(run: Run, found: Retryable, attempt: int) -> None:
    """Wait as another try needs it; raises the refusal where there is to be none."""
    if run.runs_once:
        raise found
    if attempt == ATTEMPTS:
        raise Contended from None
    await _pause(attempt)


async def _pause(times: int) -> None:
    """Let whoever was faster commit: at once, the same would only happen again."""
    await asyncio.sleep(min(PAUSE * 4 ** (times - 1), LONGEST) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

"""chain: the middleware, in order."""

from collections.abc import Sequence

from app.steps.running import Call, Run, run_chain


async def chain(runs: Sequence[Run], call: Call) -> None:
    """Run the middleware; a step of it that answers ends the request."""
    await run_chain(runs, call)

"""chain: the middleware, in order."""

from collections.abc import Sequence

from app.steps.running import Call, RunStep, run_chain


async def chain(runs: Sequence[RunStep], call: Call) -> None:
    """Run the middleware, unless the request has its answer already; a step that answers ends the request."""
    if runs and call.answer is None:
        await run_chain(runs, call)

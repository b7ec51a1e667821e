"""execute: the endpoint's own steps, or the view's statement."""

from app.data_plane.request import Request
from app.data_plane.rest.read import read_view
from app.data_plane.rest.write import write_view
from app.data_plane.stages.accept import EndpointTarget, ViewTarget
from app.steps.running import Answer, Call, run_chain

NO_CONTENT = Answer(204)


async def execute(target: EndpointTarget | ViewTarget, request: Request, call: Call) -> Answer:
    """Give the answer; steps that run off the end without one answer 204."""
    if call.answer is not None:
        return call.answer
    if isinstance(target, ViewTarget):
        if target.action == "select":
            return await read_view(target.compiled, request, call)
        return await write_view(target.compiled, target.action, request, call)
    await run_chain(target.compiled.steps, call)
    return call.answer or NO_CONTENT

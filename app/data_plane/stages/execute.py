"""execute: the endpoint's own steps, or the view's statement, and what the end of all steps is due."""

from collections.abc import Awaitable
from http import HTTPStatus

from app.compiler.runtime import CompiledEndpoint
from app.data_plane.bound import Bound
from app.data_plane.rest.answered import BoundRows, answer_rows
from app.data_plane.rest.read import BoundRead, read_view
from app.data_plane.rest.write import write_view
from app.steps.running import Answer, Call, run_chain

NO_CONTENT = Answer(204)
_REFUSING = int(HTTPStatus.BAD_REQUEST)  # to ask the enum takes longer than all else here


async def execute(bound: Bound, call: Call) -> Answer:
    """Give the answer, held against what is declared, and kept where its request may come again.

    That is the endpoint's own answer. What is asked of its rows comes last, when what it has done stands: a refusal by
    what was answered would be a way to undo it, such as a try that is counted.
    Steps that run off the end without an answer answer 204. One that fails is counted where failures are.
    """
    answer = call.answer
    if answer is None:
        answer = await _carried_out(bound, call)
    endpoint = bound.endpoint if isinstance(bound, BoundRows) else bound
    if call.holds_answers and isinstance(endpoint, CompiledEndpoint) and endpoint.responses is not None:
        endpoint.responses.check(answer)
    if call.at_end or call.failures:
        await call.ended()
    if answer.status >= _REFUSING:
        await call.failed()
    if call.keep is not None:
        await call.keep(answer)
    if not call.db.confirmed:
        await call.db.confirm()
    if not isinstance(bound, BoundRows):
        return answer
    await call.db.settle()
    return await answer_rows(bound, answer, call)


def _carried_out(bound: Bound, call: Call) -> Awaitable[Answer]:
    if isinstance(bound, BoundRead):
        return read_view(bound, call)
    if isinstance(bound, BoundRows):
        bound = bound.endpoint
    return _by_steps(bound, call) if isinstance(bound, CompiledEndpoint) else write_view(bound, call)


async def _by_steps(endpoint: CompiledEndpoint, call: Call) -> Answer:
    await run_chain(endpoint.steps, call)
    return call.answer or NO_CONTENT

"""bind: all that a request says, read strictly and checked at once, before anything of it is carried out."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from app.compiler.inputs import BoundInputs
from app.compiler.runtime import CompiledEndpoint
from app.data_plane.bound import Bound
from app.data_plane.idempotency import first_answer, keep_answer, once_of
from app.data_plane.request import Request
from app.data_plane.rest.answered import BoundRows, bind_rows
from app.data_plane.rest.csv_rows import items_of
from app.data_plane.rest.dialect.headers import ASKING
from app.data_plane.rest.long_rows import bind_rows_sent
from app.data_plane.rest.read import QUERY_BODIES, bind_read
from app.data_plane.rest.write import bind_write
from app.data_plane.targets import RPC, EndpointTarget, Target
from app.definitions.endpoints import BODY_TYPES
from app.definitions.views import HELD_BODY
from app.http.json_body import text_of_bytes
from app.http.long_json import AT_ONCE, apart, read_json
from app.http.query_string import query_pairs
from app.http.read_body import media_type_of
from app.steps.running import Call, run_chain


async def bind(target: Target, request: Request, call: Call) -> Bound:
    """Give what is to be carried out; an endpoint's input is what rules see as `input`.

    Raises 400, 413 or 415 for a query, a header or a body that can't be read, 422 with every field that fails. What
    came before with the same Idempotency-Key is answered by the answer that was kept.
    """
    call.env["input"] = {}
    if isinstance(target, EndpointTarget):
        bound: Bound = await _endpoint(target, request, call)
    elif target.action == "delete":
        bound = await bind_write(target.compiled, request, b"", call.identity)
    elif target.action == "select":
        asked = await request.body(HELD_BODY, QUERY_BODIES) if target.by_body else b""
        bound = bind_read(target.compiled, request, call.identity, asked)
    else:
        bound = await bind_rows_sent(target.compiled, request, call)
    if call.answer is None and call.trace is None and (once := once_of(request, call.identity, target)) is not None:
        call.answer = await first_answer(once, call)
        if call.answer is None:
            call.keep = partial(keep_answer, once, call)
    return bound


async def _endpoint(target: EndpointTarget, request: Request, call: Call) -> BoundRows | CompiledEndpoint:
    endpoint, inputs = target.compiled, target.compiled.inputs
    body = b""
    pairs = query_pairs(request.query) if request.query else []
    asked = []
    if target.rows is not None:
        asked = [pair for pair in pairs if pair[0] not in inputs.query.names]
        pairs = [pair for pair in pairs if pair[0] in inputs.query.names]
    all_in_body = target.by_name and not pairs and request.method == "POST" and not inputs.any_body
    raw = endpoint.definition.raw_body
    if raw or endpoint.gate is not None or inputs.body is not None or (all_in_body and inputs.query.names):
        body = await request.body(endpoint.definition.body_limit, inputs.media_types)
    if endpoint.gate is not None:
        await run_chain((endpoint.gate,), call)
        if call.answer is not None:
            return endpoint
    if raw and endpoint.reads_request:
        call.env["request"]["body"] = text_of_bytes(body)
    media_type = media_type_of(request.headers) if body else ""
    all_in_body = all_in_body and media_type != BODY_TYPES["form"]
    sent = _with_lists(pairs, inputs.query.arrays) if pairs and request.path.startswith(RPC) else pairs
    said = await _said(inputs, body, media_type) if inputs.body is not None or all_in_body else body
    values = partial(
        inputs.bind, request.named, sent, request.headers, said, media_type=media_type, all_in_body=all_in_body
    )
    if len(body) <= AT_ONCE:
        _take(inputs, values, call)
    else:
        await apart(partial(_take, inputs, values, call))
    if target.rows is None:
        return endpoint
    return bind_rows(endpoint, target.rows, asked, request.joined(ASKING))


async def _said(inputs: BoundInputs, body: bytes, media_type: str) -> Any:
    """Give what a body says, where it is JSON."""
    return await read_json(body) if body and inputs.reads_json(media_type) else body


def _take(inputs: BoundInputs, values: Callable[[], dict[str, Any]], call: Call) -> None:
    call.env["input"] = values()
    if inputs.rules is not None:
        inputs.rules(call.env)


def _with_lists(pairs: Sequence[tuple[str, str]], arrays: Collection[str]) -> list[tuple[str, str | list[str]]]:
    """Read a list that stands in one value, `{a,b}`, as PostgREST's clients send a function's."""
    return [
        (name, items) if name in arrays and text.startswith("{") and (items := items_of(text)) is not None
        else (name, text)
        for name, text in pairs
    ]  # fmt: skip

"""bind: all declared input, read strictly and checked at once."""

from typing import Any

from app.data_plane.request import Request
from app.data_plane.rest.write import BODY_LIMIT, JSON
from app.data_plane.stages.accept import Target, ViewTarget
from app.http.query_string import query_pairs

_JSON = frozenset({"application/json"})


async def bind(target: Target, request: Request, env: dict[str, Any]) -> dict[str, Any]:
    """Give the input by name. Raises 400, 413 or 415 for a body that can't be read, 422 with every field that fails."""
    if isinstance(target, ViewTarget):
        if target.action in ("insert", "update"):
            await request.body(BODY_LIMIT, JSON)
        return {}
    inputs = target.compiled.inputs
    body = b""
    if inputs.takes_body:
        body = await request.body(target.compiled.definition.body_limit, _JSON)
    pairs = query_pairs(request.query) if request.query else []
    bound = inputs.bind(target.path, pairs, request.headers, body)
    if inputs.rules is not None:
        inputs.rules({**env, "input": bound})
    return bound

"""respond: the commit, and the headers that every answer has."""

from dataclasses import replace

from app.limits.headers import limit_headers
from app.steps.running import Answer, Call


async def respond(answer: Answer, call: Call) -> Answer:
    """Commit, and say what is left of the limits that have counted the request."""
    await call.db.commit()
    if not call.counted:
        return answer
    headers = limit_headers(list(call.counted.values()))
    return replace(answer, headers=(*answer.headers, *headers.items()))

"""The headers that tell callers about limits."""

import math
import re
from collections.abc import Sequence

from app.limits.limit import Limit, Outcome


def limit_headers(results: Sequence[tuple[str, Limit, Outcome]]) -> dict[str, str]:
    """Give RateLimit-Policy, RateLimit and, if any of the limits refused, Retry-After.

    Source: draft-ietf-httpapi-ratelimit-headers (the form since draft 08): lists of structured strings with integer
    parameters, q and w for quota and window, r and t for what is left and the seconds until more is.
    """
    if not results:
        return {}
    policies = [f"{_sf_string(name)};q={limit.amount};w={limit.period}" for name, limit, _ in results]
    states = [f"{_sf_string(name)};r={seen.remaining};t={_until_more(seen)}" for name, _, seen in results]
    headers = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
    waits = [seen.retry_after for _, _, seen in results if seen.retry_after is not None]
    if waits:
        headers["Retry-After"] = str(max(waits))
    return headers


def _until_more(outcome: Outcome) -> int:
    return outcome.retry_after if outcome.retry_after is not None else math.ceil(outcome.reset_after)


def _sf_string(text: str) -> str:
    """Quote as RFC 8941, 3.3.3 has it; what it can't hold becomes a question mark, so a name can't add a header."""
    printable = re.sub(r"[^ -~]", "?", text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""Whether a process can serve requests, and what was looked at for it."""

from typing import Literal

from app.data_plane.reload import Live
from app.database.embedded import UpFlag
from app.http.fixed_routes import Declared
from app.limits.limiter import Limiter


class Readiness(Declared):
    """Whether requests can be served, what was looked at for it, and the definitions that are out of order."""

    status: Literal["ready", "degraded", "not ready"]
    checks: dict[str, bool]
    broken: list[str]


def readiness(live: Live, limiter: Limiter, embedded_up: UpFlag | None) -> Readiness:
    """Say whether requests can be served: the database answers, and its definitions are compiled. Asks it nothing.

    Without the store of rate limits it is ready all the same: sign-in and all that isn't limited go on. So it is while
    others are served beside definitions that are out of order, which `broken` names.
    """
    watch = limiter.watch
    checks = {"database": live.in_touch, "definitions": live.ready}
    if embedded_up is not None:
        checks["embedded_postgres"] = bool(embedded_up)
    ready = all(checks.values())
    if watch is not None:
        checks["limits"] = watch.answers
    status: Literal["ready", "degraded", "not ready"] = "not ready"
    if ready:
        status = "ready" if all(checks.values()) and not live.broken else "degraded"
    return Readiness(status=status, checks=checks, broken=live.broken)

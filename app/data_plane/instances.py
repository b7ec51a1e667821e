"""The processes that serve this database: each says every few seconds that it is there, and how it fares."""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from app.data_plane.readiness import Readiness
from app.data_plane.reload import Live
from app.database.faults import FAULTS
from app.database.pool import Pool
from app.database.repeating import Repeating
from app.errors import RowgateError
from app.http.counts import Counts
from app.http.fixed_routes import Declared
from app.settings import own_version
from app.store.instances import Process, tell, untell

BEAT_SECONDS = 5.0
_log = logging.getLogger("rowgate.instances")


class _ToldByAny(Declared):
    """The base of what a process tells of itself; another version may tell more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PoolTold(_ToldByAny):
    """How many connections to the database a process may have, has in use, had at most lately, and waits for."""

    size: int
    used: int
    peak: int
    waiting: int


class MinuteTold(_ToldByAny):
    """What was answered to frontends in a minute, by the kind of its status, and the most connections in use."""

    at: datetime
    answered: int
    refused: int
    failed: int
    pool_peak: int


class LimitTold(_ToldByAny):
    """How often limits refused an endpoint, a view or a route in these minutes."""

    what: str
    count: int


class InstanceState(_ToldByAny):
    """How a process fares; of one that tells nothing that can be read here, nothing is known."""

    revision: int | None = None
    status: Literal["ready", "degraded", "not ready", "unknown"] = "unknown"
    checks: dict[str, bool] = Field(default_factory=dict)
    broken: list[str] = Field(default_factory=list)
    pool: PoolTold | None = None
    minutes: list[MinuteTold] = Field(default_factory=list)
    limited: list[LimitTold] = Field(default_factory=list)

    @classmethod
    def of(cls, told: object) -> "InstanceState":
        """Read what was told, maybe by another version."""
        try:
            return cls.model_validate(told)
        except ValidationError:
            return cls()


class Instance(Repeating):
    """The process as one of those that serve the database: what it tells of itself, again and again."""

    def __init__(self, pool: Pool, live: Live, counts: Counts, ready: Callable[[], Readiness]) -> None:
        """Tell nothing yet."""
        super().__init__(
            _log,
            lost="this process can't say that it is there",
            back="it says that it is there again",
            broken="saying that this process is there failed",
        )
        now = datetime.now(UTC)
        self.told = Process(str(uuid.uuid4()), now, socket.gethostname(), os.getpid(), own_version())
        self._pool, self._live, self._counts, self._ready = pool, live, counts, ready

    def state(self) -> InstanceState:
        """Say how it fares now."""
        ready, pool = self._ready(), self._pool.standing()
        minute = self._counts.minute()
        minute.pool_peak = max(minute.pool_peak, pool.peak)
        minutes = [
            MinuteTold(
                at=datetime.fromtimestamp(60 * one.at, UTC),
                **{name: getattr(one, name) for name in ("answered", "refused", "failed", "pool_peak")},
            )
            for one in self._counts.minutes()
        ]
        return InstanceState(
            revision=self._live.runtime.revision if self._live.ready else None,
            pool=PoolTold(**asdict(pool)), minutes=minutes, **ready.model_dump(),
            limited=[LimitTold(what=what, count=count) for what, count in self._counts.limited().items()],
        )  # fmt: skip

    async def beat(self) -> None:
        """Tell once."""
        async with self._pool.lease() as connection:
            await tell(connection, self.told, self.state().model_dump(mode="json"))

    @property
    def rest(self) -> float:
        """Give the seconds after which it tells again."""
        return BEAT_SECONDS

    async def turn(self) -> bool:
        """Tell once."""
        await self.beat()
        return False

    async def stop(self) -> None:
        """Tell no longer, and be one of them no more."""
        await super().stop()
        with suppress(RowgateError, *FAULTS):
            async with self._pool.lease() as connection:
                await untell(connection, self.told.id)

"""How the servers fare: who serves this database, and how much waits to be sent."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Response

from app.auth.admin_access import VIEWER
from app.control_plane.server import ServerDep
from app.data_plane.instances import InstanceState
from app.http.fixed_routes import Declared, FixedRouter, answer
from app.outward.waiting import standing
from app.store.instances import others

_SILENT_AFTER = timedelta(seconds=20)  # several times of telling have failed
router = FixedRouter(tags=["operations"])


class InstanceAnswer(InstanceState):
    """A process that serves this database; one that is `silent` has said nothing for a while, `here` answers this."""

    id: str
    host: str
    process: int
    version: str
    started_at: datetime
    seen_at: datetime
    silent: bool
    here: bool


class QueueAnswer(Declared):
    """How much waits to be sent and since when, and how much was given up."""

    waiting: int
    oldest: datetime | None
    dead: int


class QueuesAnswer(Declared):
    """The calls of the outbox, and mail."""

    outbox: QueueAnswer
    mail: QueueAnswer


@router.get("/instances", dependencies=[VIEWER], response_model=list[InstanceAnswer])
async def list_instances(server: ServerDep) -> Response:
    """List the processes that serve this database, or did so within a day, with what each counted of 15 minutes.

    Each tells of itself every few seconds, so the others may be some seconds behind; one that is stopped is gone.
    """
    mine = server.instance
    async with server.pool.lease() as connection:
        told = [_told(dict(row)) for row in await others(connection, mine.told.id, _SILENT_AFTER)]
    now = datetime.now(UTC)
    here = InstanceAnswer(**asdict(mine.told), seen_at=now, silent=False, here=True, **mine.state().model_dump())
    return answer([here, *told])


def _told(row: dict[str, Any]) -> InstanceAnswer:
    state = InstanceState.of(row.pop("state"))
    return InstanceAnswer(**row, here=False, **state.model_dump())


@router.get("/queues", dependencies=[VIEWER], response_model=QueuesAnswer)
async def get_queues(server: ServerDep) -> Response:
    """Say how much waits in the outbox and in the mailbox."""
    async with server.pool.lease() as connection:
        outbox, mail = await standing(connection)
    return answer(QueuesAnswer(outbox=QueueAnswer.from_row(outbox), mail=QueueAnswer.from_row(mail)))

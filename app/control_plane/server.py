"""Everything that a process holds open, as one typed value."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.auth_server import server_of
from app.auth.mails import Mailer, mailer_by
from app.changes.turns import Turns
from app.data_plane.asgi import DataPlane
from app.data_plane.data_server import DataServer
from app.data_plane.run import Plane
from app.data_plane.seeing.recent import Recent
from app.definitions.project import EMPTY
from app.policy_tests.runner import Runner
from app.secrets.sealing import SealingKey


@dataclass(frozen=True)
class Server(DataServer):
    """What changes definitions, tests them, seals secrets, and serves and remembers requests."""

    engine: AsyncEngine
    turns: Turns
    tests: Runner
    sealing_key: SealingKey
    recent: Recent
    plane: Plane
    data_plane: DataPlane


ServerDep = Annotated[Server, Depends(server_of)]


def mailer_to_admins(server: Server) -> Mailer:
    """Give what writes mails to admins, also while no definitions are served."""
    project = server.live.runtime.project if server.live.ready else EMPTY
    return mailer_by(server.mailing, server.settings, project)

"""Everything that a process holds open, as one typed value."""

from dataclasses import dataclass, fields
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.auth_server import server_of
from app.auth.mails import Mailer, mailer_by
from app.changes.turns import Turns
from app.data_plane.data_server import DataServer
from app.data_plane.run import Plane
from app.data_plane.seeing.recent import Recent
from app.definitions.project import EMPTY
from app.isolation.proofs import Proofs
from app.policy_tests.runner import Runner
from app.store.engine import make_engine


@dataclass(frozen=True)
class Server(DataServer):
    """What changes definitions, tests and proves them."""

    engine: AsyncEngine
    turns: Turns
    tests: Runner
    proofs: Proofs

    @property
    def plane(self) -> Plane:
        """Give what requests are served by."""
        return self.data_plane.plane

    @property
    def recent(self) -> Recent:
        """Give what is remembered of requests."""
        return self.data_plane.recent


ServerDep = Annotated[Server, Depends(server_of)]


def server_on(open_: DataServer, database_url: str) -> Server:
    """Add to what a process holds open what the admin API needs; its engine keeps no connection open."""
    engine = make_engine(database_url)
    held = {one.name: getattr(open_, one.name) for one in fields(open_)}
    return Server(**held, engine=engine, turns=Turns(engine), tests=Runner(database_url), proofs=Proofs())


def mailer_to_admins(server: Server) -> Mailer:
    """Give what writes mails to admins, also while no definitions are served."""
    project = server.live.runtime.project if server.live.ready else EMPTY
    return mailer_by(server.mailing, server.settings, project)

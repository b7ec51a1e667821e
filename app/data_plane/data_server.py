"""What the routes that tell about the server share in a process, beside what sign-in does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from app.auth.auth_server import AuthServer, server_of
from app.compiler.runtime import Runtime
from app.data_plane.asgi import DataPlane
from app.data_plane.instances import Instance
from app.data_plane.reload import Live
from app.database.embedded import UpFlag
from app.limits.limiter import Limiter
from app.secrets.sealing import SealingKey


@dataclass(frozen=True)
class DataServer(AuthServer):
    """What is served and counted, as which `instance`; `embedded_up` says whether the embedded server runs, if any.

    `document` gives the OpenAPI document of what is served, as JSON.
    """

    live: Live
    limiter: Limiter
    embedded_up: UpFlag | None
    instance: Instance
    document: Callable[[Runtime], bytes]
    data_plane: DataPlane
    sealing_key: SealingKey


DataServerDep = Annotated[DataServer, Depends(server_of)]

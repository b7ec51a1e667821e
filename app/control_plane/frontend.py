"""What a frontend is to be told, for the admin who builds one."""

from fastapi import Response

from app.auth.admin_access import VIEWER
from app.auth.in_force import InForce
from app.control_plane.server import ServerDep
from app.http.fixed_routes import Declared, FixedRouter, answer

router = FixedRouter(tags=["about"])


class FrontendSettings(Declared):
    """What a frontend needs; `public_url` is null where none is set."""

    publishable_key: str
    public_url: str | None
    confirm_email: bool


@router.get("/settings", dependencies=[VIEWER], response_model=FrontendSettings)
async def get_settings(server: ServerDep) -> Response:
    """Give what a frontend needs, and whether a new account's address has to be confirmed."""
    settings = server.settings
    in_force = InForce(server.live.runtime.project.auth, settings)
    return answer(
        FrontendSettings(
            publishable_key=server.auth.publishable_key,
            public_url=settings.public_url,
            confirm_email=in_force.confirm_email,
        )
    )

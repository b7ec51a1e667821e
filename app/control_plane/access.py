"""The access matrix, for the admin who asks who gets in where."""

import asyncio
from typing import Any

from fastapi import Response

from app.auth.admin_access import VIEWER
from app.control_plane.document import active
from app.control_plane.findings import FindingAnswer
from app.control_plane.server import ServerDep
from app.http.fixed_routes import Declared, FixedRouter, answer
from app.review.doubts import stored_matrix

router = FixedRouter(tags=["seeing"])


class AccessAnswer(Declared):
    """Each endpoint and view with who gets in and through what, the hooks of sign-up, and the findings about them."""

    surface: list[dict[str, Any]]
    hooks: list[dict[str, Any]]
    findings: list[FindingAnswer]


@router.get("/access", dependencies=[VIEWER], response_model=AccessAnswer)
async def get_access(server: ServerDep) -> Response:
    """Give each endpoint and view that is served with who gets in and through what, and the findings about them."""
    _, stored = await active(server)
    return answer(await asyncio.to_thread(stored_matrix, stored))

"""The access matrix, for the admin who asks who gets in where."""

import asyncio

from fastapi import APIRouter, Request, Response

from app.auth.admin_access import VIEWER
from app.auth.routes.mounted import answer
from app.control_plane.document import active
from app.review.doubts import stored_matrix

router = APIRouter()


@router.get("/access", dependencies=[VIEWER])
async def get_access(request: Request) -> Response:
    """Give each endpoint and view that is served with who gets in and through what, and the findings about them."""
    _, stored = await active(request)
    return answer(await asyncio.to_thread(stored_matrix, stored))

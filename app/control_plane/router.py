"""All routes of /admin/v1."""

from fastapi import APIRouter

from app.auth.route_limits import RouteLimits
from app.control_plane import (
    access,
    admins,
    api_keys,
    document,
    outbox,
    policy_tests,
    requests,
    secrets,
    shadow,
    simulate,
    users,
)
from app.control_plane.definitions import definitions_router
from app.control_plane.sign_in import sign_in_router


def admin_router(limits: RouteLimits) -> APIRouter:
    """Give the routes of the admin API."""
    router = APIRouter(prefix="/admin/v1", include_in_schema=False)
    parts = (
        users, api_keys, admins, secrets, outbox, simulate, shadow, policy_tests, requests, access, document,
    )  # fmt: skip
    for part in (sign_in_router(limits), *(module.router for module in parts)):
        router.include_router(part)
    router.include_router(definitions_router())
    return router

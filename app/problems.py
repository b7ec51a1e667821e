"""Refusals on FastAPI's routes, in the one form that all refusals have."""

import logging
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.auth.route_limits import RateLimitExceeded, RouteLimited, retry_after
from app.auth.routes.gotrue_errors import error_members
from app.data_plane.rest.read import rest_problem
from app.data_plane.stages.accept import REST
from app.database.faults import translated
from app.errors import FieldError, RowgateError, problem_document
from app.http.fixed_routes import PROBLEM, InputInvalid
from app.http.json_answer import to_json
from app.http.overload import ServerOverloaded

_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_REST = REST.decode()
_AUTH, _TOKEN = "/auth/v1", "/auth/v1/token"
_HERE = "where the request's id stands"
_log = logging.getLogger("rowgate.requests")


class RouteNotFound(RowgateError):
    """There is nothing at this path."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.not_found"


class RouteMethodNotAllowed(RowgateError):
    """There is something at this path, for other methods."""

    status: ClassVar[int] = 405
    code: ClassVar[str] = "route.method_not_allowed"


class ServerFault(RowgateError):
    """A fault of ours; the log has it under the request's id."""


def problem(error: RowgateError, request: Request) -> Response:
    """Render a refusal as RFC 9457 has it, and for /auth/v1 with what GoTrue's clients read."""
    document = problem_document(error, request.state.request_id)
    if request.url.path.startswith(_AUTH):
        document |= error_members(error, request.url.path, document["detail"])
    return Response(to_json(document), error.status, error.headers, media_type=PROBLEM)


@cache
def _early(path: str) -> tuple[bytes, bytes]:
    """Give what stands before and behind the request's id in the answer to a request that isn't begun."""
    error = ServerOverloaded()
    document = rest_problem(error, _HERE) if path.startswith(_REST) else problem_document(error, _HERE)
    if path.startswith(_AUTH):
        document |= error_members(error, path, document["detail"])
    before, after = to_json(document).split(_HERE.encode())
    return before, after


def early_refusal(path: str, request_id: str) -> bytes:
    """Give the body for a request that isn't begun, in the form that its path has."""
    form = _REST if path.startswith(_REST) else path if path == _TOKEN else _AUTH if path.startswith(_AUTH) else ""
    before, after = _early(form)
    return before + request_id.encode() + after


def install_problems(app: FastAPI) -> None:
    """Make every refusal and fault of these routes a problem document."""

    def refused(request: Request, error: Exception) -> Response:
        return problem(_as_refusal(error), request)

    # Those of the database are named, since what is handled as an Exception is raised again once it is answered.
    for kind in (RowgateError, HTTPException, RequestValidationError, *_DATABASE, Exception):
        app.add_exception_handler(kind, refused)


def _as_refusal(error: Exception) -> RowgateError:
    if isinstance(error, RowgateError):
        return error
    if isinstance(error, RequestValidationError):
        errors = [FieldError(tuple(one["loc"]), "input.invalid", str(one["msg"])) for one in error.errors()]
        return InputInvalid("A part of the request is not what this route takes.", errors=errors)
    if isinstance(error, RateLimitExceeded):
        wait = {"Retry-After": str(retry_after(error))}
        return RouteLimited("Too many requests from this address.", headers=wait)
    if isinstance(error, HTTPException):
        return _of_http(error)
    found = translated(error) if isinstance(error, _DATABASE) else error
    if not isinstance(found, RowgateError) or found.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", exc_info=error)
    return found if isinstance(found, RowgateError) else ServerFault("The request failed.")


def _of_http(error: Any) -> RowgateError:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return RouteMethodNotAllowed("This method isn't allowed here.", headers=headers)
    return RouteNotFound("There is nothing here.")

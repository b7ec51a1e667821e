"""Refusals on FastAPI's routes, in the one form that all refusals have."""

import logging
import re
from http import HTTPStatus
from typing import ClassVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from app.auth.route_limits import RateLimitExceeded, RouteLimited, retry_after
from app.auth.routes.gotrue_errors import error_members
from app.data_plane.rest.dialect.codes import rest_body
from app.data_plane.stages.accept import REST
from app.database.faults import FAULTS, translated
from app.errors import FieldError, RowgateError, problem_document
from app.http.fixed_routes import PROBLEM, InputInvalid
from app.http.json_answer import to_json
from app.http.problem_body import Form, problem_body

_REST = REST.decode()
_AUTH, _TOKEN = "/auth/v1", "/auth/v1/token"
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


def early_refusal(error: RowgateError, path: str, request_id: str) -> bytes:
    """Give the body for a request that isn't begun, in the form that its path has."""
    if path.startswith(_REST):
        form: Form = rest_body
    else:
        form = _token_body if path == _TOKEN else _auth_body if path.startswith(_AUTH) else _body
    return problem_body(form, error, request_id)


def _body(error: RowgateError, request_id: str) -> bytes:
    return to_json(problem_document(error, request_id))


def _auth_body(error: RowgateError, request_id: str, path: str = _AUTH) -> bytes:
    document = problem_document(error, request_id)
    return to_json(document | error_members(error, path, document["detail"]))


def _token_body(error: RowgateError, request_id: str) -> bytes:
    return _auth_body(error, request_id, _TOKEN)


def install_problems(app: FastAPI) -> None:
    """Make every refusal and fault of an application's routes a problem document."""
    allowed = _Allowed(app)

    def refused(request: Request, error: Exception) -> Response:
        refusal = _as_refusal(error)
        if isinstance(refusal, RouteMethodNotAllowed):
            refusal.headers = {"Allow": allowed.at(request.url.path)}
        return problem(refusal, request)

    # Those of the database are named, since what is handled as an Exception is raised again once it is answered.
    for kind in (RowgateError, HTTPException, RequestValidationError, *FAULTS, Exception):
        app.add_exception_handler(kind, refused)


class _Allowed:
    """The methods of each path of an application: FastAPI would name those of one route of several."""

    def __init__(self, app: FastAPI) -> None:
        """Take the application, whose routes are read when they are first asked for, and again if there are more."""
        self._app = app
        self._count = 0
        self._paths: list[tuple[re.Pattern[str], str]] = []

    def at(self, path: str) -> str:
        """Name the methods of a path that is there."""
        if len(self._app.routes) != self._count:
            self._paths, self._count = self._read(), len(self._app.routes)
        return next((methods for pattern, methods in self._paths if pattern.match(path)), "")

    def _read(self) -> list[tuple[re.Pattern[str], str]]:
        """Read them from the routes, in the order in which they are tried."""
        methods: dict[str, set[str]] = {}
        for route in iter_route_contexts(self._app.routes):
            methods.setdefault(str(route.path), set()).update(route.methods or ())
        return [(compile_path(path)[0], ", ".join(sorted(found))) for path, found in methods.items()]


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
    found = translated(error) if isinstance(error, FAULTS) else error
    if not isinstance(found, RowgateError) or found.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", exc_info=error)
    return found if isinstance(found, RowgateError) else ServerFault("The request failed.")


def _of_http(error: HTTPException) -> RowgateError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return RouteMethodNotAllowed("This method isn't allowed here.")
    return RouteNotFound("There is nothing here.")

"""What the request of a policy test means: an endpoint, or something that is done through a view."""

import re
from dataclasses import dataclass
from typing import Literal

from app.compiler.paths import QUERY, MethodNotAllowed, NotFound, Router, view_action
from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.errors import near

_BRACES = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint by its name, or a view with what is done through it."""

    kind: Literal["endpoint", "view"]
    name: str
    action: str | None = None


def methods_by_name(endpoint: EndpointDef) -> list[str]:
    """Give the methods by which an endpoint is called by its name: its inputs are in the body, or in a GET's query."""
    return ["GET", "HEAD", "POST"] if endpoint.method == "GET" else ["POST"]


def served(project: Project, router: Router[str], method: str, path: str) -> Served:
    """Give what is served at a path without its query; raises NotFound, MethodNotAllowed or BadPath."""
    if path.startswith("/api/"):
        return Served("endpoint", router.match(method, path.removeprefix("/api").encode())[0])
    name = path.rpartition("/")[2]
    if path in (f"/rest/v1/rpc/{name}", f"/functions/v1/{name}"):
        endpoint = next((one for one in project.endpoints if one.name == name and not one.path_names), None)
        if endpoint is None:
            raise NotFound
        if method not in (allowed := methods_by_name(endpoint)):
            raise MethodNotAllowed(allowed)
        return Served("endpoint", name)
    view = next((one for one in project.views if path.removesuffix(f"/{QUERY}") == f"/rest/v1/{one.name}"), None)
    if view is None:
        raise NotFound
    return Served("view", view.name, view_action(view.allow, method, by_body=path.endswith(f"/{QUERY}")))


def path_hint(project: Project, path: str) -> str:
    """Name the path that is closest to one that isn't served, whatever stands in braces."""
    paths = [f"/api{endpoint.path}" for endpoint in project.endpoints]
    paths += [f"/rest/v1/{view.name}" for view in project.views]
    shapes = {_BRACES.sub("*", known): known for known in paths}
    hint = near(_BRACES.sub("*", path), shapes)
    if hint is None:
        return "paths begin with /api/, /rest/v1/ or /functions/v1/"
    return f"did you mean {shapes[hint.removeprefix('did you mean ').removesuffix('?')]}?"

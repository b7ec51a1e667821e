"""Roles, tables, views, middleware, endpoints and tests one by one: each edit is an edit of the project."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from fastapi import APIRouter, Request, Response

from app.auth.admin_access import VIEWER, Editor
from app.auth.routes.mounted import answer
from app.control_plane.document import (
    active,
    etag,
    expected_revision,
    make_live,
    options,
    parsed,
    read_document,
)
from app.control_plane.named import NotThere
from app.definitions.project import KINDS, dump_project
from app.definitions.stored import Stored
from app.errors import RowgateError


class NameTaken(RowgateError):
    """There is a definition of this kind and name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "definition.name_taken"

    def __init__(self, section: str) -> None:
        """Say of what kind."""
        super().__init__(f"There is a {KINDS[section]} of this name.", hint="PUT or PATCH changes it.")


class BodyNoDefinition(RowgateError):
    """The body is no object."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "definition.invalid"


@functools.cache
def definitions_router() -> APIRouter:
    """Give the routes of every kind."""
    router = APIRouter()
    for section in KINDS:
        _add(router, section)
    return router


def _add(router: APIRouter, section: str) -> None:
    """Add the routes of one kind."""

    @router.get(f"/{section}", dependencies=[VIEWER], name=f"list_{section}")
    async def list_all(request: Request) -> Response:
        revision, stored = await active(request)
        return _tagged(stored.listed(section), revision)

    @router.get(f"/{section}/{{name}}", dependencies=[VIEWER], name=f"get_{section}")
    async def get_one(request: Request, name: str) -> Response:
        revision, stored = await active(request)
        return _tagged(_one(stored.listed(section), section, name), revision)

    @router.post(f"/{section}", name=f"create_{section}", status_code=201)
    async def create(request: Request, admin: Editor) -> Response:
        body = await _body(request)
        name = body.get("name")
        revision, stored = await active(request)
        listed = stored.listed(section)
        if any(one["name"] == name for one in listed):
            raise NameTaken(section)
        return await _save(request, admin.actor, _Edit(stored, revision, section, [*listed, body], None, name, 201))

    @router.put(f"/{section}/{{name}}", name=f"put_{section}")
    async def put(request: Request, admin: Editor, name: str) -> Response:
        expected_revision(request, needed=True)
        return await _replace(request, admin.actor, section, name, merge=False)

    @router.patch(f"/{section}/{{name}}", name=f"patch_{section}")
    async def patch(request: Request, admin: Editor, name: str) -> Response:
        return await _replace(request, admin.actor, section, name, merge=True)

    @router.delete(f"/{section}/{{name}}", name=f"delete_{section}")
    async def delete(request: Request, admin: Editor, name: str) -> Response:
        expected_revision(request, needed=True)
        revision, stored = await active(request)
        listed = stored.listed(section)
        _one(listed, section, name)
        kept = [one for one in listed if one["name"] != name]
        return await _save(request, admin.actor, _Edit(stored, revision, section, kept, name, None))


@dataclass(frozen=True, slots=True)
class _Edit:
    """What is stored, as it was at a revision, with one section as it is to be.

    `before` is the name of the definition that is edited, and `name` of the one that the answer shows; None for none.
    """

    stored: Stored
    revision: int
    section: str
    listed: list[dict[str, Any]]
    before: str | None
    name: Any
    status: int = 200


async def _replace(request: Request, actor: str, section: str, name: str, *, merge: bool) -> Response:
    """Replace one definition; `merge` keeps the members that the body doesn't name. A new name renames."""
    body = await _body(request)
    revision, stored = await active(request)
    listed = stored.listed(section)
    before = _one(listed, section, name)
    after = {**before, **body} if merge else {"name": name, **body}
    if merge:
        after = {key: value for key, value in after.items() if value is not None}
    if after.get("name") != name:
        after["was"] = name
    changed = [after if one["name"] == name else one for one in listed]
    return await _save(request, actor, _Edit(stored, revision, section, changed, name, after.get("name")))


async def _body(request: Request) -> dict[str, Any]:
    body = await read_document(request)
    if not isinstance(body, dict):
        raise BodyNoDefinition("The body has to be one definition.")
    return body


def _one(listed: Sequence[dict[str, Any]], section: str, name: str) -> dict[str, Any]:
    for one in listed:
        if one["name"] == name:
            return one
    raise NotThere(KINDS[section])


async def _save(request: Request, actor: str, edit: _Edit) -> Response:
    """Apply the edited project; the answer is the definition as it now is, or the plan."""
    kind = KINDS[edit.section]
    # What else can't be read stays as it stands: each can be repaired by itself.
    keep = {(one.kind, one.name) for one in edit.stored.unread} - {(kind, edit.before)}
    if edit.name != edit.before and (kind, str(edit.name)) in keep:
        raise NameTaken(edit.section)
    listed = [one for one in edit.listed if (kind, str(one.get("name"))) not in keep]
    after = parsed({**dump_project(edit.stored.project), edit.section: listed})
    wanted = options(request)
    if wanted.expected is None:
        # What somebody else changed since we read it would be undone: then the edit is refused, and can be sent again.
        wanted = replace(wanted, expected=edit.revision)
    plan = await make_live(request, after, actor, wanted, keep=keep)
    if wanted.dry_run:
        return answer(plan.shown())
    if edit.name is None:
        return Response(status_code=204, headers=etag(plan.revision))
    revision, saved = await active(request)
    return _tagged(_one(saved.listed(edit.section), edit.section, str(edit.name)), revision, edit.status)


def _tagged(value: Any, revision: int, status: int = 200) -> Response:
    response = answer(value, status)
    response.headers.update(etag(revision))
    return response

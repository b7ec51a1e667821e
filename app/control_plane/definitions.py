"""Roles, tables, views, middleware, endpoints and tests one by one: each edit is an edit of the project."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict

from app.auth.admin_access import VIEWER, Editor
from app.changes.apply import CHANGE_REFUSALS
from app.control_plane.document import DocumentBody, Options, OptionsDep, PlanAnswer, active, make_live, parsed
from app.control_plane.etags import NeededETag, etag
from app.control_plane.named import NotThere
from app.control_plane.server import Server, ServerDep
from app.definitions.project import KINDS, dump_project
from app.definitions.stored import Stored
from app.errors import RowgateError
from app.http.fixed_routes import FixedRouter, answer, refuses


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


class NamedDefinition(BaseModel):
    """One definition, as its section of the document has it."""

    model_config = ConfigDict(extra="allow")

    name: str


class DefinitionPart(BaseModel):
    """What is to be changed of a definition, or the whole without its name, as its section of the document has it."""

    model_config = ConfigDict(extra="allow")


Saved = NamedDefinition | PlanAnswer  # the plan of a dry run
PLANNED: dict[int | str, dict[str, Any]] = {200: {"model": PlanAnswer, "description": "The plan of a dry run"}}


@cache
def definitions_router() -> FixedRouter:
    """Give the routes of every kind."""
    router = FixedRouter(tags=["definitions"])
    for section in KINDS:
        _add(router, section)
    return router


@refuses(BodyNoDefinition)
async def _definition(said: Annotated[Any, Depends(DocumentBody(NamedDefinition))]) -> dict[str, Any]:
    return _object(said)


@refuses(BodyNoDefinition)
async def _part(said: Annotated[Any, Depends(DocumentBody(DefinitionPart))]) -> dict[str, Any]:
    return _object(said)


def _object(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise BodyNoDefinition("The body has to be one definition.")
    return said


Said = Annotated[dict[str, Any], Depends(_definition)]
SaidPart = Annotated[dict[str, Any], Depends(_part)]


def _add(router: FixedRouter, section: str) -> None:
    """Add the routes of one kind."""

    @router.get(f"/{section}", dependencies=[VIEWER], name=f"list_{section}", response_model=list[NamedDefinition])
    async def list_all(server: ServerDep) -> Response:
        """List the definitions, in order."""
        revision, stored = await active(server)
        return answer(stored.listed(section), headers=etag(revision))

    @router.get(f"/{section}/{{name}}", dependencies=[VIEWER], name=f"get_{section}", response_model=NamedDefinition)
    @refuses(NotThere)
    async def get_one(server: ServerDep, name: str) -> Response:
        """Give one definition."""
        revision, stored = await active(server)
        return answer(_one(stored.listed(section), section, name), headers=etag(revision))

    @router.post(
        f"/{section}", name=f"create_{section}", status_code=201, response_model=NamedDefinition, responses=PLANNED
    )
    @refuses(NameTaken, *CHANGE_REFUSALS)
    async def create(server: ServerDep, admin: Editor, wanted: OptionsDep, body: Said) -> Response:
        """Make a definition."""
        name = body.get("name")
        revision, stored = await active(server)
        listed = stored.listed(section)
        if any(one["name"] == name for one in listed):
            raise NameTaken(section)
        edit = _Edit(stored, revision, section, [*listed, body], None, name, 201)
        return await _save(server, admin.actor, wanted, edit)

    @router.put(f"/{section}/{{name}}", name=f"put_{section}", response_model=Saved)
    @refuses(NotThere, NameTaken, *CHANGE_REFUSALS)
    async def put(
        server: ServerDep, admin: Editor, name: str, _etag: NeededETag, wanted: OptionsDep, body: SaidPart
    ) -> Response:
        """Replace a definition; another name renames it."""
        return await _replace(server, admin.actor, wanted, (section, name), body)

    @router.patch(f"/{section}/{{name}}", name=f"patch_{section}", response_model=Saved)
    @refuses(NotThere, NameTaken, *CHANGE_REFUSALS)
    async def patch(server: ServerDep, admin: Editor, name: str, wanted: OptionsDep, body: SaidPart) -> Response:
        """Change the members that the body names; null takes one away."""
        return await _replace(server, admin.actor, wanted, (section, name), body, merge=True)

    @router.delete(
        f"/{section}/{{name}}", name=f"delete_{section}", status_code=204,
        responses=PLANNED,
    )  # fmt: skip
    @refuses(NotThere, *CHANGE_REFUSALS)
    async def delete(server: ServerDep, admin: Editor, name: str, _etag: NeededETag, wanted: OptionsDep) -> Response:
        """Take a definition away."""
        revision, stored = await active(server)
        listed = stored.listed(section)
        _one(listed, section, name)
        kept = [one for one in listed if one["name"] != name]
        return await _save(server, admin.actor, wanted, _Edit(stored, revision, section, kept, name, None))


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


async def _replace(
    server: Server, actor: str, wanted: Options, named: tuple[str, str], body: dict[str, Any], *, merge: bool = False
) -> Response:
    """Replace one definition; `merge` keeps the members that the body doesn't name. A new name renames."""
    section, name = named
    revision, stored = await active(server)
    listed = stored.listed(section)
    before = _one(listed, section, name)
    after = {**before, **body} if merge else {"name": name, **body}
    if merge:
        after = {key: value for key, value in after.items() if value is not None}
    if after.get("name") != name:
        after["was"] = name
    changed = [after if one["name"] == name else one for one in listed]
    return await _save(server, actor, wanted, _Edit(stored, revision, section, changed, name, after.get("name")))


def _one(listed: Sequence[dict[str, Any]], section: str, name: str) -> dict[str, Any]:
    for one in listed:
        if one["name"] == name:
            return one
    raise NotThere(KINDS[section])


async def _save(server: Server, actor: str, wanted: Options, edit: _Edit) -> Response:
    """Apply the edited project; the answer is the definition as it now is, or the plan."""
    kind = KINDS[edit.section]
    # What else can't be read stays as it stands: each can be repaired by itself.
    keep = {(one.kind, one.name) for one in edit.stored.unread} - {(kind, edit.before)}
    if edit.name != edit.before and (kind, str(edit.name)) in keep:
        raise NameTaken(edit.section)
    listed = [one for one in edit.listed if (kind, str(one.get("name"))) not in keep]
    after = await parsed({**dump_project(edit.stored.project), edit.section: listed})
    if wanted.expected is None:
        # What somebody else changed since we read it would be undone: then the edit is refused, and can be sent again.
        wanted = replace(wanted, expected=edit.revision)
    plan = await make_live(server, after, actor, wanted, keep=keep)
    if wanted.dry_run:
        return answer(plan.shown())
    if edit.name is None:
        return Response(status_code=204, headers=etag(plan.revision))
    revision, saved = await active(server)
    return answer(_one(saved.listed(edit.section), edit.section, str(edit.name)), edit.status, etag(revision))

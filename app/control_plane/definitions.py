"""Roles, tables, views, columns of users and so on, one by one: each edit is an edit of the project."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict

from app.auth.admin_access import VIEWER, Editor
from app.changes.apply import CHANGE_REFUSALS
from app.control_plane.document import (
    DocumentBody,
    Edit,
    Edited,
    EffectAnswer,
    Made,
    Options,
    OptionsDep,
    PlanAnswer,
    active,
    make_live,
    parsed,
)
from app.control_plane.etags import NeededETag, etag
from app.control_plane.named import NotThere
from app.control_plane.server import Server, ServerDep
from app.definitions.project import KINDS, DefinitionInvalid, dump_definition
from app.definitions.stored import Stored
from app.errors import RowgateError
from app.http.fixed_routes import FixedRouter, answer, refuses

COLUMNS = "users/columns"
CALLED = {**KINDS, COLUMNS: "column"}  # each section that has routes, and what one definition of it is


class NameTaken(RowgateError):
    """There is a definition of this kind and name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "definition.name_taken"

    def __init__(self, section: str) -> None:
        """Say of what kind."""
        super().__init__(f"There is a {CALLED[section]} of this name.", hint="PUT or PATCH changes it.")


class BodyNoDefinition(RowgateError):
    """The body is no object."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "definition.invalid"


class NamedDefinition(BaseModel):
    """One definition, as its section of the document has it."""

    model_config = ConfigDict(extra="allow")

    name: str


class NewDefinition(NamedDefinition):
    """A definition that was made; of an endpoint, view or role also whom it lets in."""

    effects: list[EffectAnswer] = []


class DefinitionPart(BaseModel):
    """What is to be changed of a definition, or the whole without its name, as its section of the document has it."""

    model_config = ConfigDict(extra="allow")


_OPENING = frozenset({"endpoints", "views", "roles"})
Saved = NamedDefinition | PlanAnswer  # the plan of a dry run
PLANNED: dict[int | str, dict[str, Any]] = {200: {"model": PlanAnswer, "description": "The plan of a dry run"}}


@cache
def definitions_router() -> FixedRouter:
    """Give the routes of every kind."""
    router = FixedRouter(tags=["definitions"])
    for section in CALLED:
        _add(router, section)
    return router


@refuses(BodyNoDefinition)
async def _definition(said: Annotated[Any, Depends(DocumentBody(NamedDefinition))]) -> dict[str, object]:
    return _object(said)


@refuses(BodyNoDefinition)
async def _part(said: Annotated[Any, Depends(DocumentBody(DefinitionPart))]) -> dict[str, object]:
    return _object(said)


def _object(said: Any) -> dict[str, object]:
    if not isinstance(said, dict):
        raise BodyNoDefinition("The body has to be one definition.")
    return said


Said = Annotated[dict[str, Any], Depends(_definition)]
SaidPart = Annotated[dict[str, Any], Depends(_part)]


def _add(router: FixedRouter, section: str) -> None:
    """Add the routes of one kind."""
    called = section.replace("/", "_")
    unread = (DefinitionInvalid,) if section == COLUMNS else ()

    @router.get(f"/{section}", dependencies=[VIEWER], name=f"list_{called}", response_model=list[NamedDefinition])
    @refuses(*unread)
    async def list_all(server: ServerDep) -> Response:
        """List the definitions, in order."""
        revision, stored = await active(server)
        return answer(_listed(stored, section), headers=etag(revision))

    @router.get(f"/{section}/{{name}}", dependencies=[VIEWER], name=f"get_{called}", response_model=NamedDefinition)
    @refuses(NotThere, *unread)
    async def get_one(server: ServerDep, name: str) -> Response:
        """Give one definition."""
        revision, stored = await active(server)
        return answer(_one(_listed(stored, section), section, name), headers=etag(revision))

    @router.post(
        f"/{section}", name=f"create_{called}", status_code=201, response_model=NewDefinition, responses=PLANNED
    )
    @refuses(NameTaken, *CHANGE_REFUSALS)
    async def create(server: ServerDep, admin: Editor, wanted: OptionsDep, body: Said) -> Response:
        """Make a definition; what it opens is new, and told in its answer."""
        made = await make_live(server, _addition(section, body), admin.actor, wanted)
        return _answered(made, section, body["name"], new=True)

    @router.put(f"/{section}/{{name}}", name=f"put_{called}", response_model=Saved)
    @refuses(NotThere, NameTaken, *CHANGE_REFUSALS)
    async def put(
        server: ServerDep, admin: Editor, name: str, _etag: NeededETag, wanted: OptionsDep, body: SaidPart
    ) -> Response:
        """Replace a definition; another name renames it."""
        return await _replace(server, admin.actor, wanted, (section, name), body)

    @router.patch(f"/{section}/{{name}}", name=f"patch_{called}", response_model=Saved)
    @refuses(NotThere, NameTaken, *CHANGE_REFUSALS)
    async def patch(server: ServerDep, admin: Editor, name: str, wanted: OptionsDep, body: SaidPart) -> Response:
        """Change the members that the body names; null takes one away."""
        return await _replace(server, admin.actor, wanted, (section, name), body, merge=True)

    @router.delete(
        f"/{section}/{{name}}", name=f"delete_{called}", status_code=204,
        responses=PLANNED,
    )  # fmt: skip
    @refuses(NotThere, *CHANGE_REFUSALS)
    async def delete(server: ServerDep, admin: Editor, name: str, _etag: NeededETag, wanted: OptionsDep) -> Response:
        """Take a definition away."""
        made = await make_live(server, _removal(section, name), admin.actor, wanted)
        return _answered(made, section, None)


async def _replace(
    server: Server, actor: str, wanted: Options, named: tuple[str, str], body: dict[str, Any], *, merge: bool = False
) -> Response:
    """Replace one definition; `merge` keeps the members that the body doesn't name. A new name renames."""
    section, name = named
    made = await make_live(server, _replacement(section, name, body, merge=merge), actor, wanted)
    return _answered(made, section, body.get("name", name))


def _answered(made: Made, section: str, name: str | None, *, new: bool = False) -> Response:
    """Answer with the definition as it now is, None for one that is gone; or with the plan of a dry run."""
    if made.plan.revision is None:
        return answer(made.plan.shown())
    if name is None:
        return Response(status_code=204, headers=made.headers)
    shown = _one(_listed(Stored(made.project), section), section, name)
    opens = new and section in _OPENING
    more = {"effects": [effect.shown() for effect in made.plan.effects]} if opens else {}
    return answer({**shown, **more}, 201 if new else 200, made.headers)


def _addition(section: str, body: dict[str, Any]) -> Edit:
    """Give the edit that adds a definition."""

    def edit(stored: Stored) -> Edited:
        listed, name = _listed(stored, section), body.get("name")
        if any(one["name"] == name for one in listed):
            raise NameTaken(section)
        return _edited(stored, section, [*listed, body], None, name)

    return edit


def _replacement(section: str, name: str, body: dict[str, Any], *, merge: bool) -> Edit:
    """Give the edit that changes a definition."""

    def edit(stored: Stored) -> Edited:
        listed = _listed(stored, section)
        before = _one(listed, section, name)
        after = {**before, **body} if merge else {"name": name, **body}
        if merge:
            after = {key: value for key, value in after.items() if value is not None}
        if after.get("name") != name:
            after["was"] = name
        changed = [after if one["name"] == name else one for one in listed]
        return _edited(stored, section, changed, name, after.get("name"))

    return edit


def _removal(section: str, name: str) -> Edit:
    """Give the edit that takes a definition away."""

    def edit(stored: Stored) -> Edited:
        listed = _listed(stored, section)
        _one(listed, section, name)
        return _edited(stored, section, [one for one in listed if one["name"] != name], name, None)

    return edit


def _edited(stored: Stored, section: str, listed: list[dict[str, Any]], before: str | None, name: object) -> Edited:
    """Give what is stored with one section as it is to be.

    `before` is the name of the definition that is edited, and `name` of what it becomes; None for none.
    """
    kind = CALLED[section]
    # What else can't be read stays as it stands: each can be repaired by itself.
    keep = {(one.kind, one.name) for one in stored.unread} - {(kind, before)}
    if name != before and (kind, str(name)) in keep:
        raise NameTaken(section)
    sound = [one for one in listed if (kind, str(one.get("name"))) not in keep]
    part: dict[str, Any] = {section: sound}
    if section == COLUMNS:
        part = {"users": {**dump_definition(stored.project.users), "columns": sound}}
    return Edited(parsed({"rowgate": 1, **part}, within=stored.project), keep)


def _listed(stored: Stored, section: str) -> list[dict[str, Any]]:
    """Give the definitions of a section; raises DefinitionInvalid where that of users can't be read for its columns."""
    if section != COLUMNS:
        return stored.listed(section)
    if unread := [one for one in stored.unread if one.kind == "users"]:
        raise DefinitionInvalid([finding for one in unread for finding in one.findings])
    return [dump_definition(one) for one in stored.project.users.columns]


def _one(listed: Sequence[dict[str, Any]], section: str, name: str) -> dict[str, object]:
    for one in listed:
        if one["name"] == name:
            return one
    raise NotThere(CALLED[section])

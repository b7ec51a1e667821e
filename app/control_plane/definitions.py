"""Roles, tables, views, middleware, endpoints and tests one by one: each edit is an edit of the project."""

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
from app.definitions.project import KINDS
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
        f"/{section}", name=f"create_{section}", status_code=201, response_model=NewDefinition, responses=PLANNED
    )
    @refuses(NameTaken, *CHANGE_REFUSALS)
    async def create(server: ServerDep, admin: Editor, wanted: OptionsDep, body: Said) -> Response:
        """Make a definition; what it opens is new, and told in its answer."""
        made = await make_live(server, _addition(section, body), admin.actor, wanted)
        return _answered(made, section, body["name"], new=True)

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
    shown = _one(Stored(made.project).listed(section), section, name)
    opens = new and section in _OPENING
    more = {"effects": [effect.shown() for effect in made.plan.effects]} if opens else {}
    return answer({**shown, **more}, 201 if new else 200, made.headers)


def _addition(section: str, body: dict[str, Any]) -> Edit:
    """Give the edit that adds a definition."""

    def edit(stored: Stored) -> Edited:
        listed, name = stored.listed(section), body.get("name")
        if any(one["name"] == name for one in listed):
            raise NameTaken(section)
        return _edited(stored, section, [*listed, body], None, name)

    return edit


def _replacement(section: str, name: str, body: dict[str, Any], *, merge: bool) -> Edit:
    """Give the edit that changes a definition."""

    def edit(stored: Stored) -> Edited:
        listed = stored.listed(section)
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
        listed = stored.listed(section)
        _one(listed, section, name)
        return _edited(stored, section, [one for one in listed if one["name"] != name], name, None)

    return edit


def _edited(stored: Stored, section: str, listed: list[dict[str, Any]], before: str | None, name: Any) -> Edited:
    """Give what is stored with one section as it is to be.

    `before` is the name of the definition that is edited, and `name` of what it becomes; None for none.
    """
    kind = KINDS[section]
    # What else can't be read stays as it stands: each can be repaired by itself.
    keep = {(one.kind, one.name) for one in stored.unread} - {(kind, before)}
    if name != before and (kind, str(name)) in keep:
        raise NameTaken(section)
    sound = [one for one in listed if (kind, str(one.get("name"))) not in keep]
    return Edited(parsed({"rowgate": 1, section: sound}, within=stored.project), keep)


def _one(listed: Sequence[dict[str, Any]], section: str, name: str) -> dict[str, Any]:
    for one in listed:
        if one["name"] == name:
            return one
    raise NotThere(KINDS[section])

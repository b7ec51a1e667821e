"""Secrets: written here, sent by `http` steps, and given back to nobody."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from app.audit.writing import audit
from app.auth.admin_access import EDITOR, Editor
from app.auth.routes.body import Body, read
from app.auth.routes.mounted import answer
from app.control_plane.document import ETagNeeded
from app.control_plane.named import NotThere
from app.errors import RowgateError
from app.outward.hosts import read_host
from app.secrets.sealed import SHOWN, SecretSaid, change_secret, create_secret, load_secrets

router = APIRouter()
_TITLES = f"SELECT {SHOWN} FROM rowgate.secrets"


class SecretChanged(RowgateError):
    """The secret was changed since the ETag was given."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "secrets.changed"


def _host(text: str) -> str:
    read_host(text)
    return text.lower()


Host = Annotated[str, AfterValidator(_host)]
Hosts = Annotated[list[Host], Field(min_length=1, max_length=100)]
SecretValue = Annotated[str, StringConstraints(min_length=1, max_length=32_768)]
Description = Annotated[str, StringConstraints(max_length=1000)]


class SecretChangeBody(Body):
    """What changes of a secret."""

    value: SecretValue | None = None
    hosts: Hosts | None = None
    description: Description | None = None


class SecretContentBody(Body):
    """A secret's text and the hosts that it may be sent to."""

    value: SecretValue
    hosts: Hosts
    description: Description | None = None


class SecretBody(SecretContentBody):
    """A new secret."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]


def _shown(row: Any, status: int = 200) -> Response:
    response = answer({key: item for key, item in dict(row).items() if key != "version"}, status)
    response.headers["ETag"] = f'"{row["version"]}"'
    return response


@router.get("/secrets", dependencies=[EDITOR])
async def list_secrets(request: Request) -> Response:
    """List the names of secrets, and what else is known of them; their values are nowhere to be had."""
    async with request.app.state.pool.lease() as connection:
        rows = await connection.fetch(f"{_TITLES} ORDER BY name")
    return answer([{key: item for key, item in dict(row).items() if key != "version"} for row in rows])


@router.get("/secrets/{name}", dependencies=[EDITOR])
async def get_secret(request: Request, name: str) -> Response:
    """Give what is known of a secret, without its value, with an ETag that every change changes."""
    async with request.app.state.pool.lease() as connection:
        row = await connection.fetchrow(f"{_TITLES} WHERE name = $1", name)
    if row is None:
        raise NotThere("secret")
    return _shown(row)


@router.post("/secrets", status_code=201)
async def post_secret(request: Request, admin: Editor) -> Response:
    """Keep a new secret."""
    body = await read(request, SecretBody)
    said = SecretSaid(body.name, body.value, tuple(body.hosts), body.description)
    state = request.app.state
    async with state.pool.lease() as connection, connection.transaction():
        row = await create_secret(connection, state.sealing_key, said)
        await audit(connection, admin.actor, "secret.create", said.name, {"hosts": list(said.hosts)})
    return _shown(row, 201)


@router.put("/secrets/{name}")
async def put_secret(request: Request, admin: Editor, name: str) -> Response:
    """Replace a secret."""
    _if_match(request, needed=True)
    body = await read(request, SecretContentBody)
    return await _change(request, admin.actor, SecretSaid(name, body.value, tuple(body.hosts), body.description))


@router.patch("/secrets/{name}")
async def patch_secret(request: Request, admin: Editor, name: str) -> Response:
    """Change what the body names of a secret."""
    body = await read(request, SecretChangeBody)
    async with request.app.state.pool.lease() as connection, connection.transaction():
        before = await _held(request, connection, name)
        known = await load_secrets(connection, request.app.state.sealing_key, [name])
        said = SecretSaid(name, known[name].value, known[name].hosts, before["description"])
        given = {key: item for key, item in body.model_dump(exclude_unset=True).items() if item is not None}
        if "hosts" in given:
            given["hosts"] = tuple(given["hosts"])
        return _shown(await _changed(request, connection, admin.actor, replace(said, **given)))


async def _change(request: Request, actor: str, said: SecretSaid) -> Response:
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await _held(request, connection, said.name)
        return _shown(await _changed(request, connection, actor, said))


async def _changed(request: Request, connection: Any, actor: str, said: SecretSaid) -> Any:
    row = await change_secret(connection, request.app.state.sealing_key, said)
    await audit(connection, actor, "secret.change", said.name, {"hosts": list(said.hosts)})
    return row


@router.delete("/secrets/{name}", status_code=204)
async def delete_secret(request: Request, admin: Editor, name: str) -> Response:
    """Forget a secret; a step that needs it refuses from then on."""
    _if_match(request, needed=True)
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await _held(request, connection, name)
        await connection.execute("DELETE FROM rowgate.secrets WHERE name = $1", name)
        await audit(connection, admin.actor, "secret.delete", name)
    return Response(status_code=204)


def _if_match(request: Request, *, needed: bool = False) -> str:
    given = request.headers.get("if-match")
    if given is None and needed:
        raise ETagNeeded("This needs If-Match.", hint="Read it first, and send its ETag as If-Match.")
    return (given or "*").strip().removeprefix("W/").strip('"')


async def _held(request: Request, connection: Any, name: str) -> Any:
    """Lock a secret until the transaction ends; raises NotThere, or SecretChanged by If-Match."""
    row = await connection.fetchrow(f"{_TITLES} WHERE name = $1 FOR UPDATE", name)
    if row is None:
        raise NotThere("secret")
    if _if_match(request) not in {"*", str(row["version"])}:
        raise SecretChanged("Somebody has changed this secret meanwhile.", hint="Read it again, and send its new ETag.")
    return row

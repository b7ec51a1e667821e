"""Secrets: written here, sent by `http` steps, and given back to nobody."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import Depends, Response
from pydantic import AfterValidator, Field, StringConstraints

from app.audit.writing import audit
from app.auth.admin_access import EDITOR, Editor
from app.control_plane.etags import IfMatch, NeededETag, etag, version_in
from app.control_plane.named import NotThere
from app.control_plane.server import Server, ServerDep
from app.database.connection import Connection
from app.definitions.secret_names import NAMED_LIKE
from app.errors import RowgateError
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, NameInPath, answer, refuses
from app.outward.hosts import read_host
from app.secrets.kept_secrets import (
    SecretExists,
    SecretSaid,
    all_secrets,
    change_secret,
    create_secret,
    drop_secret,
    secret_named,
)
from app.secrets.sealed import load_secrets
from app.store.rows import SecretRow

router = FixedRouter(tags=["secrets"])


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

    name: Annotated[str, StringConstraints(pattern=NAMED_LIKE)]


class SecretAnswer(Declared):
    """What is known of a secret, without its value."""

    name: str
    hosts: list[str]
    description: str | None
    created_at: datetime
    updated_at: datetime


def _answer(row: SecretRow, status: int = 200) -> Response:
    return answer(SecretAnswer.from_row(row), status, etag(row.version))


@router.get("/secrets", dependencies=[EDITOR], response_model=list[SecretAnswer])
async def list_secrets(server: ServerDep) -> Response:
    """List the names of secrets, and what else is known of them; their values are nowhere to be had."""
    async with server.pool.lease() as connection:
        return answer([SecretAnswer.from_row(row) for row in await all_secrets(connection)])


@router.get("/secrets/{name}", dependencies=[EDITOR], response_model=SecretAnswer)
@refuses(NotThere)
async def get_secret(server: ServerDep, name: NameInPath) -> Response:
    """Give what is known of a secret, without its value, with an ETag that every change changes."""
    async with server.pool.lease() as connection:
        row = await secret_named(connection, name)
    if row is None:
        raise NotThere("secret")
    return _answer(row)


@router.post("/secrets", status_code=201, response_model=SecretAnswer)
@refuses(SecretExists)
async def post_secret(
    server: ServerDep, admin: Editor, body: Annotated[SecretBody, Depends(JsonBody(SecretBody))]
) -> Response:
    """Keep a new secret."""
    said = SecretSaid(body.name, body.value, tuple(body.hosts), body.description)
    async with server.pool.lease() as connection, connection.transaction():
        row = await create_secret(connection, server.sealing_key, said)
        await audit(connection, admin.actor, "secret.create", said.name, {"hosts": list(said.hosts)})
    return _answer(row, 201)


@router.put("/secrets/{name}", response_model=SecretAnswer)
@refuses(NotThere, SecretChanged)
async def put_secret(
    server: ServerDep,
    admin: Editor,
    name: NameInPath,
    if_match: NeededETag,
    body: Annotated[SecretContentBody, Depends(JsonBody(SecretContentBody))],
) -> Response:
    """Replace a secret."""
    said = SecretSaid(name, body.value, tuple(body.hosts), body.description)
    async with server.pool.lease() as connection, connection.transaction():
        await _held(connection, name, if_match)
        return _answer(await _changed(server, connection, admin.actor, said))


@router.patch("/secrets/{name}", response_model=SecretAnswer)
@refuses(NotThere, SecretChanged)
async def patch_secret(
    server: ServerDep,
    admin: Editor,
    name: NameInPath,
    body: Annotated[SecretChangeBody, Depends(JsonBody(SecretChangeBody))],
    if_match: IfMatch = None,
) -> Response:
    """Change what the body names of a secret."""
    async with server.pool.lease() as connection, connection.transaction():
        before = await _held(connection, name, if_match)
        known = await load_secrets(connection, server.sealing_key, [name])
        said = SecretSaid(name, known[name].value, known[name].hosts, before.description)
        given = {key: item for key, item in body.model_dump(exclude_unset=True).items() if item is not None}
        if "hosts" in given:
            given["hosts"] = tuple(given["hosts"])
        return _answer(await _changed(server, connection, admin.actor, replace(said, **given)))


async def _changed(server: Server, connection: Connection, actor: str, said: SecretSaid) -> SecretRow:
    row = await change_secret(connection, server.sealing_key, said)
    await audit(connection, actor, "secret.change", said.name, {"hosts": list(said.hosts)})
    return row


@router.delete("/secrets/{name}", status_code=204)
@refuses(NotThere, SecretChanged)
async def delete_secret(server: ServerDep, admin: Editor, name: NameInPath, if_match: NeededETag) -> Response:
    """Forget a secret; a step that needs it refuses from then on."""
    async with server.pool.lease() as connection, connection.transaction():
        await _held(connection, name, if_match)
        await drop_secret(connection, name)
        await audit(connection, admin.actor, "secret.delete", name)
    return Response(status_code=204)


async def _held(connection: Connection, name: str, if_match: str | None) -> SecretRow:
    """Lock a secret until the transaction ends; raises NotThere, or SecretChanged by If-Match."""
    row = await secret_named(connection, name, hold=True)
    if row is None:
        raise NotThere("secret")
    if version_in(if_match) not in {"*", str(row.version)}:
        raise SecretChanged("Somebody has changed this secret meanwhile.", hint="Read it again, and send its new ETag.")
    return row

"""`rowgate keys`: the publishable key, and which API keys there are."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import typer

from app.cli.options import AsJson, Key, Url, server_of

if TYPE_CHECKING:
    from app.cli.server_client import RemoteServer
    from app.settings import Settings


def keys(url: Url = None, key: Key = None, *, as_json: AsJson = False) -> None:
    """Print the publishable key, and what is known of the API keys that weren't revoked."""
    server = server_of(url, key)
    found = _stored() if server is None else asked(server)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else told(found))


def _stored() -> dict[str, Any]:
    from app.cli.database import database
    from app.settings import load_settings

    settings = load_settings()
    with database(settings) as url:
        return asyncio.run(stored(settings, url))


async def stored(settings: "Settings", url: str) -> dict[str, Any]:
    """Give the keys of the database at `url`."""
    from app.auth.managed_keys import all_keys
    from app.auth.start import publishable_key
    from app.control_plane.api_keys import KeyAnswer
    from app.database.pool import connected
    from app.http.json_answer import to_json
    from app.store.migrate import migrate

    await migrate(url)
    async with connected(url) as connection:
        listed = json.loads(to_json([KeyAnswer.from_row(one).model_dump() for one in await all_keys(connection)]))
        return _holding(await publishable_key(connection, settings), listed)


def asked(server: "RemoteServer") -> dict[str, Any]:
    """Give the keys of a running server."""
    publishable = server.ask("GET", "/settings").document()["publishable_key"]
    return _holding(publishable, json.loads(server.ask("GET", "/api-keys").body))


def _holding(publishable: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"publishable_key": publishable, "api_keys": [one for one in listed if one.pop("revoked_at") is None]}


def told(found: dict[str, Any]) -> str:
    """Say them, a line a key."""
    lines = [f"The publishable key, for frontends: {found['publishable_key']}"]
    if not found["api_keys"]:
        return "\n".join([*lines, "There are no API keys."])
    return "\n".join([*lines, "API keys, which were shown when they were made:", *map(_line, found["api_keys"])])


def _line(key: dict[str, Any]) -> str:
    may = [f"admin role {key['admin_role']}"] if key["admin_role"] else []
    may += [f"roles {', '.join(key['roles'])}"] if key["roles"] else []
    until = f", until {key['expires_at']}" if key["expires_at"] else ""
    return f"- {key['name']}: {' and '.join(may) or 'no roles'}{until}"

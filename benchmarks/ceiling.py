"""Python's ceiling: raw ASGI and asyncpg, JSON made by Postgres, verified tokens and connections in plain lists."""

import asyncio
import json
import os
from typing import Any

import asyncpg
from jose import jwt

SECRET = bytes.fromhex(os.environ["BENCH_SECRET"])
_SHOWN = "id, title, amount, status, created_at"
_ALL = "id, owner_user_id, title, amount, status, created_at, updated_at"
_MINE = (
    f"SELECT coalesce(json_agg(p), '[]')::text FROM (SELECT {_SHOWN} FROM data.documents"
    " WHERE owner_user_id = $1 ORDER BY created_at DESC LIMIT 20) p"
)
_ONE = f"SELECT row_to_json(d)::text, d.owner_user_id FROM (SELECT {_ALL} FROM data.documents WHERE id = $1) d"
_NEW = f"""WITH d AS (INSERT INTO data.documents (owner_user_id, title, amount) VALUES ($1, $2, $3::text::numeric)
 RETURNING {_ALL}) SELECT row_to_json(d)::text FROM d"""
_HELD = "SELECT owner_user_id FROM data.documents WHERE id = $1 FOR UPDATE"
_SUBMIT = f"""WITH d AS (UPDATE data.documents SET status = 'submitted' WHERE id = $1 RETURNING {_ALL})
 SELECT row_to_json(d)::text FROM d"""
_JSON = [(b"content-type", b"application/json")]
_idle: list[Any] = []
_tokens: dict[str, str] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    status, body = await _answer(scope, receive)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_JSON, length]})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            for _ in range(10):
                connection = await asyncpg.connect(os.environ["BENCH_URL"])
                await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)
                _idle.append(connection)
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return


def _user(scope: Any) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            token = value[7:].decode()
            if token not in _tokens:
                _tokens[token] = jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated")["sub"]
            return _tokens[token]
    return None


async def _answer(scope: Any, receive: Any) -> tuple[int, bytes]:
    user = _user(scope)
    if user is None:
        return 401, b'{"detail":"Not authenticated"}'
    path, method = scope["path"], scope["method"]
    while not _idle:  # noqa: ASYNC110 - more callers than connections wait for the next turn of the loop
        await asyncio.sleep(0)
    connection = _idle.pop()
    try:
        if path == "/my_documents":
            return 200, (await connection.fetchval(_MINE, user)).encode()
        if method == "GET":
            row = await connection.fetchrow(_ONE, path[11:])
            return (200, row[0].encode()) if row[1] == user else (403, b"{}")
        if path == "/documents":
            body = json.loads((await receive())["body"])
            if not 1 <= len(body["title"]) <= 200 or body["amount"] < 0:
                return 422, b"{}"
            return 201, (await connection.fetchval(_NEW, user, body["title"], str(body["amount"]))).encode()
        document = path[11:-7]
        async with connection.transaction():
            if await connection.fetchval(_HELD, document) != user:
                return 403, b"{}"
            return 200, (await connection.fetchval(_SUBMIT, document)).encode()
    finally:
        _idle.append(connection)

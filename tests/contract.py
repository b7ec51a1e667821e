"""Holds what the fixed routes answer in any test against their OpenAPI documents: each status, code and member."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

from app.control_plane.router import admin_document
from app.data_plane.described.openapi import fixed_document

Json = dict[str, Any]


@cache
def operations() -> list[tuple[str, re.Pattern[str], Json, Json]]:
    """Give each operation of both documents: its method, a pattern of its paths, itself and its document."""
    found = []
    for document in (fixed_document(), admin_document()):
        for path, methods in document["paths"].items():
            pattern = re.compile(
                "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/"))
            )
            found += [(method.upper(), pattern, operation, document) for method, operation in methods.items()]
    return found


def said_of(operation: Json, status: int) -> Json | None:
    """Give what an operation says of a status, by itself or with all that begin alike."""
    said: Json | None = operation["responses"].get(str(status)) or operation["responses"].get(f"{status // 100}XX")
    return said


@cache
def validator(method: str, pattern: str, status: int, kind: str) -> Draft202012Validator:
    """Compile the schema of an answer that is told, once."""
    _, _, operation, document = next(one for one in operations() if (one[0], one[1].pattern) == (method, pattern))
    said = said_of(operation, status) or {}
    return Draft202012Validator({**said["content"][kind].get("schema", {}), "components": document["components"]})


@lru_cache(maxsize=1000)
def documented(method: str, path: str) -> tuple[re.Pattern[str], Json] | None:
    """Give the operation of a path, and the pattern of its paths; None where there is no such route."""
    listed = [one for one in operations() if one[0] == method and one[1].fullmatch(path)]
    exact = [one for one in listed if one[1].pattern == re.escape(path)] or listed
    return exact[0][1:3] if exact else None


def undocumented(method: str, path: str, answer: httpx.Response) -> str | None:
    """Say what of an answer its document doesn't tell; None where all is told, or where there is no such route."""
    found = documented(method, path)
    if found is None:
        return None
    pattern, operation = found
    said = said_of(operation, answer.status_code)
    where = f"{method} {path}: {answer.status_code}"
    if said is None:
        return f"{where} stands nowhere: {answer.text[:500]}"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.content:
        return None if answer.status_code in {204, 303, 304} else f"{where} has no body"
    content = said.get("content", {}).get(kind)
    if content is None:
        return f"{where} is {kind}, and was to be one of {sorted(said.get('content', {}))}"
    if "json" not in kind:
        return None
    wrong = validator(method, pattern.pattern, answer.status_code, kind).iter_errors(answer.json())
    errors = [f"{one.instance_path} {one.message[:300]}" for one in wrong]
    return f"{where}: {errors} of {answer.text[:500]}" if errors else None


@contextmanager
def out_of_order(client: httpx.AsyncClient) -> Iterator[None]:
    """Let a client answer what no document tells, while a test has broken the server on purpose."""
    client.event_hooks, hooks = {}, client.event_hooks
    try:
        yield
    finally:
        client.event_hooks = hooks


async def hold_to_contract(answer: httpx.Response) -> None:
    """Fail the test whose answer isn't documented."""
    await answer.aread()
    request = answer.request
    path = request.url.path
    if path.startswith(("/admin/v1", "/auth/v1", "/healthz", "/readyz", "/docs", "/openapi.json")):
        found = undocumented(request.method, path, answer)
        assert found is None, found

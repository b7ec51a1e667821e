"""Requests of one person whose own account changes meanwhile: each runs on who they are now, and none is lost to it."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from app.data_plane.run import Run
from tests.backend import Backend, Person, serving

ADD: dict[str, Any] = {"do": "insert", "table": "notes", "set": {"text": "x"}}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "users": {"columns": [{"name": "place", "type": "text"}]},
    "roles": [{"name": "staff"}],
    "tables": [{"name": "notes", "columns": [{"name": "text", "type": "text"}]}],
    "endpoints": [
        {"name": "visit", "method": "POST", "path": "/visit", "access": "authenticated",
         "input": {"body": {"place": {"type": "text"}}},
         "steps": [{"do": "update_user", "user": "auth.user.id", "set": {"place": "=input.place"}}]},
        {"name": "add", "method": "POST", "path": "/add", "access": "authenticated", "timeout": 2, "steps": [ADD]},
        {"name": "staff", "method": "POST", "path": "/staff", "access": {"roles": ["staff"]}, "timeout": 2,
         "steps": [ADD]},
    ],
}  # fmt: skip


async def test_of_many_at_once_that_change_their_own_person_all_are_carried_out(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        ann = await backend.sign_up("ann")
        answers = await asyncio.gather(*(ann.post("/api/visit", {"place": f"{n}"}) for n in range(40)))
        assert Counter(answer.status_code for answer in answers) == {204: 40}, {answer.text for answer in answers}


@pytest.mark.parametrize(("path", "came"), [("/api/add", (204, None)), ("/api/staff", (403, "access.role_missing"))])
async def test_who_has_changed_at_some_tries_is_answered_and_at_all_of_them_told_that_the_time_is_over(
    migrated_url: str, path: str, came: tuple[int, str | None]
) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        ann = await backend.sign_up("ann")
        assert await outrun(backend, ann, path, 4) == came
        added = len(await backend.sql("SELECT FROM data.notes"))
        assert await outrun(backend, ann, path, 1000) == (504, "request.timeout")
        assert len(await backend.sql("SELECT FROM data.notes")) == added == (path == "/api/add")


async def outrun(backend: Backend, person: Person, path: str, times: int) -> tuple[int, str | None]:
    """Send a request at so many tries of which the person isn't as remembered; give the status and the code."""
    tries, guard = 0, Run.guard

    def outdated(run: Run, identity: Any) -> Any:
        nonlocal tries
        tries += 1
        revision, subject, version = guard(run, identity)
        return revision, subject, version if tries > times or version is None else version - 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "guard", outdated)
        answer = await person.post(path)
    return answer.status_code, answer.json()["code"] if answer.content else None

"""People of another system, with their hashes of passwords: inserted in batches, and what can't be, told row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

import asyncpg

from app.audit.writing import audit
from app.auth.sign_up_hooks import LetIn, SignUpHooks, SignUpRefused, let_in
from app.database.connection import Connection
from app.database.faults import translated
from app.errors import FieldError, RowgateError

MOST_TOLD = 10_000  # refusals in one answer; those behind them are counted
_INSERT = """
WITH made AS (
    INSERT INTO data.users ("email", "id", "created_at"{names})
    VALUES ($2, coalesce($3::uuid, rowgate.uuid7()), coalesce($4::timestamptz, now()){holders})
    ON CONFLICT DO NOTHING RETURNING id
), account AS (
    INSERT INTO rowgate.accounts (user_id, password_hash, email_confirmed_at, disabled_at)
    SELECT id, $5, CASE WHEN $6 THEN now() END, CASE WHEN $7 THEN now() END FROM made
), held AS (
    INSERT INTO rowgate.user_roles (user_id, role) SELECT id, unnest($8::text[]) FROM made
)
SELECT $1::bigint AS row, id::text AS id FROM made
"""
_FIXED = 8  # parameters before the columns


@dataclass(frozen=True, slots=True)
class ImportedUser:
    """One person; `row` counts from 1, `columns` have been checked, and the hash is one that can be."""

    row: int
    email: str
    password_hash: str | None = field(repr=False)
    confirmed: bool
    disabled: bool
    roles: Sequence[str]
    columns: Mapping[str, Any]
    id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RowRefused:
    """Why a row made nobody."""

    row: int
    code: str
    message: str
    email: str | None = None


@dataclass(slots=True)
class Imported:
    """What came of it so far."""

    made: int = 0
    refused: int = 0
    refusals: list[RowRefused] = field(default_factory=list)

    def refuse(self, row: int, email: str | None, error: RowgateError | FieldError) -> None:
        """Count a row that made nobody, and tell it while there is room."""
        self.refused += 1
        if len(self.refusals) < MOST_TOLD:
            self.refusals.append(RowRefused(row, error.code, _told(error), email))


def _told(error: RowgateError | FieldError) -> str:
    if isinstance(error, RowgateError):
        return error.detail
    return f"{'.'.join(map(str, error.loc))}: {error.message}"


class _Asked(NamedTuple):
    """A person whose address the document lets in."""

    user: ImportedUser
    who: LetIn


async def insert_users(
    connection: Connection, hooks: SignUpHooks, users: Sequence[ImportedUser], so_far: Imported, actor: str
) -> None:
    """Insert a batch in one transaction; who is there already is refused and stays as they are."""
    async with connection.transaction():
        asked = await _asked(connection, hooks, users, so_far)
        for names, alike in groupby(sorted(asked, key=_names), key=_names):
            batch = list(alike)
            try:
                async with connection.transaction():
                    made = await _inserted(connection, names, batch)
            except (asyncpg.PostgresError, SignUpRefused):  # one of them is refused: find out which
                made = await _one_by_one(connection, names, batch, so_far)
            _tell_taken(batch, made, so_far)
        done = {"made": so_far.made, "refused": so_far.refused}
        so_far.refusals.sort(key=lambda one: one.row)
        await audit(connection, actor, "user.import", None, done)


async def _asked(
    connection: Connection, hooks: SignUpHooks, users: Sequence[ImportedUser], so_far: Imported
) -> list[_Asked]:
    """Ask about each address; who isn't let in is refused."""
    asked = []
    for one in users:
        try:
            asked.append(_Asked(one, await let_in(hooks, connection, one.email, one.columns)))
        except SignUpRefused as refusal:
            so_far.refuse(one.row, one.email, refusal)
    return asked


def _names(one: _Asked) -> tuple[str, ...]:
    return tuple(sorted(one.user.columns))


async def _inserted(connection: Connection, names: Sequence[str], batch: Sequence[_Asked]) -> set[int]:
    listed = "".join(f', "{name}"' for name in names)
    holders = "".join(f", ${_FIXED + 1 + index}" for index in range(len(names)))
    rows = [
        (
            one.row, who.stored, one.id, one.created_at, one.password_hash, one.confirmed, one.disabled,
            list(one.roles), *(one.columns[name] for name in names),
        )
        for one, who in batch
    ]  # fmt: skip
    made = await connection.fetchmany(_INSERT.format(names=listed, holders=holders), rows)
    ids = {row["row"]: row["id"] for row in made}
    for one, who in batch:
        if one.row in ids and who.hooks.does_more:
            await who.hooks.after(connection, ids[one.row], who.email)
    return set(ids)


async def _one_by_one(connection: Connection, names: Sequence[str], batch: list[_Asked], so_far: Imported) -> set[int]:
    made: set[int] = set()
    for one in list(batch):
        try:
            async with connection.transaction():
                made |= await _inserted(connection, names, [one])
        except (asyncpg.PostgresError, SignUpRefused) as error:
            refusal = error if isinstance(error, SignUpRefused) else translated(error)
            if not isinstance(refusal, RowgateError) or refusal.status >= 500:
                raise
            so_far.refuse(one.user.row, one.user.email, refusal)
            batch.remove(one)
    return made


def _tell_taken(batch: Sequence[_Asked], made: set[int], so_far: Imported) -> None:
    taken = FieldError(("email",), "auth.email_taken", "There is an account with this address, id or unique value.")
    so_far.made += len(made)
    for one, _ in batch:
        if one.row not in made:
            so_far.refuse(one.row, one.email, taken)

"""People of another system, with their hashes of passwords: inserted in batches, and what can't be, told row by row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg

from app.audit.writing import audit
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
SELECT $1::bigint AS row FROM made
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


async def insert_users(connection: Connection, users: Sequence[ImportedUser], so_far: Imported, actor: str) -> None:
    """Insert a batch in one transaction; who is there already is refused and stays as they are."""
    async with connection.transaction():
        for names, alike in groupby(sorted(users, key=_names), key=_names):
            batch = list(alike)
            try:
                async with connection.transaction():
                    made = await _inserted(connection, names, batch)
            except asyncpg.PostgresError:  # one of them breaks a rule of the table: find out which
                made = await _one_by_one(connection, names, batch, so_far)
            _tell_taken(batch, made, so_far)
        done = {"made": so_far.made, "refused": so_far.refused}
        so_far.refusals.sort(key=lambda one: one.row)
        await audit(connection, actor, "user.import", None, done)


def _names(user: ImportedUser) -> tuple[str, ...]:
    return tuple(sorted(user.columns))


async def _inserted(connection: Connection, names: Sequence[str], batch: Iterable[ImportedUser]) -> set[int]:
    listed = "".join(f', "{name}"' for name in names)
    holders = "".join(f", ${_FIXED + 1 + index}" for index in range(len(names)))
    rows = [
        (
            one.row, one.email, one.id, one.created_at, one.password_hash, one.confirmed, one.disabled,
            list(one.roles), *(one.columns[name] for name in names),
        )
        for one in batch
    ]  # fmt: skip
    return {row["row"] for row in await connection.fetchmany(_INSERT.format(names=listed, holders=holders), rows)}


async def _one_by_one(
    connection: Connection, names: Sequence[str], batch: list[ImportedUser], so_far: Imported
) -> set[int]:
    made: set[int] = set()
    for one in list(batch):
        try:
            async with connection.transaction():
                made |= await _inserted(connection, names, [one])
        except asyncpg.PostgresError as error:
            refusal = translated(error)
            if not isinstance(refusal, RowgateError) or refusal.status >= 500:
                raise
            so_far.refuse(one.row, one.email, refusal)
            batch.remove(one)
    return made


def _tell_taken(batch: Sequence[ImportedUser], made: set[int], so_far: Imported) -> None:
    taken = FieldError(("email",), "auth.email_taken", "There is an account with this address, id or unique value.")
    so_far.made += len(made)
    for one in batch:
        if one.row not in made:
            so_far.refuse(one.row, one.email, taken)

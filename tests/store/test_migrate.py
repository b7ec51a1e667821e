import asyncio
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlmodel import SQLModel

from app.auth.admin_sessions import AdminSession, refresh
from app.auth.refresh_tokens import Reused, new_refresh_token
from app.database.pool import connect
from app.database.quoting import DATA_SCHEMA
from app.store import admin_rows, mail_rows, people_rows, rows
from app.store.engine import make_engine
from app.store.migrate import DatabaseNewer, MigrationRefused, MigrationTaken, _config, migrate
from app.store.version import newest


def test_the_last_file_of_migrations_is_the_newest_version() -> None:
    assert newest() == ScriptDirectory.from_config(_config()).get_current_head()


async def test_migrators_at_once_wait_for_each_other_and_a_second_run_changes_nothing(fresh_database_url: str) -> None:
    versions = await asyncio.gather(*(migrate(fresh_database_url) for _ in range(3)))
    assert len(set(versions)) == 1
    assert await migrate(fresh_database_url) == versions[0]


async def test_a_database_of_a_newer_version_is_left_alone(fresh_database_url: str) -> None:
    await migrate(fresh_database_url)
    engine = make_engine(fresh_database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE rowgate.alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(DatabaseNewer):
        await migrate(fresh_database_url)


@pytest.mark.parametrize(
    ("prepared", "refusal"),
    [
        ("CREATE SCHEMA data", MigrationTaken),
        ("DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());"
         " END$$", MigrationRefused),
    ],
)  # fmt: skip
async def test_a_database_that_is_somebody_elses_or_takes_no_writes_is_refused_in_a_sentence(
    fresh_database_url: str, prepared: str, refusal: type[Exception]
) -> None:
    connection = await connect(fresh_database_url)
    await connection.execute(prepared)
    await connection.close()
    with pytest.raises(refusal):
        await migrate(fresh_database_url)


async def test_a_backslash_is_one_whatever_the_database_makes_of_it_by_itself(fresh_database_url: str) -> None:
    connection = await connect(fresh_database_url)
    setting = "ALTER DATABASE %I SET standard_conforming_strings = off"
    await connection.execute(f"DO $$BEGIN EXECUTE format('{setting}', current_database()); END$$")
    await connection.close()
    connection, engine = await connect(fresh_database_url), make_engine(fresh_database_url)
    async with engine.connect() as changing:
        assert (await changing.exec_driver_sql(r"SELECT 'a\b'")).scalar() == r"a\b"
    assert await connection.fetchval(r"SELECT 'a\b'") == r"a\b"
    await connection.close()
    await engine.dispose()


async def test_every_system_table_is_a_model_and_every_model_a_table(fresh_database_url: str) -> None:
    await migrate(fresh_database_url)
    assert people_rows.UserRow.metadata is rows.DefinitionRow.metadata is mail_rows.MailRow.metadata
    assert admin_rows.AdminLinkRow.metadata is rows.DefinitionRow.metadata

    def included(thing: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        return kind != "table" or (thing.schema in (rows.SCHEMA, DATA_SCHEMA) and name != "alembic_version")

    def compare(connection: Any) -> Any:
        options = {"include_schemas": True, "include_object": included, "compare_server_default": True}
        options |= {"version_table_schema": rows.SCHEMA}
        return compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata)

    engine = make_engine(fresh_database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
        await connection.execute(text("ALTER TABLE rowgate.secrets ADD COLUMN odd text"))
        assert await connection.run_sync(compare) != []
    await engine.dispose()


async def test_admins_who_signed_in_before_tokens_had_rows_go_on(fresh_database_url: str) -> None:
    """What 0007 makes of a session: its token can be used, and the one before it is known as used."""

    def before(connection: Any) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")

    before_that, latest = new_refresh_token(), new_refresh_token()
    engine = make_engine(fresh_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(before)
        await connection.execute(
            text(
                "WITH a AS (INSERT INTO rowgate.admins (email, role, password_hash)"
                " VALUES ('a@example.com', 'owner', '') RETURNING id)"
                " INSERT INTO rowgate.admin_sessions"
                " (admin_id, expires_at, refreshed_at, refresh_digest, previous_digest)"
                " SELECT id, now() + interval '1 day', now() - interval '1 minute', :latest, :before_that FROM a"
            ),
            {"latest": latest.digest, "before_that": before_that.digest},
        )
    await engine.dispose()
    await migrate(fresh_database_url)
    connection = await connect(fresh_database_url)
    assert isinstance(await refresh(connection, latest.token, b"k" * 32), AdminSession)
    assert isinstance(await refresh(connection, before_that.token, b"k" * 32), Reused)
    await connection.close()


async def test_ids_are_ordered_by_time_and_are_uuids_of_version_7(fresh_database_url: str) -> None:
    await migrate(fresh_database_url)
    connection = await connect(fresh_database_url)
    first = await connection.fetchval("SELECT rowgate.uuid7()")
    await asyncio.sleep(0.005)
    second = await connection.fetchval("SELECT rowgate.uuid7()")
    assert first < second
    assert (first[14], first[19] in "89ab") == ("7", True)
    await connection.close()


async def test_every_change_to_a_caller_raises_the_authority_version(fresh_database_url: str) -> None:
    await migrate(fresh_database_url)
    connection = await connect(fresh_database_url)
    user = await connection.fetchval("INSERT INTO data.users (email) VALUES ('a@example.com') RETURNING id")
    seen = 1
    for statement in (
        "UPDATE data.users SET email = 'b@example.com' WHERE id = $1",
        "INSERT INTO rowgate.accounts (user_id) VALUES ($1)",
        "UPDATE rowgate.accounts SET disabled_at = now() WHERE user_id = $1",
        "INSERT INTO rowgate.user_roles VALUES ($1, 'support')",
        "DELETE FROM rowgate.user_roles WHERE user_id = $1",
        "INSERT INTO rowgate.sessions (user_id, expires_at) VALUES ($1, now())",
        "UPDATE rowgate.sessions SET revoked_at = now() WHERE user_id = $1",
        "DELETE FROM data.users WHERE id = $1",
    ):
        await connection.execute(statement, user)
        version = await connection.fetchval("SELECT version FROM rowgate.authority WHERE subject_id = $1", user)
        if statement.startswith("INSERT INTO rowgate.sessions"):
            assert version == seen
        else:
            assert version > seen
        seen = version
    await connection.close()

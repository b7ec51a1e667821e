"""Two roles: the one that serves does all that Rowgate does, and can't change what the audit log says."""

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from app.audit.hash_chain import AuditKey
from app.audit.verify import verify
from app.database.embedded import SUPERUSER, EmbeddedPostgres
from app.database.pool import connect
from app.store.grants import ServeRoleMissing, scram_verifier
from app.store.migrate import MigrationRefused, migrate
from tests.auth.test_audit_chain import back
from tests.backend import EXAMPLES, PASSWORD, SECRET_KEY, serving
from tests.control_plane.test_audit import CHANGES, DOCUMENT, known_at_first, learn, said_of
from tests.databases import cloned, run_sql

TABLE = {"name": "notes", "columns": [{"name": "who", "type": "user", "on_delete": "cascade"},
                                      {"name": "n", "type": "integer", "min": 0}]}  # fmt: skip
VIEW = {"name": "my_notes", "table": "notes", "columns": "all", "filter": "row.who == auth.user.id",
        "allow": ["select", "insert", "update", "delete"], "presets": {"who": "=auth.user.id"}}  # fmt: skip
WIDER = {**DOCUMENT, "tables": [TABLE], "views": [VIEW]}
OTHER = {**TABLE, "columns": [TABLE["columns"][0], {"name": "n", "type": "bigint", "index": True},
                              {"name": "t", "type": "text"}]}  # fmt: skip

FORBIDDEN = (
    "UPDATE rowgate.audit SET actor = 'x'",
    "DELETE FROM rowgate.audit",
    "TRUNCATE rowgate.audit",
    "ALTER TABLE rowgate.audit DROP CONSTRAINT audit_chained",
    "ALTER TABLE rowgate.audit DISABLE TRIGGER ALL",
    "DROP TABLE rowgate.audit",
    "CREATE RULE nothing AS ON INSERT TO rowgate.audit DO INSTEAD NOTHING",
    "CREATE TABLE rowgate.other ()",
    "DROP SCHEMA rowgate CASCADE",
    "DELETE FROM rowgate.audit_heads",
    "INSERT INTO rowgate.audit_heads (chain) VALUES (9)",
    "UPDATE rowgate.alembic_version SET version_num = '0001'",
    "SET ROLE rowgate",
)


@pytest.fixture
def role(embedded_server: EmbeddedPostgres) -> Iterator[str]:
    """A role to serve as, and the role of the tests a member of it, as one is who made it."""
    name = f"serve_{uuid.uuid4().hex[:8]}"
    run_sql(embedded_server, f"CREATE ROLE {name} LOGIN")
    run_sql(embedded_server, f"GRANT {name} TO rowgate")
    yield name
    run_sql(embedded_server, f"DROP ROLE {name}")


@pytest.fixture
def database(embedded_server: EmbeddedPostgres, migrated_template: str, role: str) -> Iterator[str]:
    """A migrated database, which is dropped before the role."""
    yield from cloned(embedded_server, migrated_template)


@pytest.fixture
def served(embedded_server: EmbeddedPostgres, database: str, role: str) -> str:
    """The URL of the same database for the role that serves."""
    name = database.partition("@/")[2].partition("?")[0]
    return embedded_server.url(database=name, user=role)


async def test_the_serving_role_can_not_change_the_audit_log(database: str, served: str, role: str) -> None:
    await migrate(database, role)
    async with serving(served, DOCUMENT) as backend:
        await backend.sign_up("alice")
    connection = await connect(served)
    for statement in FORBIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    key = AuditKey.of(SECRET_KEY)
    found = await verify(connection, {key.id: key})
    assert (found.rows >= 2, found.misfits) == (True, ())
    await connection.close()


async def test_the_serving_role_does_all_that_rowgate_does(database: str, served: str, role: str) -> None:
    await migrate(database, role)
    await migrate(served)  # as each start does
    async with serving(served, DOCUMENT) as backend:
        root = await backend.admin()
        known = await known_at_first(backend)
        for method, path, said, more, action in CHANGES:
            asked: dict[str, Any] = {"json": said_of(said, known), "headers": {**root, **more}}
            answer = await backend.client.request(method, f"/admin/v1{path.format(**known)}", **asked)
            assert answer.status_code < 300, (method, path, answer.text)
            learn(known, action, answer)
        root = await backend.admin()
        put: dict[str, Any] = {"headers": root, "params": {"allow_wider": True, "destroy": ["notes", "notes.n"]}}
        assert (await backend.client.put("/admin/v1/config", json=WIDER, **put)).status_code == 200
        alice = await backend.sign_up("alice")
        again: dict[str, str] = {"Idempotency-Key": "one"}
        for _ in range(2):
            assert (await alice.call("POST", "/rest/v1/my_notes", json={"n": 1}, headers=again)).status_code == 201
        assert len((await alice.get("/rest/v1/my_notes")).json()) == 1
        for tables in ([OTHER], [{**OTHER, "name": "papers", "was": "notes"}]):
            document = {**WIDER, "tables": tables, "views": []}
            answer = await backend.client.put("/admin/v1/config", json=document, **put)
            assert answer.status_code == 200, answer.text
        assert (await backend.client.delete(f"/admin/v1/users/{alice.id}", headers=root)).status_code == 204
        assert await backend.sql("SELECT FROM data.papers") == []
        answer = await backend.client.put("/admin/v1/config", json=DOCUMENT, **put)
        assert answer.status_code in {200, 409}, answer.text
        example = (EXAMPLES / "documents.yaml").read_bytes()
        yaml: dict[str, Any] = {"headers": {**root, "Content-Type": "application/yaml"}, "content": example}
        assert (await backend.client.post("/admin/v1/test", **yaml)).json()["failed"] == 0
        assert (await backend.client.post("/admin/v1/simulate", headers=root, json=SIMULATED)).status_code == 200
    await migrate(database, role)


SIMULATED = {"method": "POST", "path": "/api/enter", "body": {"email": "a@example.com", "password": PASSWORD}}


async def test_a_role_that_is_not_there_and_one_that_may_not_migrate_end_with_a_sentence(
    database: str, served: str, role: str
) -> None:
    with pytest.raises(ServeRoleMissing, match="no role nobody_here"):
        await migrate(database, "nobody_here")
    await back(database)
    await migrate_without(database, role)
    with pytest.raises(MigrationRefused) as raised:
        await migrate(served)
    assert "rowgate migrate" in str(raised.value.hint)


async def migrate_without(url: str, role: str) -> None:
    """Let the role see which version there is."""
    connection: Any = await connect(url)
    await connection.execute(f"GRANT USAGE ON SCHEMA rowgate TO {role}")
    await connection.execute(f"GRANT SELECT ON rowgate.alembic_version TO {role}")
    await connection.close()


async def test_a_password_reaches_the_database_as_what_it_keeps_of_one(
    embedded_server: EmbeddedPostgres, database: str
) -> None:
    name = database.partition("@/")[2].partition("?")[0]
    owner, made = embedded_server.url(database=name, user=SUPERUSER), f"made_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(owner)

    async def kept() -> str:
        return str(await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", made))

    try:
        for password in ("first one", "second one"):
            await migrate(owner, made, password)
            assert await kept() == scram_verifier(password, salt_of(await kept()))
        await connection.execute(f"ALTER ROLE {made} PASSWORD 'what Postgres makes of it'")
        assert await kept() == scram_verifier("what Postgres makes of it", salt_of(await kept()))
    finally:
        await connection.execute(f"REASSIGN OWNED BY {made} TO rowgate; DROP OWNED BY {made}; DROP ROLE {made}")
        await connection.close()


def salt_of(verifier: str) -> bytes:
    return base64.b64decode(verifier.split("$")[1].partition(":")[2])

"""The models of accounts are the tables that the migrations make."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

from app.auth import rows
from app.store.engine import make_engine

_MODELS = (
    rows.UserRow, rows.AuthorityRow, rows.AccountRow, rows.UserRoleRow, rows.SessionRow, rows.RefreshTokenRow,
    rows.ApiKeyRow, rows.AdminRow, rows.AdminSessionRow, rows.AdminRefreshTokenRow, rows.SignInFailureRow, rows.KeptRow,
)  # fmt: skip


async def test_the_models_are_the_tables(migrated_url: str) -> None:
    mapped = {(model.__table__.schema, model.__table__.name) for model in _MODELS}  # type: ignore[union-attr]

    def included(thing: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        return kind != "table" or (thing.schema, name) in mapped

    def compare(connection: Any) -> Any:
        options = {"include_schemas": True, "include_object": included, "version_table_schema": "rowgate"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata)

    engine = make_engine(migrated_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
    await engine.dispose()

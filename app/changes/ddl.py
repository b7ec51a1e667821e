"""Changes → Alembic operations: run in a transaction, or written down as the SQL that a plan shows."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from app.changes.casts import cast_sql
from app.changes.change import (
    AddColumn,
    AddPart,
    AddTimestamps,
    AlterColumn,
    Change,
    CreateTable,
    DropColumn,
    DropPart,
    DropTable,
    HoldRows,
    HoldRowsNoLonger,
    RemoveDefinition,
    RenameColumn,
    RenamePart,
    RenameTable,
    SetDefinition,
)
from app.changes.held_there import trigger_name
from app.database.quoting import DATA_SCHEMA, quoted
from app.definitions.column_types import KEY
from app.definitions.columns import ColumnDef
from app.expressions.types import INT
from app.relations.defaults import default_sql
from app.relations.literals import literal

if TYPE_CHECKING:
    from alembic.operations import Operations

# Words that Postgres takes for a column's name in quotes alone, and that SQLAlchemy doesn't know as such.
_UNKNOWN_WORDS = frozenset({"collation", "concurrently", "lateral", "system_user", "tablesample"})


class PgType(UserDefinedType[object]):
    """A type of Postgres by its name, as `pg_type_of` gives it."""

    cache_ok = True

    def __init__(self, pg: str) -> None:
        """Take the name."""
        self.pg = pg

    def get_col_spec(self, **_: object) -> str:
        """Write it as SQLAlchemy writes the types that it knows."""
        return self.pg.replace("timestamptz", "timestamp with time zone").upper()


def _server_default(said: ColumnDef, pg: str) -> Any:
    sql = default_sql(said, pg)
    return None if sql is None else _text(sql)


def _column(said: ColumnDef, pg: str) -> Any:
    return sa.Column(said.name, PgType(pg), nullable=not said.required, server_default=_server_default(said, pg))


def _create_table(op: "Operations", change: CreateTable, schema: str) -> None:
    said, table = change.said, change.table
    made: list[sa.Column[Any]] = []
    if said.id.is_made and table.columns[KEY].type == INT:
        made = [sa.Column(KEY, sa.BigInteger(), sa.Identity(always=True))]
    elif said.id.is_made:
        made = [sa.Column(KEY, sa.Uuid(as_uuid=False), server_default=sa.text("rowgate.uuid7()"))]
    columns = [*made, *(_column(column, table.columns[column.name].pg) for column in said.defined)]
    columns[0].primary_key = True
    if said.timestamps:
        columns += _timestamps()
    op.create_table(said.name, *columns, schema=schema)
    if said.timestamps:
        _touch(op, said.name, schema)


def _timestamps() -> list[Any]:
    now = sa.text("now()")
    return [
        sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=now)
        for name in ("created_at", "updated_at")
    ]


def _touch(op: "Operations", table: str, schema: str) -> None:
    on = f"BEFORE UPDATE ON {_named(table, schema)}"
    op.execute(f"CREATE TRIGGER rowgate_touch {on} FOR EACH ROW EXECUTE FUNCTION rowgate.touch()")


def _named(table: str, schema: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"


def _add_timestamps(op: "Operations", change: AddTimestamps, schema: str) -> None:
    for column in _timestamps():
        op.add_column(change.table, column, schema=schema)
    _touch(op, change.table, schema)


def _drop_column(op: "Operations", change: DropColumn, schema: str) -> None:
    if change.name == "updated_at":
        op.execute(f"DROP TRIGGER IF EXISTS rowgate_touch ON {_named(change.table, schema)}")
    op.drop_column(change.table, change.name, schema=schema)


def _alter_column(op: "Operations", change: AlterColumn, schema: str) -> None:
    table, name = change.table, change.said.name
    if change.pg_before != change.pg:
        if change.before.default is not None:
            op.alter_column(table, name, server_default=None, schema=schema)
        using = cast_sql(name, change.pg_before, change.pg)
        op.alter_column(table, name, type_=PgType(change.pg), postgresql_using=using, schema=schema)
    before = default_sql(change.before, change.pg_before)
    if change.pg_before != change.pg or before != default_sql(change.said, change.pg):
        op.alter_column(table, name, server_default=_server_default(change.said, change.pg), schema=schema)
    if change.before.required != change.said.required:
        op.alter_column(table, name, nullable=not change.said.required, schema=schema)


def _add_part(op: "Operations", change: AddPart, schema: str) -> None:
    part, table = change.part, _named(change.table, schema)
    if part.is_index:
        what = "UNIQUE INDEX" if part.kind == "unique index" else "INDEX"
        how = " CONCURRENTLY" if part.concurrently else ""
        op.execute(_text(f"CREATE {what}{how} {quoted(part.name)} ON {table} {part.sql}"))
    elif part.kind == "trigger":
        op.execute(_text(f"CREATE TRIGGER {quoted(part.name)} BEFORE UPDATE ON {table} {part.sql}"))
    else:
        op.execute(_text(f"ALTER TABLE {table} ADD CONSTRAINT {quoted(part.name)} {part.sql}"))


def _drop_part(op: "Operations", change: DropPart, schema: str) -> None:
    name = quoted(change.part.name)
    if change.part.is_index:
        op.execute(f"DROP INDEX IF EXISTS {quoted(schema)}.{name}")
    elif change.part.kind == "trigger":
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {_named(change.table, schema)}")
    else:
        op.execute(f"ALTER TABLE {_named(change.table, schema)} DROP CONSTRAINT IF EXISTS {name}")


def _rename_part(op: "Operations", change: RenamePart, schema: str) -> None:
    old, new = quoted(change.old), quoted(change.new)
    if change.kind.endswith("index"):
        # One that is built beside the change, and could not be yet, is made under its new name.
        op.execute(f"ALTER INDEX IF EXISTS {quoted(schema)}.{old} RENAME TO {new}")
    elif change.kind == "trigger":
        op.execute(f"ALTER TRIGGER {old} ON {_named(change.table, schema)} RENAME TO {new}")
    else:
        op.execute(f"ALTER TABLE {_named(change.table, schema)} RENAME CONSTRAINT {old} TO {new}")


def _hold_rows(op: "Operations", change: HoldRows, schema: str) -> None:
    table, whole = _named(change.table, schema), not change.columns
    on = f"OR TRUNCATE ON {table} FOR EACH STATEMENT" if whole else f"ON {table} FOR EACH ROW"
    columns = ", ".join(map(quoted, change.columns))
    op.execute(
        f"CREATE OR REPLACE TRIGGER {trigger_name(whole=whole)} BEFORE INSERT OR UPDATE OR DELETE {on}"
        f" EXECUTE FUNCTION rowgate.{'hold_table' if whole else 'hold_rows'}({columns})"
    )


def _hold_rows_no_longer(op: "Operations", change: HoldRowsNoLonger, schema: str) -> None:
    op.execute(f"DROP TRIGGER IF EXISTS {trigger_name(whole=change.whole)} ON {_named(change.table, schema)}")


def _text(sql: str) -> Any:
    """Keep colons what they are: SQLAlchemy would take `:name` for a parameter."""
    return sa.text(sql.replace(":", "\\:"))


def _set_definition(op: "Operations", change: SetDefinition) -> None:
    if change.kind == "role" and change.was is not None:
        old, new = literal(change.was, "text"), literal(change.name, "text")
        op.execute(_text(f"UPDATE rowgate.user_roles SET role = {new} WHERE role = {old}"))
        op.execute(
            _text(f"UPDATE rowgate.api_keys SET roles = array_replace(roles, {old}, {new}) WHERE {old} = ANY (roles)")
        )


def _remove_definition(op: "Operations", change: RemoveDefinition) -> None:
    """Take a role that is gone from those who held it, so that nobody has it when one of that name is made again."""
    if change.kind == "role":
        role = literal(change.name, "text")
        op.execute(_text(f"DELETE FROM rowgate.user_roles WHERE role = {role}"))
        op.execute(_text(f"UPDATE rowgate.api_keys SET roles = array_remove(roles, {role}) WHERE {role} = ANY (roles)"))


_RENDER: dict[type, Callable[["Operations", Any, str], None]] = {
    CreateTable: _create_table,
    DropTable: lambda op, change, schema: op.drop_table(change.name, schema=schema),
    RenameTable: lambda op, change, schema: op.rename_table(change.old, change.new, schema=schema),
    AddColumn: lambda op, change, schema: op.add_column(change.table, _column(change.said, change.pg), schema=schema),
    DropColumn: _drop_column,
    RenameColumn: lambda op, change, schema: op.alter_column(
        change.table, change.old, new_column_name=change.new, schema=schema
    ),
    AlterColumn: _alter_column,
    AddTimestamps: _add_timestamps,
    AddPart: _add_part,
    DropPart: _drop_part,
    RenamePart: _rename_part,
    HoldRows: _hold_rows,
    HoldRowsNoLonger: _hold_rows_no_longer,
    SetDefinition: lambda op, change, _: _set_definition(op, change),
    RemoveDefinition: lambda op, change, _: _remove_definition(op, change),
}


def users_table(schema: str) -> tuple[str, ...]:
    """Give the statements that make `users` in a schema, as the migrations have made it in `data`."""
    table = _named("users", schema)
    columns = "id uuid PRIMARY KEY DEFAULT rowgate.uuid7(), email text NOT NULL"
    return (
        f"CREATE TABLE {table} ({columns}, created_at timestamptz NOT NULL DEFAULT now())",
        f"CREATE UNIQUE INDEX users_email ON {table} (lower(email))",
    )


def _operations(*connection: Any, **context: Any) -> "Operations":
    from alembic.operations import Operations  # noqa: PLC0415 - a start that changes nothing doesn't load it
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - nor this

    found = MigrationContext.configure(*connection, **context)
    preparer = found.dialect.identifier_preparer
    preparer.reserved_words = preparer.reserved_words | _UNKNOWN_WORDS
    return Operations(found)


def run(connection: Any, change: Change) -> None:
    """Make one change on a synchronous SQLAlchemy connection, inside its transaction; some indexes come after it."""
    if isinstance(change, AddPart) and change.part.concurrently:
        return
    _RENDER[type(change)](_operations(connection), change, DATA_SCHEMA)


def written(changes: Sequence[Change], schema: str = DATA_SCHEMA) -> tuple[str, ...]:
    """Give the SQL of changes without a database, one statement each."""
    if not changes:
        return ()
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    operations = _operations(dialect_name="postgresql", opts=options)
    for change in changes:
        _RENDER[type(change)](operations, change, schema)
    return tuple(text.strip() for text in buffer.getvalue().split(";\n\n") if text.strip())

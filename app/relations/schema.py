"""What each table is made of: its columns with the types that rules see and the types that Postgres keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.database.quoting import DATA_SCHEMA, quoted
from app.definitions.columns import ColumnDef, ValueType
from app.definitions.project import Project
from app.definitions.tables import TableDef
from app.expressions.types import (
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UUID,
    Enum,
    ListOf,
    Record,
    Type,
    pg_type,
)

_TYPES: dict[str, Type] = {
    "text": STRING,
    "integer": INT,
    "bigint": INT,
    "decimal": DECIMAL,
    "float": DOUBLE,
    "boolean": BOOL,
    "date": DATE,
    "uuid": UUID,
    "timestamp": TIMESTAMP,
    "json": DYN,
    "user": UUID,
}

_PG_TYPES = {
    "text": "text",
    "integer": "integer",
    "bigint": "bigint",
    "float": "double precision",
    "boolean": "boolean",
    "date": "date",
    "uuid": "uuid",
    "timestamp": "timestamptz",
    "json": "jsonb",
    "enum": "text",
    "user": "uuid",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column as rules and statements see it; `definition` is None where the database keeps the column by itself."""

    name: str
    type: Type
    pg: str
    definition: ColumnDef | None = None

    @property
    def target(self) -> str | None:
        """Name the table whose ids it holds, one of them or, of an array, several."""
        said = self.definition
        if said is None or said.type not in ("user", "reference"):
            return None
        return "users" if said.type == "user" else said.table

    def value(self, text: str) -> str:
        """Give the SQL of the column, which `text` names, as a value of the type that rules see.

        Of numbers Postgres compares any with any; of arrays of integers only those of one width.
        """
        wanted = pg_type(self.type)
        return f"{text}::{wanted}" if isinstance(self.type, ListOf) and wanted != self.pg else text

    @property
    def on_delete(self) -> str | None:
        """Say what becomes of its row when the one that it refers to is deleted; None where that is refused."""
        return None if self.definition is None or self.definition.on_delete == "restrict" else self.definition.on_delete

    @property
    def required(self) -> bool:
        """Say whether an insert has to give a value."""
        return self.definition is not None and self.definition.required and self.definition.default is None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order, the record that a row of it is, and the groups of columns that are unique.

    `schema` is where it stands in the database: `data`, or where policy tests make tables of their own.
    """

    name: str
    columns: Mapping[str, Column]
    record: Record
    unique: frozenset[frozenset[str]] = frozenset()
    schema: str = DATA_SCHEMA

    @property
    def sql(self) -> str:
        """Give the table's quoted name."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def value_type(definition: ValueType, keys: Mapping[str, Type]) -> Type:
    """Give the type that rules see; `keys` are the types of the tables' ids, which references have."""
    if definition.type == "enum":
        kind: Type = Enum(definition.values or ())
    elif definition.type == "reference":
        kind = keys.get(definition.table or "", UUID)
    else:
        kind = _TYPES[definition.type]
    return ListOf(kind) if definition.array else kind


def pg_type_of(definition: ValueType, keys: Mapping[str, Type]) -> str:
    """Give the type that Postgres keeps a column of this definition in."""
    if definition.type == "decimal":
        pg = f"numeric({definition.precision}, {definition.scale or 0})" if definition.precision else "numeric"
    elif definition.type == "reference":
        pg = "bigint" if keys.get(definition.table or "") == INT else "uuid"
    else:
        pg = _PG_TYPES[definition.type]
    return f"{pg}[]" if definition.array else pg


def key_types(project: Project) -> dict[str, Type]:
    """Give the type of each table's id."""
    keys: dict[str, Type] = {"users": UUID}
    return keys | {table.name: UUID if table.id == "uuid" else INT for table in project.tables}


def tables_of(project: Project, schema: str = DATA_SCHEMA) -> dict[str, Table]:
    """Give every table of the project by its name, `users` among them, as it stands in a schema."""
    keys = key_types(project)
    users = [
        Column("id", UUID, "uuid"),
        Column("email", STRING, "text"),
        Column("created_at", TIMESTAMP, "timestamptz"),
    ]
    users += [_column(column, keys) for column in project.users.columns]
    tables = {"users": _table("users", users, schema)}
    for table in project.tables:
        tables[table.name] = _table(table.name, _columns(table, keys), schema, table.unique)
    return tables


def _columns(table: TableDef, keys: Mapping[str, Type]) -> list[Column]:
    columns = [Column("id", keys[table.name], "uuid" if table.id == "uuid" else "bigint")]
    columns += [_column(column, keys) for column in table.columns]
    if table.timestamps:
        columns += [Column(name, TIMESTAMP, "timestamptz") for name in ("created_at", "updated_at")]
    return columns


def _column(definition: ColumnDef, keys: Mapping[str, Type]) -> Column:
    return Column(definition.name, value_type(definition, keys), pg_type_of(definition, keys), definition)


def _table(name: str, columns: list[Column], schema: str, groups: Iterable[Iterable[str]] = ()) -> Table:
    by_name = {column.name: column for column in columns}
    single = [{column.name} for column in columns if column.definition is not None and column.definition.unique]
    unique = frozenset(frozenset(group) for group in ({"id"}, *single, *groups))
    return Table(name, by_name, Record(name, {column.name: column.type for column in columns}), unique, schema)

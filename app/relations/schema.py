"""What each table is made of: its columns with the types that rules see and the types that Postgres keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.database.quoting import DATA_SCHEMA, quoted
from app.definitions.column_types import COLUMN_TYPES, ColumnType
from app.definitions.columns import ColumnDef, ValueType
from app.definitions.project import Project
from app.definitions.tables import TableDef
from app.expressions.types import INT, STRING, TIMESTAMP, UUID, Enum, ListOf, Record, Reference, Scalar, Type, pg_type

_NO_KEYS: Mapping[str, Type] = {}


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
        return None if self.definition is None else self.definition.target

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
    def never_null(self) -> bool:
        """Say whether the database lets no null in."""
        return self.definition.required if self.definition is not None else self.name != "email"

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


def item_type(definition: ValueType, keys: Mapping[str, Type] = _NO_KEYS) -> Type:
    """Give the type that rules see, of an array that of its items; `keys` are those of the tables' ids."""
    if definition.values is not None:
        return Enum(definition.values)
    return Scalar(_described(definition, keys).rule)


def value_type(definition: ValueType, keys: Mapping[str, Type]) -> Type:
    """Give the type that rules see; `keys` are the types of the tables' ids, which references have."""
    kind = item_type(definition, keys)
    return ListOf(kind) if definition.array else kind


def pg_type_of(definition: ValueType, keys: Mapping[str, Type]) -> str:
    """Give the type that Postgres keeps a column of this definition in."""
    pg = _described(definition, keys).pg
    if definition.precision is not None:
        pg = f"{pg}({definition.precision}, {definition.scale or 0})"
    return f"{pg}[]" if definition.array else pg


def _described(definition: ValueType, keys: Mapping[str, Type]) -> ColumnType:
    table = definition.table or ""
    return definition.described_with((table,) if keys.get(table) == INT else ())


def key_types(project: Project) -> dict[str, Type]:
    """Give the type of each table's id."""
    return {"users": UUID, **{table.name: Scalar(COLUMN_TYPES[table.id].rule) for table in project.tables}}


def tables_of(project: Project, schema: str = DATA_SCHEMA) -> dict[str, Table]:
    """Give every table of the project by its name, `users` among them, as it stands in a schema."""
    keys = key_types(project)
    users = [_made("id", UUID), _made("email", STRING), _made("created_at", TIMESTAMP)]
    users += [_column(column, keys) for column in project.users.columns]
    tables = {"users": _table("users", users, schema)}
    for table in project.tables:
        tables[table.name] = _table(table.name, _columns(table, keys), schema, table.unique)
    return tables


def _columns(table: TableDef, keys: Mapping[str, Type]) -> list[Column]:
    columns = [_made("id", keys[table.name])]
    columns += [_column(column, keys) for column in table.columns]
    if table.timestamps:
        columns += [_made(name, TIMESTAMP) for name in ("created_at", "updated_at")]
    return columns


def _made(name: str, kind: Type) -> Column:
    """Give a column that is there by itself."""
    return Column(name, kind, pg_type(kind))


def _column(definition: ColumnDef, keys: Mapping[str, Type]) -> Column:
    return Column(definition.name, value_type(definition, keys), pg_type_of(definition, keys), definition)


def _table(name: str, columns: list[Column], schema: str, groups: Iterable[Iterable[str]] = ()) -> Table:
    by_name = {column.name: column for column in columns}
    single = [{column.name} for column in columns if column.definition is not None and column.definition.unique]
    unique = frozenset(frozenset(group) for group in ({"id"}, *single, *groups))
    references = {
        column.name: Reference(column.target)
        for column in columns
        if column.target is not None and not isinstance(column.type, ListOf)
    }
    record = Record(name, {column.name: column.type for column in columns}, references=references)
    return Table(name, by_name, record, unique, schema)

"""What each table is made of: its columns with the types that rules see and the types that Postgres keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from app.database.quoting import DATA_SCHEMA, quoted
from app.definitions.column_types import KEY, NO_KEYS, Keys, name_kept_as
from app.definitions.columns import ColumnDef, KeptColumnDef, ValueType
from app.definitions.keys import keys_of
from app.definitions.project import Project
from app.definitions.tables import TableDef
from app.expressions.types import INT, STRING, TIMESTAMP, UUID, Enum, ListOf, Record, Reference, Scalar, Type, pg_type
from app.relations.references import ForeignKey, references_of, unique_name


@lru_cache(4_096)
def _kept(name: str, pg: str) -> KeptColumnDef:
    return KeptColumnDef(name=name, type=str(name_kept_as(pg)))


@dataclass(frozen=True, slots=True)
class Column:
    """A column as rules and statements see it; `definition` is None where the database keeps the column by itself."""

    name: str
    type: Type
    pg: str
    definition: ColumnDef | None = None

    @property
    def target(self) -> str | None:
        """Name the table that it refers to: it holds one of its keys or, of an array, several."""
        return None if self.definition is None else self.definition.target

    def value(self, text: str) -> str:
        """Give the SQL of the column, which `text` names, as a value of the type that rules see.

        Of numbers Postgres compares any with any; of arrays of integers only those of one width.
        """
        wanted = pg_type(self.type)
        return f"{text}::{wanted}" if isinstance(self.type, ListOf) and wanted != self.pg else text

    @property
    def never_null(self) -> bool:
        """Say whether the database lets no null in."""
        return self.definition.required if self.definition is not None else self.name != "email"

    @property
    def required(self) -> bool:
        """Say whether an insert has to give a value."""
        return self.said.required and not self.said.has_default

    @property
    def said(self) -> ColumnDef:
        """Give its definition, or the one that it would have where the database keeps it by itself."""
        return self.definition or _kept(self.name, self.pg)

    @property
    def is_counted(self) -> bool:
        """Say whether the database numbers it, which no update changes."""
        return self.definition is None and self.type == INT


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order, the record that a row of it is, and the groups of columns that are unique.

    Each group has the name of the constraint that holds it so. `references` are its foreign keys.
    `schema` is where it stands in the database: `data`, or where policy tests make tables of their own.
    """

    name: str
    columns: Mapping[str, Column]
    record: Record
    unique: Mapping[frozenset[str], str] = field(default_factory=dict)
    references: tuple[ForeignKey, ...] = ()
    schema: str = DATA_SCHEMA

    @property
    def sql(self) -> str:
        """Give the table's quoted name."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def has_one(self, columns: Iterable[str]) -> bool:
        """Say whether at most one row has the same values of these columns."""
        given = frozenset(columns)
        return any(group <= given for group in self.unique)


def item_type(definition: ValueType, keys: Keys = NO_KEYS) -> Type:
    """Give the type that rules see, of an array that of its items; `keys` are what references hold."""
    if definition.values is not None:
        return Enum(definition.values)
    return Scalar(definition.described_with(keys).rule)


def value_type(definition: ValueType, keys: Keys) -> Type:
    """Give the type that rules see; `keys` are what references hold."""
    kind = item_type(definition, keys)
    return ListOf(kind) if definition.array else kind


def pg_type_of(definition: ValueType, keys: Keys) -> str:
    """Give the type that Postgres keeps a column of this definition in."""
    pg = definition.described_with(keys).pg
    if definition.precision is not None:
        pg = f"{pg}({definition.precision}, {definition.scale or 0})"
    return f"{pg}[]" if definition.array else pg


def tables_of(project: Project, schema: str = DATA_SCHEMA) -> dict[str, Table]:
    """Give every table of the project by its name, `users` among them, as it stands in a schema."""
    keys = keys_of(project)
    users = [_made(KEY, UUID), _made("email", STRING), _made("created_at", TIMESTAMP)]
    users += [_column(column, keys) for column in project.users.columns]
    tables = {"users": _table("users", users, schema, (), references_of("users", project.users.columns))}
    for table in project.tables:
        groups = [one.columns for one in table.unique if one.where is None]
        references = references_of(table.name, table.defined, table.references)
        tables[table.name] = _table(table.name, _columns(table, keys), schema, groups, references)
    return tables


def _columns(table: TableDef, keys: Keys) -> list[Column]:
    columns = [_made(KEY, value_type(table.id, keys))] if table.id.is_made else []
    columns += [_column(column, keys) for column in table.defined]
    if table.timestamps:
        columns += [_made(name, TIMESTAMP) for name in ("created_at", "updated_at")]
    return columns


def _made(name: str, kind: Type) -> Column:
    """Give a column that is there by itself."""
    return Column(name, kind, pg_type(kind))


def _column(definition: ColumnDef, keys: Keys) -> Column:
    return Column(definition.name, value_type(definition, keys), pg_type_of(definition, keys), definition)


def _table(
    name: str, columns: list[Column], schema: str, groups: Iterable[tuple[str, ...]], references: Iterable[ForeignKey]
) -> Table:
    by_name = {column.name: column for column in columns}
    single = [(column.name,) for column in columns if column.definition is not None and column.definition.unique]
    unique = {frozenset({KEY}): f"{name}_pkey"}
    unique |= {frozenset(group): unique_name(name, group) for group in (*single, *groups)}
    keys = tuple(references)
    followed = {one.columns[0]: Reference(one.target, one.to[0]) for one in keys if len(one.columns) == 1}
    record = Record(name, {column.name: column.type for column in columns}, references=followed)
    return Table(name, by_name, record, unique, keys, schema)

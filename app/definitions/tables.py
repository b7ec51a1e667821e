"""Tables, and the built-in table of users."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app.definitions.column_types import COLUMN_TYPES, KEY
from app.definitions.columns import ColumnDef, OnDelete, TypeName, UserColumnDef, ValueType
from app.definitions.expression_text import ExpressionText, OptionalExpression
from app.definitions.names import Definition, Items, Name

GENERATEDS = (KEY, "created_at", "updated_at")
USERS = (KEY, "email", "created_at")


class CheckDef(Definition):
    """A rule over `row` that the database enforces: `{rule: row.ends_on >= row.starts_on, message: …}`."""

    rule: ExpressionText
    """An expression over `row` that every row has to fulfil."""
    message: str | None = None
    """What a refusal says."""


class IdDef(ValueType):
    """What a table's ids are: `bigint`, or `{type: user, on_delete: cascade}` where each row is about one person."""

    type: TypeName = "uuid"
    required: Literal[True] = True

    @property
    def is_made(self) -> bool:
        """Say whether the database makes the ids, and nobody has to give one."""
        return self.described.ids == "made"

    @model_validator(mode="after")
    def _may_be_an_id(self) -> Self:
        if self.described.ids is None or self.array:
            msg = f"an id is one of {', '.join(name for name, one in COLUMN_TYPES.items() if one.ids)}"
            raise ValueError(msg)
        if self.is_made and (self.default is not None or self.min is not None or self.max is not None):
            msg = f"ids of the type {self.type} are made by the database: they take no default, min or max"
            raise ValueError(msg)
        return self


def _id(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class ReferenceDef(Definition):
    """Columns that together refer to a row: `{columns: [org, number], table: rooms, to: [org, number]}`."""

    columns: Items[Name] = Field(min_length=1)
    """Its own columns."""
    table: Name
    """The table that they refer to."""
    to: Items[Name]
    """The columns there, which are unique together, in the same order."""
    on_delete: OnDelete | None = None
    """What becomes of the row where the one that it leads to is deleted; `restrict` by itself."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.columns) != len(self.to):
            msg = "columns and to have as many names: each column refers to the one that stands at its place"
            raise ValueError(msg)
        return self


class UniqueDef(Definition):
    """Columns that are unique together; with `where` only among the rows that the rule holds for."""

    columns: Items[Name]
    """The columns that no two rows may have the same of."""
    where: OptionalExpression = None
    """A rule over `row`: only rows that it holds for are held to it."""


class IndexDef(Definition):
    """An index over columns in their order; `concurrently` builds it while the table goes on being written."""

    columns: Items[Name]
    """The columns, in their order."""
    concurrently: bool = False
    """Whether it is built while the table goes on being written."""


def _index(value: Any) -> object:
    return {"columns": value} if isinstance(value, list | tuple) else value


class TableDef(Definition):
    """A table of the backend; `id`, `created_at` and `updated_at` are kept by the database."""

    name: Name
    """What views, steps and references call it."""
    was: Name | None = None
    """The name before, where this renames it: its rows stay."""
    description: str | None = None
    """For people who read the document."""
    id: Annotated[IdDef, BeforeValidator(_id, json_schema_input_type=IdDef | str)] = IdDef()
    """The type of the ids: `uuid`, time-ordered, `bigint`, counted up, or a type of a key with its options."""
    timestamps: bool = True
    """Whether `created_at` and `updated_at` are kept."""
    columns: Items[ColumnDef] = ()
    """Its columns beside those that the database keeps."""
    references: Items[ReferenceDef] = ()
    """References of several columns together."""
    unique: Items[Annotated[UniqueDef, BeforeValidator(_index, json_schema_input_type=UniqueDef | list[Name])]] = ()
    """Lists of columns that no two rows may have the same of, each by itself or with its options."""
    indexes: Items[Annotated[IndexDef, BeforeValidator(_index, json_schema_input_type=IndexDef | list[Name])]] = ()
    """Its indexes, each a list of columns or with its options."""
    checks: Items[CheckDef] = ()
    """Rules that every row has to fulfil."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Name every column in order, those that the database keeps among them."""
        added = tuple(column.name for column in self.columns)
        return (KEY, *added, "created_at", "updated_at") if self.timestamps else (KEY, *added)

    @property
    def defined(self) -> tuple[ColumnDef, ...]:
        """Give the columns that somebody sets, an id among them that the database doesn't make."""
        if self.id.is_made:
            return self.columns
        said = {name: getattr(self.id, name) for name in ValueType.model_fields}
        return (ColumnDef(name=KEY, **said), *self.columns)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        taken = set(GENERATEDS if self.timestamps else GENERATEDS[:1])
        check_distinct(self.columns, taken)
        known = set(self.column_names)
        groups: list[UniqueDef | IndexDef | ReferenceDef] = [*self.unique, *self.indexes, *self.references]
        for group in (one.columns for one in groups):
            if missing := [name for name in group if name not in known]:
                msg = f"unique, indexes and references name a column that isn't there: {', '.join(missing)}"
                raise ValueError(msg)
            if not group or len(set(group)) != len(group):
                msg = "unique, indexes and references take lists of different columns, at least one each"
                raise ValueError(msg)
        return self


class UsersDef(Definition):
    """What an admin adds to the table of people who sign in."""

    columns: Items[UserColumnDef] = ()
    """What every person has beside `id`, `email` and `created_at`; rules read it as `auth.user.…`."""

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        # `roles` is not a column, yet auth.user.roles would be hidden by one.
        check_distinct(self.columns, {*USERS, "roles"})
        return self


def check_distinct(columns: Items[ColumnDef], taken: set[str]) -> None:
    """Raise ValueError for a column whose name is kept by the database or stands twice."""
    seen: set[str] = set()
    for column in columns:
        if column.name in taken:
            msg = f"the column {column.name!r} is there by itself: leave it out"
            raise ValueError(msg)
        if column.name in seen:
            msg = f"the column {column.name!r} stands twice"
            raise ValueError(msg)
        seen.add(column.name)

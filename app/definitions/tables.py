"""Tables, and the built-in table of users."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from app.definitions.columns import ColumnDef, UserColumnDef
from app.definitions.expression_text import ExpressionText
from app.definitions.names import Definition, Items, Name

GENERATEDS = ("id", "created_at", "updated_at")
USERS = ("id", "email", "created_at")


class CheckDef(Definition):
    """A rule over `row` that the database enforces: `{rule: row.ends_on >= row.starts_on, message: …}`."""

    rule: ExpressionText
    """An expression over `row` that every row has to fulfil."""
    message: str | None = None
    """What a refusal says."""


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
    id: Literal["uuid", "bigint"] = "uuid"
    """The type of the ids: time-ordered UUIDs, or numbers that count up."""
    timestamps: bool = True
    """Whether `created_at` and `updated_at` are kept."""
    columns: Items[ColumnDef] = ()
    """Its columns beside those that the database keeps."""
    unique: Items[Items[Name]] = ()
    """Lists of columns that no two rows may have the same of."""
    indexes: Items[Annotated[IndexDef, BeforeValidator(_index, json_schema_input_type=IndexDef | list[Name])]] = ()
    """Its indexes, each a list of columns or with its options."""
    checks: Items[CheckDef] = ()
    """Rules that every row has to fulfil."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Name every column in order, those that the database keeps among them."""
        added = tuple(column.name for column in self.columns)
        return ("id", *added, "created_at", "updated_at") if self.timestamps else ("id", *added)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        taken = set(GENERATEDS if self.timestamps else GENERATEDS[:1])
        check_distinct(self.columns, taken)
        known = set(self.column_names)
        for group in (*self.unique, *(index.columns for index in self.indexes)):
            if missing := [name for name in group if name not in known]:
                msg = f"unique and indexes name a column that isn't there: {', '.join(missing)}"
                raise ValueError(msg)
            if not group or len(set(group)) != len(group):
                msg = "unique and indexes take lists of different columns, at least one each"
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

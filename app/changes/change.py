"""A change is data: the plan prints it, ddl renders it, the audit log keeps it."""

from dataclasses import dataclass
from typing import Any

from app.definitions.columns import ColumnDef
from app.definitions.tables import TableDef
from app.relations.constraints import Part
from app.relations.schema import Table


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A new table, without its constraints."""

    said: TableDef
    table: Table

    def __str__(self) -> str:
        return f"create the table {self.said.name}"


@dataclass(frozen=True, slots=True)
class DropTable:
    """A table that is gone, with everything in it."""

    name: str

    def __str__(self) -> str:
        return f"drop the table {self.name}"


@dataclass(frozen=True, slots=True)
class RenameTable:
    """A table under another name."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"rename the table {self.old} to {self.new}"


@dataclass(frozen=True, slots=True)
class AddColumn:
    """A new column."""

    table: str
    said: ColumnDef
    pg: str

    def __str__(self) -> str:
        return f"add the column {self.table}.{self.said.name}"


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column that is gone, with its values."""

    table: str
    name: str

    @property
    def place(self) -> str:
        """Give what `--destroy` calls it."""
        return f"{self.table}.{self.name}"

    def __str__(self) -> str:
        return f"drop the column {self.place}"


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """A column under another name."""

    table: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"rename the column {self.table}.{self.old} to {self.new}"


@dataclass(frozen=True, slots=True)
class AlterColumn:
    """A column of another type, default or nullability; `said` is what it becomes."""

    table: str
    before: ColumnDef
    said: ColumnDef
    pg_before: str
    pg: str

    def __str__(self) -> str:
        return f"change the column {self.table}.{self.said.name}"


@dataclass(frozen=True, slots=True)
class AddTimestamps:
    """`created_at` and `updated_at` for a table that had none."""

    table: str

    def __str__(self) -> str:
        return f"add created_at and updated_at to {self.table}"


@dataclass(frozen=True, slots=True)
class AddPart:
    """A new constraint or index."""

    table: str
    part: Part

    def __str__(self) -> str:
        return f"add the {self.part.kind} {self.part.name} to {self.table}"


@dataclass(frozen=True, slots=True)
class DropPart:
    """A constraint or index that is gone."""

    table: str
    part: Part

    def __str__(self) -> str:
        return f"drop the {self.part.kind} {self.part.name} of {self.table}"


@dataclass(frozen=True, slots=True)
class RenamePart:
    """A constraint or index under another name, since its table or its columns have one."""

    table: str
    kind: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"rename the {self.kind} {self.old} of {self.table} to {self.new}"


@dataclass(frozen=True, slots=True)
class HoldRows:
    """Whoever writes the table waits for who holds its rows: by the values of these columns, or of none all of them."""

    table: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        rows = f"rows by {', '.join(self.columns)}" if self.columns else "all its rows"
        return f"have writers of {self.table} wait for who counts {rows} before writing"


@dataclass(frozen=True, slots=True)
class HoldRowsNoLonger:
    """Nobody holds the table's rows any more: not all of them where `whole`, else not by the values of columns."""

    table: str
    whole: bool

    def __str__(self) -> str:
        rows = "all its rows" if self.whole else "rows by a column"
        return f"have writers of {self.table} wait no longer for who counts {rows}"


@dataclass(frozen=True, slots=True)
class SetDefinition:
    """A definition that is new or says something else; `was` is its name before, where it is renamed."""

    kind: str
    name: str
    body: dict[str, Any]
    new: bool
    was: str | None = None

    def __str__(self) -> str:
        if self.was is not None:
            return f"rename the {self.kind} {self.was} to {self.name}"
        return f"{'add' if self.new else 'change'} the {self.kind} {self.name}".removesuffix(f" {self.kind}")


@dataclass(frozen=True, slots=True)
class RemoveDefinition:
    """A definition that is gone."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"remove the {self.kind} {self.name}"


Change = (
    CreateTable
    | DropTable
    | RenameTable
    | AddColumn
    | DropColumn
    | RenameColumn
    | AlterColumn
    | AddTimestamps
    | AddPart
    | DropPart
    | RenamePart
    | HoldRows
    | HoldRowsNoLonger
    | SetDefinition
    | RemoveDefinition
)

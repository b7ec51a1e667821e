"""Rows that are put into tables as they are, their ids with them, and a look at what became of them."""

from collections.abc import Iterable, Mapping, Sequence

from app.database.quoting import quoted
from app.relations.schema import Table


def insert_whole(table: Table, names: Sequence[str]) -> str:
    """Give the statement that inserts a row of these columns, of which there is at least one."""
    listed = ", ".join(map(quoted, names))
    holders = ", ".join(f"${index + 1}" for index in range(len(names)))
    return f"INSERT INTO {table.sql} ({listed}) OVERRIDING SYSTEM VALUE VALUES ({holders}) RETURNING *"


def insert_empty(table: Table) -> str:
    """Give the statement that inserts a row of defaults."""
    return f"INSERT INTO {table.sql} DEFAULT VALUES RETURNING *"


def versions_of(tables: Iterable[Table]) -> str:
    """Give the statement that names every row of the tables with its version, which every write of the row changes.

    Its parameters are the tables' names in their order.
    """
    return " UNION ALL ".join(
        f"SELECT ${index}::text AS source, id::text AS id, ctid::text AS version FROM {table.sql}"
        for index, table in enumerate(tables, 1)
    )


Versions = Mapping[tuple[str, str], str]


def written_between(before: Versions, after: Versions) -> dict[tuple[str, str], str]:
    """Say of each row, by table and id, that was written whether it was inserted, updated or deleted."""
    return {
        key: "inserted" if key not in before else "deleted" if key not in after else "updated"
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key)
    }

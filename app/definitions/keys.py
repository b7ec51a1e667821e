"""Keys: the columns that references may refer to, which are those that are unique by themselves."""

from collections.abc import Mapping

from app.definitions.column_types import ANY_JSON, KEY, ColumnType, Keys, kept_as
from app.definitions.columns import ValueType
from app.definitions.project import Project
from app.definitions.tables import IdDef


def keys_of(project: Project) -> Keys:
    """Give the type of each key by `table.column`; one that is a reference itself is of its own key's type.

    One that refers to what is no key, or to itself in a circle, is none.
    """
    said: dict[str, ValueType] = {f"users.{KEY}": IdDef()}
    said |= {f"{table.name}.{KEY}": table.id for table in project.tables}
    owners = [("users", project.users.columns), *((table.name, table.columns) for table in project.tables)]
    for table, columns in owners:
        said |= {f"{table}.{one.name}": one for one in columns if one.unique and _has_one_value(one)}
    return {place: kind for place in said if (kind := _kind(place, said)) is not None}


def _has_one_value(said: ValueType) -> bool:
    return not said.array and said.described.rule != ANY_JSON


def _kind(place: str, said: Mapping[str, ValueType]) -> ColumnType | None:
    """Follow references to what holds a value of its own."""
    seen = set[str]()
    while place in said and place not in seen:
        seen.add(place)
        one = said[place]
        if one.table is None:
            return kept_as(one.described.pg)
        place = f"{one.table}.{one.key}"
    return None

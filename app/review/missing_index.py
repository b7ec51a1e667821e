"""Rows that are looked up without an index: by what a rule says, and by what Postgres plans."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.definitions.column_types import KEY
from app.definitions.project import Project
from app.errors import Finding

LARGE = 10_000  # rows of a table from which on reading all of them is worth a word
FEW = 0.2  # of them, up to which an index finds rows faster than reading all of them
_SORTED = re.compile(r'(?:\w+\.)?"?(\w+)"?( DESC)?( NULLS (FIRST|LAST))?')

Leading = Mapping[str, set[str]]


def leading_columns(project: Project) -> dict[str, set[str]]:
    """Give the columns of each table by which an index finds rows."""
    found = {"users": {KEY, *(one.name for one in project.users.columns if one.unique or one.index)}}
    for table in project.tables:
        groups = [one.columns for one in table.unique if one.where is None]
        groups += [one.columns for one in table.indexes]
        groups += [one.columns for one in table.references]
        # A reference has an index by itself.
        single = {one.name for one in table.columns if one.unique or one.index or one.target is not None}
        found[table.name] = {KEY, *single, *(group[0] for group in groups)}
    return found


def missing_index(place: str, table: str, asked: Sequence[str], leading: Leading) -> Iterator[Finding]:
    """Find that rows of a table are looked up by columns with none of which an index begins."""
    if asked and not leading.get(table, set()) & set(asked):
        columns = ", ".join(dict.fromkeys(asked))
        yield Finding(
            place,
            f"rows of {table} are looked up by {columns}, and no index begins with one of them",
            f"add to {table}: indexes: [[{columns}]]",
            "rules.missing_index",
        )


def slow_reads(place: str, project: Project, plan: object, sizes: Mapping[str, int]) -> Iterator[Finding]:
    """Find what a plan reads whole large tables for, where an index would find the rows: a filter of few, or an order.

    `plan` is that of `EXPLAIN (FORMAT JSON)`, `sizes` how many rows each of its tables is taken to have.
    """
    leading = leading_columns(project)
    for scan, order in _scans(plan, None):
        table = scan["Relation Name"]
        names = _columns(project, table)
        if sizes.get(table, 0) < LARGE:
            continue
        few = scan["Plan Rows"] <= FEW * sizes[table]
        asked = [name for name in names if few and _compares(name, scan.get("Filter", ""))]
        by = _SORTED.fullmatch(order) if order and not asked else None
        asked += [by[1]] if by is not None and by[1] in names else []
        yield from missing_index(place, table, asked, leading)


def tables_of(plan: object) -> set[str]:
    """Name the tables that a plan reads whole."""
    return {scan["Relation Name"] for scan, _ in _scans(plan, None)}


def _scans(plan: Any, order: str | None) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Give each reading of a whole table, with the column by which its rows are put in order."""
    if isinstance(plan, list):
        for one in plan:
            yield from _scans(one, order)
        return
    node = plan.get("Plan", plan)
    if node["Node Type"] == "Seq Scan" and "Relation Name" in node:
        yield node, order
    if node["Node Type"] in ("Sort", "Incremental Sort"):
        order = node["Sort Key"][0]
    elif node["Node Type"] not in ("Gather Merge", "Gather", "Result", "Limit"):
        order = None
    for one in node.get("Plans", []):
        yield from _scans(one, order)


def _columns(project: Project, table: str) -> list[str]:
    if table == "users":
        return [one.name for one in project.users.columns]
    return [column.name for one in project.tables if one.name == table for column in one.columns]


def _compares(column: str, condition: str) -> bool:
    """Say whether a condition, as Postgres writes it, compares a column in a way that an index answers."""
    return re.search(rf'\b{re.escape(column)}\b"?\)?(::[a-z ]+(\[\])?)? (=|>=|<=|>|<) ', condition) is not None

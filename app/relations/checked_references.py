"""References, checked: that what they refer to is there, is one row, and holds what the columns hold."""

from collections.abc import Mapping, Sequence

from app.definitions.column_types import Keys
from app.definitions.columns import ColumnDef
from app.definitions.project import Project
from app.definitions.tables import ReferenceDef, TableDef
from app.relations.findings import Findings
from app.relations.schema import Table


def check_references(project: Project, tables: Mapping[str, Table], keys: Keys, findings: Findings) -> None:
    """Report references of columns and of tables that can't be."""
    check = _References(tables, keys, findings)
    for one in project.users.columns:
        check.column(f"users.columns/{one.name}", one)
    for table in project.tables:
        for column in table.defined:
            at = f"tables/{table.name}.id" if column not in table.columns else None
            check.column(at or f"tables/{table.name}.columns/{column.name}", column)
        check.together(table)


class _References:
    def __init__(self, tables: Mapping[str, Table], keys: Keys, findings: Findings) -> None:
        self.tables, self.keys, self.findings = tables, keys, findings

    def column(self, place: str, said: ColumnDef) -> None:
        if said.table is None or f"{said.table}.{said.key}" in self.keys:
            return
        if said.table not in self.tables:
            self.findings.unknown(f"{place}.table", "table", said.table, list(self.tables))
            return
        target = self.tables[said.table]
        if said.key not in target.columns:
            self.findings.unknown(f"{place}.column", "column", said.key, list(target.columns))
        elif frozenset({said.key}) not in target.unique:
            hint = f"say unique: true on {said.table}.{said.key}, or refer to the id by leaving column out"
            self.findings.report(f"{place}.column", f"{said.table}.{said.key} is not unique", hint)
        else:
            hint = "have one of them hold a value of its own, such as a uuid or a text"
            message = f"{said.table}.{said.key} can't be referred to: a list, json, or one that refers back to this"
            self.findings.report(f"{place}.column", message, hint)

    def together(self, table: TableDef) -> None:
        by_themselves = [(one.name,) for one in table.defined if one.target is not None]
        for index, said in enumerate(table.references):
            place = f"tables/{table.name}.references/{index}"
            earlier = [*by_themselves, *(one.columns for one in table.references[:index])]
            if said.columns in earlier:
                self.findings.report(f"{place}.columns", "these columns refer to something already", "leave one out")
            elif said.table not in self.tables:
                self.findings.unknown(f"{place}.table", "table", said.table, list(self.tables))
            else:
                self._pairs(place, said, self.tables[table.name], self.tables[said.table])

    def _pairs(self, place: str, said: ReferenceDef, here: Table, there: Table) -> None:
        if unknown := [name for name in said.to if name not in there.columns]:
            self.findings.unknown(f"{place}.to", "column", unknown[0], list(there.columns))
            return
        if frozenset(said.to) not in there.unique:
            hint = f"add [{', '.join(said.to)}] to the table's unique"
            self.findings.report(f"{place}.to", f"{', '.join(said.to)} are not unique together in {there.name}", hint)
        for name, other in zip(said.columns, said.to, strict=True):
            kinds = here.columns[name].pg.partition("(")[0], there.columns[other].pg.partition("(")[0]
            if kinds[0] != kinds[1]:
                message = f"{name} is {kinds[0]}, and {there.name}.{other} is {kinds[1]}"
                self.findings.report(f"{place}.columns", message, "give the two the same type")
        kept = _never_null(here, said.columns)
        if said.on_delete == "set_null" and kept:
            message = f"on_delete: set_null can't empty {', '.join(kept)}"
            self.findings.report(f"{place}.on_delete", message, "use restrict or cascade")


def _never_null(table: Table, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if table.columns[name].never_null]

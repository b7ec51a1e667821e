"""What a change calls otherwise: old rules are read with the new names, so that a rename alone changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.definitions.columns import ColumnDef
from app.definitions.project import Project
from app.expressions.syntax import Binary, Field, Has, Literal, Name, Node, rebuilt
from app.review.pairing import paired

# Roots whose fields are no columns.
_NO_ROWS = frozenset({"auth", "input", "request", "params", "secrets", "now"})


def _names(old: Sequence[object], new: Sequence[object]) -> dict[str, str]:
    both = ((before, after) for before, after in paired(old, new)[0] if before is not None)
    return {before.name: after.name for before, after in both if before.name != after.name}


@dataclass(frozen=True, slots=True)
class Renames:
    """Old names to new ones. `columns` are those of each table by its old name; `anywhere` names no other table has."""

    sources: Mapping[str, str]
    roles: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]
    anywhere: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.sources or self.roles or any(self.columns.values()))

    def source(self, name: str) -> str:
        """Give what a table or view is called now."""
        return self.sources.get(name, name)

    def of(self, table: str) -> Mapping[str, str]:
        """Give the columns of a table, by its old name, that are called otherwise."""
        return self.columns.get(table, {})

    def rule(self, node: Node, tables: Mapping[str, str]) -> Node:
        """Give a rule with the new names; `tables` says which table's rows `row` and `item` are."""
        changed = rebuilt(node, lambda part: self.rule(part, tables))
        if isinstance(changed, Field | Has):
            names = self._columns_of(changed.operand, tables)
            return replace(changed, name=names.get(changed.name, changed.name))
        if isinstance(changed, Binary) and changed.operator == "in" and _is_roles(changed.right):
            role = changed.left
            if isinstance(role, Literal) and role.value in self.roles:
                return replace(changed, left=replace(role, value=self.roles[role.value]))
        return changed

    def _columns_of(self, operand: Node, tables: Mapping[str, str]) -> Mapping[str, str]:
        if isinstance(operand, Field) and isinstance(operand.operand, Name):
            is_user = operand.operand.name == "auth" and operand.name == "user"
            return self.of("users") if is_user else {}
        if not isinstance(operand, Name) or operand.name in _NO_ROWS:
            return {}
        return self.of(tables[operand.name]) if operand.name in tables else self.anywhere


def _is_roles(node: Node) -> bool:
    return isinstance(node, Field) and node.name == "roles" and isinstance(node.operand, Field)


def _columns(project: Project) -> list[Sequence[ColumnDef]]:
    return [project.users.columns, *(table.columns for table in project.tables)]


NONE = Renames({}, {}, {}, {})


def renames(old: Project, new: Project) -> Renames:
    """Give what the new project calls otherwise than the old one."""
    tables, _ = paired(old.tables, new.tables)
    columns = {before.name: _names(before.columns, after.columns) for before, after in tables if before is not None}
    columns["users"] = _names(old.users.columns, new.users.columns)
    # A step's row may be of any table: a name that several have is not followed, and counts as changed.
    held = [column.name for columns_of in _columns(old) for column in columns_of]
    anywhere = {name: to for renamed in columns.values() for name, to in renamed.items() if held.count(name) == 1}
    sources = {**_names(old.tables, new.tables), **_names(old.views, new.views)}
    return Renames(sources, _names(old.roles, new.roles), columns, anywhere)

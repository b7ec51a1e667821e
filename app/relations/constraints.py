"""Every constraint and index of a table, by its name: what Postgres enforces, and what a violation means."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from app.database.quoting import quoted
from app.definitions.column_types import KEY, ColumnType, Keys
from app.definitions.columns import ColumnDef
from app.definitions.project import Project
from app.definitions.tables import CheckDef, TableDef
from app.definitions.validation import default_findings, pattern_findings
from app.definitions.values import sentence_of
from app.expressions.check import Scope, check
from app.expressions.to_sql import compile_sql
from app.expressions.types import BOOL
from app.relations.findings import Findings
from app.relations.literals import Literals, literal
from app.relations.references import ForeignKey, part_name, references_of, unique_name
from app.relations.schema import Table

_REGEXES = {
    "email": r"^[^\s@]+@[^\s@]+$",
    "url": r"^https?://[^\s/?#]+[^\s]*$",
    "slug": r"^[a-z0-9]+(-[a-z0-9]+)*$",
}
_TAKEN_TOGETHER = "Values that have to be unique together are taken."
# What RE2 and Postgres read alike. In Postgres \b is a backspace, and (?i), \p{…}, \z and \Q are not known as in RE2.
_SHARED_REGEX = re.compile(r"(?:[^\\(]|\\[.\\/\[\](){}*+?|^$\-dDwWsSnrt]|\((?!\?)|\(\?:)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """A constraint, an index or a trigger; `sql` is what stands behind `CONSTRAINT <name>`, else behind `ON <table>`.

    `concurrently` says that the index is built after the change, while the table goes on being written. `refers`
    is what a foreign key says.
    """

    kind: Literal["check", "unique", "unique index", "foreign key", "index", "trigger"]
    name: str
    columns: tuple[str, ...]
    sql: str
    message: str | None = None
    concurrently: bool = False
    refers: ForeignKey | None = None

    @property
    def is_index(self) -> bool:
        """Say whether it is an index by itself, and no constraint."""
        return self.kind in ("index", "unique index")


def parts_of(said: TableDef, table: Table) -> dict[str, Part]:
    """Give every part of a table of the project by its name."""
    parts = [part for column in said.defined for part in column_parts(said.name, column, table)]
    parts += _uniques(said, table)
    whole = [one.columns for one in said.unique if one.where is None]
    leading = [*whole, *(index.columns for index in said.indexes), (KEY,)]
    parts += [_index(table, index.columns, concurrently=index.concurrently) for index in said.indexes]
    for column in said.columns:
        if column.index or (column.target is not None and not column.unique and not _leads((column.name,), leading)):
            parts.append(_index(table, (column.name,)))
    for one in references_of(said.name, (), said.references):
        parts.append(_foreign_key(one, table))
        if not _leads(one.columns, leading):
            parts.append(_index(table, one.columns))
    parts += [_rule(said.name, index, rule, table) for index, rule in enumerate(said.checks)]
    return {part.name: part for part in parts}


def column_parts(table_name: str, column: ColumnDef, table: Table) -> list[Part]:
    """Give the parts that a column's own options make."""
    name = quoted(column.name)
    parts = []
    for word, condition in _conditions(column, name):
        sql = f"CHECK ({condition})"
        parts.append(Part("check", part_name(table_name, column.name, word), (column.name,), sql))
    if column.unique:
        parts.append(_unique(table_name, (column.name,)))
    if column.immutable:
        changes = f"OLD.{name} IS NOT NULL AND NEW.{name} IS DISTINCT FROM OLD.{name}"
        sql = f"FOR EACH ROW WHEN ({changes}) EXECUTE FUNCTION rowgate.immutable({name})"
        parts.append(Part("trigger", part_name(table_name, column.name, "immutable"), (column.name,), sql))
    return parts + [_foreign_key(one, table) for one in references_of(table_name, (column,))]


def _foreign_key(said: ForeignKey, table: Table) -> Part:
    action = {"cascade": "CASCADE", "set_null": "SET NULL"}.get(said.on_delete, "RESTRICT")
    there = f"{quoted(table.schema)}.{quoted(said.target)} ({_listed(said.to)})"
    sql = f"FOREIGN KEY ({_listed(said.columns)}) REFERENCES {there} ON DELETE {action}"
    return Part("foreign key", said.name, said.columns, sql, refers=said)


def _conditions(column: ColumnDef, name: str) -> list[tuple[str, str]]:
    """Give the conditions of a column's options; of an array they hold for each item."""
    every = "ALL" if column.array else ""
    found: list[tuple[str, str]] = []
    if column.array:
        found.append(("items", f"array_position({name}, NULL) IS NULL"))
    if column.min is not None:
        found.append(("min", f"{_bound(column.min, column.described)} <= {every}({name})"))
    if column.max is not None:
        found.append(("max", f"{_bound(column.max, column.described)} >= {every}({name})"))
    if column.described.pg == "numeric":
        found.append(("number", f"'NaN'::numeric <> {every}({name})"))
    if column.values is not None:
        values = literal(list(column.values), "text[]")
        found.append(("values", f"{name} <@ {values}" if column.array else f"{name} = ANY ({values})"))
    if not column.array:
        found += _text_conditions(column, name)
    return found


def _bound(bound: Decimal, kind: ColumnType) -> str:
    """Write a bound as it is said: not rounded to the scale of the column, and a whole number where one is wanted."""
    return literal(bound if kind.range is None else int(bound), kind.pg)


def _text_conditions(column: ColumnDef, name: str) -> list[tuple[str, str]]:
    found = []
    if column.min_length is not None:
        found.append(("min_length", f"char_length({name}) >= {column.min_length}"))
    if column.max_length is not None:
        found.append(("max_length", f"char_length({name}) <= {column.max_length}"))
    if column.pattern is not None:
        found.append(("pattern", f"{name} ~ {literal(f'^(?:{column.pattern})$', 'text')}"))
    if column.format is not None:
        found.append(("format", f"{name} ~ {literal(_REGEXES[column.format], 'text')}"))
    return found


def _unique(table: str, columns: tuple[str, ...]) -> Part:
    return Part("unique", unique_name(table, columns), columns, f"UNIQUE ({_listed(columns)})")


def _uniques(said: TableDef, table: Table) -> Iterator[Part]:
    """Give what is unique together: among all rows a constraint, among some of them an index."""
    several: Counter[tuple[str, ...]] = Counter()
    for one in said.unique:
        if one.where is None:
            yield _unique(said.name, one.columns)
            continue
        several[one.columns] += 1
        name = part_name(said.name, *one.columns, f"key{several[one.columns]}")
        sql = f"({_listed(one.columns)}) WHERE {_condition(one.where, table)[0]}"
        yield Part("unique index", name, one.columns, sql)


def _leads(columns: tuple[str, ...], groups: Iterable[tuple[str, ...]]) -> bool:
    """Say whether an index over some group finds rows by these columns."""
    return any(group[: len(columns)] == columns for group in groups)


def _index(table: Table, columns: tuple[str, ...], *, concurrently: bool = False) -> Part:
    name = part_name(table.name, *columns, "idx")
    only = table.columns[columns[0]].said if len(columns) == 1 else None
    by = f"USING {only.described.index_by} " if only and only.described.index_by and not only.array else ""
    return Part("index", name, columns, f"{by}({_listed(columns)})", concurrently=concurrently)


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(quoted(column) for column in columns)


def _rule(table_name: str, index: int, said: CheckDef, table: Table) -> Part:
    """Compile a rule of the table; unknown refuses, as everywhere, so it has to be true."""
    condition, paths = _condition(said.rule, table)
    columns = tuple(dict.fromkeys(path.split(".")[1] for path in sorted(paths) if path.startswith("row.")))
    name = part_name(table_name, "rule", str(index))
    return Part("check", name, columns, f"CHECK ({condition} IS TRUE)", said.message)


def _condition(rule: str, table: Table) -> tuple[str, Collection[str]]:
    """Give a rule over a row of the table in SQL, and the paths that it reads."""
    scope = Scope({"row": table.record}, rows=frozenset({"row"}))
    expression = check(rule.removeprefix("="), scope, BOOL, bare=scope)
    sql = compile_sql(expression, lambda _root, name: table.columns[name].value(quoted(name)), Literals())
    return f"({sql})", expression.paths


def constraint_messages(project: Project, tables: Mapping[str, Table]) -> dict[str, tuple[tuple[str, ...], str | None]]:
    """Give for each constraint's name the columns that it is about, and what its refusal says.

    That is the message that an admin wrote for it, what the option of the column asks, or that it is about several.
    """
    found: dict[str, tuple[tuple[str, ...], str | None]] = {"users_email": (("email",), None)}
    for said in project.tables:
        for part in parts_of(said, tables[said.name]).values():
            together = part.kind in ("unique", "unique index") and len(part.columns) > 1
            found[part.name] = (part.columns, _TAKEN_TOGETHER if together else part.message)
        for column in said.defined:
            found |= _option_sentences(said.name, column)
    for column in project.users.columns:
        for part in column_parts("users", column, tables["users"]):
            found[part.name] = (part.columns, part.message)
        found |= _option_sentences("users", column)
    return found


def _option_sentences(table_name: str, column: ColumnDef) -> dict[str, tuple[tuple[str, ...], str | None]]:
    return {
        part_name(table_name, column.name, word): ((column.name,), sentence_of(word, column))
        for word, _ in _conditions(column, quoted(column.name))
    }


def check_column(place: str, column: ColumnDef, keys: Keys, findings: Findings) -> None:
    """Report options that Postgres can't enforce, a pattern that is none, a default that the column wouldn't take."""
    found = pattern_findings(place, column.pattern) or default_findings(f"{place}.default", column, keys)
    findings.found += found
    if (
        column.pattern is not None
        and not pattern_findings(place, column.pattern)
        and not _SHARED_REGEX.fullmatch(column.pattern)
    ):
        hint = r"use literal text, [classes], \d \w \s, groups ( ) and (?: ), and the quantifiers * + ? {m,n}"
        findings.report(f"{place}.pattern", "this pattern can't be enforced by the database", hint)
    single = [
        option for option in ("min_length", "max_length", "pattern", "format") if getattr(column, option) is not None
    ]
    if column.array and (single or column.target is not None):
        what = f"{', '.join(single)} of" if single else f"{column.type} references in"
        findings.report(
            place, f"{what} the items of an array can't be enforced by the database", "use a table of its own"
        )

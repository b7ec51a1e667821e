"""What may be set through a view, by its clients and by the view itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.definitions.actions import ActionRule
from app.definitions.columns import ColumnDef
from app.definitions.tables import GENERATEDS
from app.definitions.views import ViewDef
from app.expressions.check import Scope
from app.relations.findings import Findings
from app.relations.schema import Column, Table
from app.relations.source import Source
from app.relations.values import Value, compile_field
from app.relations.write import unwritable


@dataclass(frozen=True, slots=True)
class Writable:
    """What clients may set in new rows through a view, by column, and `presets`, which the view sets in them itself.

    `settable` is what an update may set, `compared` the other columns that it may send, as they are, and `changes` what
    the view sets itself in rows that are updated.
    `times` are those of these that an upsert may send: none of them refers to a row, or could be taken by one.
    """

    columns: Mapping[str, ColumnDef]
    presets: Mapping[str, Value]
    settable: Mapping[str, ColumnDef]
    compared: Mapping[str, ColumnDef]
    changes: Mapping[str, Value] = field(default_factory=dict)

    @property
    def times(self) -> dict[str, ColumnDef]:
        """Give the times that the database keeps and clients may send as they are."""
        return {name: said for name, said in self.compared.items() if name in GENERATEDS[1:]}


def writable_of(view: ViewDef, source: Source, scope: Scope, findings: Findings) -> Writable | None:
    """Check `allow`, `writable` and `presets`; None for a view that is only read, or after a finding."""
    place = f"views/{view.name}"
    if set(view.allow) <= {"select"}:
        if view.writable is not None or view.presets:
            hint = "allow: [select, insert, update, delete] lets clients write"
            findings.report(f"{place}.allow", "writable and presets say something only where rows are written", hint)
        return None
    if source.table.name == "users":
        hint = "people sign up, and change their own row by PUT /auth/v1/user"
        findings.report(f"{place}.allow", "users can't be written through a view", hint)
        return None
    before = findings.refusing
    insert, update = view.rule("insert"), view.rule("update")
    columns = _columns(insert, source, findings)
    again = update.place_of("writable") == insert.place_of("writable")
    changed = _columns(update, source, Findings() if again else findings)
    settable = {name: said for name, said in changed.items() if not source.table.columns[name].is_counted}
    compared = {
        one.name: one.said
        for one in _plain(source)
        if one.name not in settable and (one.definition is None or view.unchanged == "ignore")
    }
    presets, changes = (_presets(rule, source.table, scope, findings) for rule in (insert, update))
    writable = Writable(columns, presets, settable, compared, changes)
    _check_settable(view, source.table, writable, findings)
    return writable if findings.refusing == before else None


def _plain(source: Source) -> list[Column]:
    """Give the columns of the table that the view shows."""
    names = (name for name in source.shown if name in source.table.columns and name not in source.computed)
    return [source.table.columns[name] for name in names]


def _columns(rule: ActionRule, source: Source, findings: Findings) -> dict[str, ColumnDef]:
    """Give the plain columns that the view shows and clients may set by an action."""
    plain = {column.name: column for column in _plain(source)}
    kept = {name for name, column in plain.items() if column.definition is None}
    place = rule.place_of("writable")
    for name in rule.writable or ():
        if name not in plain:
            findings.unknown(place, "column that can be written", name, [one for one in plain if one not in kept])
        elif name in rule.presets and "writable" in rule.own:
            findings.report(place, f"a preset can't be writable: {name}", f"say presets of {rule.action} without it")
    return {name: plain[name].said for name in rule.takes(plain, kept)}


def _check_settable(view: ViewDef, table: Table, writable: Writable, findings: Findings) -> None:
    place, set_by_somebody = f"views/{view.name}.allow", {*writable.columns, *view.rule("insert").presets}
    if "update" in view.allow and not (writable.settable or view.rule("update").presets):
        findings.report(place, "no column of this view can be updated", "show one that may be set")
    if "insert" not in view.allow:
        return
    if not set_by_somebody:
        findings.report(place, "no column of this view can be set", "show one that may be set")
    if missing := [name for name, column in table.columns.items() if column.required and name not in set_by_somebody]:
        hint = "show and let write them, set them by presets, or give them a default"
        findings.report(place, f"a new row of {table.name} needs {', '.join(missing)}", hint)


def _presets(rule: ActionRule, table: Table, scope: Scope, findings: Findings) -> dict[str, Value]:
    presets = {}
    kept = unwritable(table, list(rule.presets))
    for name, said in rule.presets.items():
        place = f"{rule.place_of('presets')}.{name}"
        if name not in table.columns:
            findings.unknown(place, "column", name, list(table.columns))
        elif name in kept:
            findings.report(place, f"{name!r} is kept by the database", "leave it out")
        elif (value := compile_field(said, place, scope, findings, table.columns[name].type)) is not None:
            presets[name] = value
    return presets

"""Two people, and rows of each in every table that they can own: what the proof's requests try to reach."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.compiler.runtime import Runtime
from app.database.faults import FAULTS, translated
from app.database.opening import DatabaseUnavailable
from app.database.quoting import quoted
from app.definitions.column_types import KEY, Keys
from app.definitions.columns import ColumnDef
from app.definitions.validation import plain, reader
from app.expressions.types import DATE, INT, STRING, TIMESTAMP
from app.isolation.made_values import Maker, distinct, fits, known_by
from app.policy_tests.scratch import Scratch
from app.relations.fixtures import insert_whole
from app.relations.references import ForeignKey
from app.relations.schema import Table, item_type
from app.review.links import Links, Place

ANA, BEN = "ana", "ben"
PEOPLE = (ANA, BEN)
SOMEBODY = "somebody"
NOBODY = "nobody"
"""Whose rows those are that belong to no person: of tables that aren't anybody's, unused by what people own."""
SETS = (1, 2)
_ATTEMPTS = 30
_KEPT = frozenset({"created_at", "updated_at"})


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was inserted.

    `wire` are the values that were given, as a client sends them; `columns` is the row as JSON, `record` as rules see
    it.
    """

    owner: str
    number: int
    table: str
    id: Any
    wire: Mapping[str, Any]
    columns: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Give what a reader calls it."""
        return f"{self.owner}.{self.table}" if self.number == SETS[0] else f"{self.owner}.{self.table}.{self.number}"


@dataclass(slots=True)
class Mark:
    """A value of somebody's row by which the row is known again."""

    row: Row
    column: str

    @property
    def place(self) -> Place:
        """Give its table and column."""
        return self.row.table, self.column


@dataclass(slots=True)
class World:
    """The rows that there are, in the order in which they were inserted, and the marks in them.

    `missing` names the tables of which there is no row, with the reason.
    """

    rows: list[Row] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def of(self, owner: str, table: str) -> list[Row]:
        """Give the rows of somebody in a table."""
        return [row for row in self.rows if row.owner == owner and row.table == table]

    def user(self, owner: str) -> Row:
        """Give somebody's row of `users`."""
        return self.of(owner, "users")[0]

    def values(self, owner: str, place: Place) -> list[Any]:
        """Give somebody's values of a column, as a client sends them."""
        table, column = place
        found = [row.wire[column] for row in self.of(owner, table) if row.wire.get(column) is not None]
        return distinct(found)

    def row(self, table: str, id_: str) -> Row | None:
        """Give the row of an id."""
        return next((row for row in self.rows if row.table == table and str(row.id) == id_), None)


def owned_tables(runtime: Runtime, links: Links) -> frozenset[str]:
    """Name the tables whose rows are somebody's.

    They have a user column, or a column that a rule compares with one of the caller's own, or refer to such a table.
    """
    owned = {"users"}
    for table in runtime.schema.tables.values():
        for name, column in table.columns.items():
            said = column.definition
            if said is None or table.name == "users":
                continue
            if said.target == "users" or (not said.choices and (table.name, name) in links.of_callers):
                owned.add(table.name)
    return with_children(runtime, owned)


def with_children(runtime: Runtime, tables: Iterable[str]) -> frozenset[str]:
    """Add the tables that refer to one of these, and those that refer to them."""
    found = set(tables)
    while True:
        more = {
            table.name
            for table in runtime.schema.tables.values()
            if table.name not in found and any(one.target in found - {"users"} for one in table.references)
        }
        if not more:
            return frozenset(found)
        found |= more


def references(table: Table) -> list[tuple[str, str]]:
    """Give the columns that hold one id of a table, `users` among them, each with that table."""
    return [(one.columns[0], one.target) for one in table.references if one.is_by_id]


def pointing(reference: ForeignKey, row: "Row") -> dict[str, Any]:
    """Give what the columns of a reference to a row hold, as a client sends it; nothing where that is a null."""
    values = [row.id if name == KEY else row.wire.get(name) for name in reference.to]
    return {} if None in values else dict(zip(reference.columns, values, strict=True))


class Builder:
    """Makes a world in the tables of a scratch connection."""

    def __init__(self, runtime: Runtime, links: Links, owned: frozenset[str], maker: Maker) -> None:
        """Take what the rows are made for; nothing is inserted yet."""
        self.runtime, self.links, self.owned = runtime, links, owned
        self.maker = maker
        self.same = {place: group for group in links.same for place in group}
        self.order = _in_order(list(runtime.schema.tables.values()))
        self.world = World()

    async def build(self, held: Scratch) -> World:
        """Insert every row that can be."""
        self.world = World()
        for owner, number, table in self._wanted():
            await self._row(held, owner, number, table)
            if owner in PEOPLE and number == SETS[-1] and table == self.order[-1]:
                await self._later(held, owner)
        made = {row.table for row in self.world.rows if row.owner in PEOPLE}
        self.world.missing = {table: why for table, why in self.world.missing.items() if table not in made}
        await held.connection.execute("SAVEPOINT rowgate_rows")
        return self.world

    def _wanted(self) -> Iterator[tuple[str, int, Table]]:
        """Say whose rows there are to be, in the order in which they can be inserted."""
        users = self.runtime.schema.tables["users"]
        yield from ((NOBODY, SETS[0], table) for table in self.order if table.name not in self.owned)
        # Of somebody else there is just a person, with what that can't be without.
        yield from ((SOMEBODY, SETS[0], table) for table in self.order[: 1 + self.order.index(users)])
        for owner in PEOPLE:
            for number in SETS:
                yield from ((owner, number, table) for table in self.order if table != users or number == SETS[0])

    async def _row(self, held: Scratch, owner: str, number: int, table: Table) -> None:
        """Insert a row; one that its table doesn't take is tried again with other values."""
        said = f"no row that {table.name} takes was found"
        for attempt in range(_ATTEMPTS):
            try:
                wire = self._values(owner, number, table, attempt)
            except LookupError as error:
                said = str(error)
                break
            try:
                await self._insert(held, Row(owner, number, table.name, wire["id"], wire, {}, {}), table)
            except FAULTS as error:
                await held.connection.execute("ROLLBACK TO SAVEPOINT rowgate_row")
                refusal = translated(error)
                if isinstance(refusal, DatabaseUnavailable):
                    raise
                said = f"{refusal} ({getattr(error, 'constraint_name', None) or table.name})"
                continue
            return
        self.world.missing.setdefault(table.name, said)

    async def _insert(self, held: Scratch, row: Row, table: Table) -> None:
        read = {name: _read(table, name, value, self.runtime.keys) for name, value in row.wire.items()}
        await held.connection.execute("SAVEPOINT rowgate_row")
        sql = insert_whole(table, list(read))
        await held.connection.fetchrow(sql, *read.values())
        self.world.rows.append(await _read_back(held, row, table))
        if row.owner in PEOPLE:
            for text, column in self._marks(row, table):
                self.world.marks.setdefault(text, Mark(self.world.rows[-1], column))

    def _marks(self, row: Row, table: Table) -> Iterator[tuple[str, str]]:
        yield str(row.id), "id"
        if table.name == "users":
            yield str(row.wire["email"]).lower(), "email"
        for name, said in _definitions(table):
            if name not in dict(references(table)) and name in row.wire:
                mark = known_by(said, row.wire[name])
                if mark is not None:
                    yield mark.lower(), name

    def _values(self, owner: str, number: int, table: Table, attempt: int) -> dict[str, Any]:
        """Give the values of a row; raises LookupError where one that it needs can't be made."""
        wire = self._kept(f"{owner}/{number}/{table.name}", owner, table)
        held = self._held(owner, number, table, attempt)
        targets = {name: one.target for one in table.references for name in one.columns}
        for name, said in _definitions(table):
            if number == SETS[0] and _may_come_later(said):
                continue
            value = held.get(name) if name in targets else self._made(owner, number, table, name, said, attempt)
            if value is not None:
                wire[name] = value
            elif said.required and said.default is None:
                target = targets.get(name)
                message = f"no value for {table.name}.{name} was found"
                raise LookupError(message if target is None else f"there is no row of {target} for it")
        if "created_at" in table.columns:
            wire["created_at"] = self.maker.moment_before(len(self.world.rows)).isoformat()
        return {**wire, **self._several(owner, wire, dict(references(table)), attempt)}

    def _kept(self, seed: str, owner: str, table: Table) -> dict[str, Any]:
        """Give what the database makes, or signing up."""
        key = table.columns[KEY]
        made = self.maker.number(seed) if key.type == INT else self.maker.uuid(seed)
        wire: dict[str, Any] = {} if key.definition is not None else {KEY: made}
        if table.name == "users":
            wire["email"] = f"{owner}-{self.maker.uuid(seed)[:8]}@example.com"
        return wire

    def _several(self, owner: str, wire: Mapping[str, Any], targets: Mapping[str, str], attempt: int) -> dict[str, Any]:
        """Give other people for some columns: a rule may want two different ones. One stays who it is."""
        people = [name for name, target in targets.items() if target == "users" and wire.get(name) is not None]
        if not attempt or len(people) < len(PEOPLE) or owner not in PEOPLE:
            return {}
        own = people[(attempt + 1) % len(people)]
        return {name: self.world.user(SOMEBODY).id for name in people if name != own}

    def _held(self, owner: str, number: int, table: Table, attempt: int) -> dict[str, Any]:
        """Give what the columns of references hold, as far as there are rows for them."""
        found: dict[str, Any] = {}
        for one in table.references:
            row = self._target(owner, number, one.target, attempt)
            found |= {} if row is None else pointing(one, row)
        return found

    def _target(self, owner: str, number: int, target: str, attempt: int) -> "Row | None":
        if target == "users":
            found = self.world.of(owner if owner in PEOPLE else SOMEBODY, "users")
        else:
            mine = [row for row in self.world.of(owner, target) if row.number <= number]
            found = mine[::-1] if attempt % 2 == 0 else mine
        return found[0] if found else None

    def _made(self, owner: str, number: int, table: Table, name: str, said: ColumnDef, attempt: int) -> Any:
        """Make a value: one that rules compare with is tried too, and columns that rules hold equal are equal."""
        place = (table.name, name)
        chosen = self._chosen(number, place, said, attempt)
        if chosen is not None:
            return [chosen] if said.array else chosen
        group = self.same.get(place, frozenset({place}))
        for other in sorted(group - {place}):
            value = self._of_group(owner, number, other)
            if value is not None and fits(said, value):
                return value
        # What is compared with a column of the caller's own is one and the same in both sets.
        whose = f"{owner}/{SETS[0]}" if any(table == "users" for table, _ in group) else f"{owner}/{number}"
        return self.maker.value(said, f"{whose}/{sorted(group)}", attempt)

    def _chosen(self, number: int, place: Place, said: ColumnDef, attempt: int) -> Any:
        """Choose a value that rules compare with, and in the second set another one than in the first."""
        literals = [one for one in self.links.literals.get(place, ()) if fits(said, one)]
        if literals and said.default is None and not said.array and (item_type(said) != STRING or number > SETS[0]):
            return literals[attempt % len(literals)]
        if number == SETS[0] or attempt:
            return None
        values = said.choices
        return next((value for value in values if value != said.default), values[0]) if values else None

    def _of_group(self, owner: str, number: int, place: Place) -> Any:
        """Give the id that a column of the group holds, if it holds one, or the value of a column of the person's."""
        table = self.runtime.schema.tables[place[0]]
        if table.name == "users" and place[1] != "id" and self.world.of(owner, "users"):
            return self.world.user(owner).wire.get(place[1])
        if place[1] != "id":
            targets = dict(references(table))
            if place[1] not in targets:
                return None
            table = self.runtime.schema.tables[targets[place[1]]]
        rows = self.world.of(owner, table.name)
        return next((row.id for row in reversed(rows) if row.number <= number), None)

    async def _later(self, held: Scratch, owner: str) -> None:
        """Set the references that could not be set, since what they refer to came later."""
        for index, row in enumerate(self.world.rows):
            table = self.runtime.schema.tables[row.table]
            for name, target in references(table) if row.owner == owner else ():
                others = [one for one in self.world.of(owner, target) if (one.table, one.id) != (row.table, row.id)]
                if name in row.wire or not others:
                    continue
                other = next((one for one in others if one.number == row.number), others[0])
                await held.connection.execute("SAVEPOINT rowgate_row")
                try:
                    sql = f"UPDATE {table.sql} SET {quoted(name)} = $1 WHERE id = $2"  # noqa: S608 - quoted names
                    await held.connection.execute(sql, other.id, row.id)
                    row = await _read_back(held, replace(row, wire={**row.wire, name: other.id}), table)  # noqa: PLW2901 - as it is now
                except FAULTS:
                    await held.connection.execute("ROLLBACK TO SAVEPOINT rowgate_row")
                    continue
                self.world.rows[index] = row
        known = {(row.table, row.id): row for row in self.world.rows}
        for mark in self.world.marks.values():
            mark.row = known[mark.row.table, mark.row.id]


async def _read_back(held: Scratch, row: Row, table: Table) -> Row:
    """Give a row as it stands now; raises where a constraint that waits for the end of a transaction refuses it."""
    await held.connection.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    sql = f"SELECT t.*, to_jsonb(t.*) AS rowgate_json FROM {table.sql} t WHERE id = $1"  # noqa: S608 - a quoted name
    record = dict(await held.connection.fetchrow(sql, row.id))
    columns = record.pop("rowgate_json")
    return replace(row, columns=columns, record=record)


def _definitions(table: Table) -> Iterator[tuple[str, ColumnDef]]:
    """Give the columns that aren't kept by the database."""
    for name, column in table.columns.items():
        if column.definition is not None:
            yield name, column.definition


def _may_come_later(said: ColumnDef) -> bool:
    """Say whether a column says when something was done, such as `deleted_at`: of the first rows nothing was."""
    return item_type(said) in (TIMESTAMP, DATE) and not said.required and said.default is None


def _read(table: Table, name: str, value: Any, keys: Keys) -> Any:
    said = table.columns[name].definition
    if name == "created_at":
        return datetime.fromisoformat(value)
    return value if said is None else reader(said, keys)(plain(value))


def _in_order(tables: Sequence[Table]) -> list[Table]:
    """Put each table behind those that it has to refer to, and as far as possible behind those that it may."""
    by_name = {table.name: table for table in tables}
    ordered: dict[str, Table] = {}
    under_way: set[str] = set()

    def add(table: Table) -> None:
        if table.name in under_way:
            return
        under_way.add(table.name)
        targets = [one.target for one in table.references]
        needed = [one.target for one in table.references if any(table.columns[name].required for name in one.columns)]
        for target in (*needed, *targets):
            if target != table.name:
                add(by_name[target])
        ordered[table.name] = table

    for table in tables:
        add(table)
    return list(ordered.values())

"""Judging an answer: whether it carries anything of the other person's, changed it, or tells that it is there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from app.auth.identity import ANONYMOUS
from app.compiler.runtime import Runtime
from app.compiler.test_targets import Served
from app.data_plane.seeing.verdict import differences
from app.database.faults import FAULTS, ReferenceViolated, translated
from app.database.quoting import quoted
from app.http.json_answer import to_json
from app.http.json_body import json_or_text
from app.isolation.asking import Asking, Deletes
from app.isolation.callers import Caller, ProofAsked
from app.isolation.leaks import Seen
from app.isolation.made_inputs import Sent
from app.isolation.tenants import PEOPLE, Mark, Row, World, owned_tables, pointing
from app.policy_tests.attempt import Attempt
from app.policy_tests.result import checks_passed, deciding
from app.relations.references import ForeignKey
from app.review.links import Links, Place


class Found:
    """What all connections have found.

    `public` are the marks that strangers are shown, `open_writes` what they may do to others' rows, and `guarded` the
    tables whose rows are kept from others somewhere, though nothing in their columns says whose they are.
    """

    def __init__(self, runtime: Runtime, links: Links, asked: ProofAsked) -> None:
        """Begin with nothing."""
        self.asked = asked
        self.owned = owned_tables(runtime, links)
        self.public: set[tuple[str, int, str, str]] = set()
        self.open_writes: set[tuple[Served, str, str]] = set()
        self.guarded: set[str] = set()
        self.seen: list[Seen] = []
        self._shortest: dict[tuple[Served, str], int] = {}  # how long the request is that is told

    def tells_better(self, seen: Seen) -> bool:
        """Say whether a request is told already that did the same, is no longer, and reached what is surely owned."""
        length = len(seen.sent.text)
        return self._shortest.get((seen.what, seen.kind), length + 1) <= length

    def add(self, seen: Seen) -> None:
        """Keep what was seen."""
        if not self.tells_better(seen) and any(table in self.owned for table, _ in seen.places):
            self._shortest[seen.what, seen.kind] = len(seen.sent.text)
        self.seen.append(seen)

    def is_shared(self, table: str, column: str | None = None) -> bool:
        """Say whether everybody may have it, as the proof was told."""
        return table in self.asked.shared or f"{table}.{column}" in self.asked.shared

    def is_public(self, mark: Mark) -> bool:
        """Say whether a stranger is shown it too."""
        return (mark.row.owner, mark.row.number, mark.row.table, mark.column) in self.public


class Judge:
    """Looks at answers over the rows of one connection."""

    def __init__(self, found: Found, asking: Asking, world: World) -> None:
        """Take where to note what is found."""
        self.found, self.asking, self.world = found, asking, world
        words = sorted(world.marks, key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, words)) or r"(?!)")
        self._deletes = {person: self._without(person) for person in PEOPLE}
        self._seen: list[Seen] = []  # of the answer that is looked at
        self._waiting: list[tuple[Sent, Attempt]] = []  # which show nothing, and may tell of something all the same

    def marks(self, came: Attempt) -> list[Mark]:
        """Give whatever is known again in an answer."""
        headers = "\n".join(value for _, value in came.answer.headers)
        text = f"{headers}\n{(came.answer.body or b'').decode('utf-8', 'replace')}".lower()
        return [self.world.marks[word] for word in dict.fromkeys(self._words.findall(text))]

    async def judge(self, what: Served, caller: Caller, sent: Sent, came: Attempt) -> None:
        """Note what an answer gives away, and what the request has done; `compare` says what else it tells."""
        await self._look(what, caller, sent, came)
        await self._explain(caller, sent, came)

    async def compare(self, what: Served, caller: Caller, *, is_public: bool) -> None:
        """Note which of the answers judged so far are other ones where the other person has no rows.

        Where `is_public`, strangers may ask too.
        """
        deletes = [delete for _, delete in self._deletes[caller.other]]
        waiting, self._waiting = self._waiting, []
        if not deletes:
            return
        without = []
        for sent, _ in waiting:
            without.append(await self._answer_without(caller, sent, deletes))
            if self.asking.held.broken:
                return
        for (sent, came), other in zip(waiting, without, strict=True):
            if await self._depends(caller, sent, came, other):
                await self._compare(what, caller, sent, came, is_public=is_public)
                await self._explain(caller, sent, came)
            if self.asking.held.broken:
                return

    async def _explain(self, caller: Caller, sent: Sent, came: Attempt) -> None:
        """Take what was seen of an answer; what may be told of it gets the whole trace, by asking again."""
        seen, self._seen = self._seen, []
        if not all(map(self.found.tells_better, seen)):
            # Nobody looks any more at what the request has written.
            told = came if self.asking.held.broken else await self.asking.explain(caller, sent)
            passed, decided = tuple(checks_passed(told.trace)), deciding(told.trace)
            seen = [replace(one, let_by=passed, decided=decided) for one in seen]
        for one in seen:
            self.found.add(one)

    async def _look(self, what: Served, caller: Caller, sent: Sent, came: Attempt) -> None:
        await self._judge_writes(what, caller, sent, came)
        marks = self.marks(came)
        if caller.identity.is_anonymous:
            self.found.public |= {(one.row.owner, one.row.number, *one.place) for one in marks}
            return
        foreign = [one for one in marks if one.row.owner == caller.other]
        hidden = [
            one
            for one in foreign
            if not self.found.is_public(one) and not self.found.is_shared(*one.place) and not self._was_sent(one, sent)
        ]
        if hidden:
            self._add(what, caller, sent, came, "shows", frozenset(one.place for one in hidden))
        elif not foreign and came.answer.status < HTTPStatus.BAD_REQUEST:
            self._waiting.append((sent, came))

    def _was_sent(self, mark: Mark, sent: Sent) -> bool:
        return any(word in sent.text for word, one in self.world.marks.items() if one is mark)

    async def _judge_writes(self, what: Served, caller: Caller, sent: Sent, came: Attempt) -> None:
        """Note what of the other's was changed, and what was written in the other's name."""
        for (table, id_), done in came.written.items():
            row = self.world.row(table, id_)
            if row is not None and row.owner == caller.other:
                columns = await self._changed(row) if done == "updated" else frozenset({"id"})
                places = frozenset((table, one) for one in columns if not self.found.is_shared(table, one))
                self._wrote(what, caller, sent, came, "deletes" if done == "deleted" else "changes", places)
            elif done != "deleted" and await self._is_in_the_name_of(table, id_, caller.other):
                places = frozenset() if self.found.is_shared(table) else frozenset({(table, "id")})
                self._wrote(what, caller, sent, came, "writes in the name of", places)

    def _wrote(
        self, what: Served, caller: Caller, sent: Sent, came: Attempt, kind: str, places: frozenset[Place]
    ) -> None:
        if caller.identity.is_anonymous:
            self.found.open_writes |= {(what, kind, table) for table, _ in places}
            return
        kept = frozenset(one for one in places if (what, kind, one[0]) not in self.found.open_writes)
        if kept:
            self._add(what, caller, sent, came, kind, kept)

    async def _changed(self, row: Row) -> frozenset[str]:
        """Name the columns that have other values now; a row that was written as it was is none the worse."""
        now = await self.asking.read(row.table, row.id)
        changed = frozenset(name for name, value in row.columns.items() if now.get(name) != value)
        return changed - {"updated_at"}

    async def _is_in_the_name_of(self, table: str, id_: str, person: str) -> bool:
        """Say whether a row that was written is somebody's alone: by its user columns, else by what it refers to."""
        now = await self.asking.read(table, id_)
        refers = [
            one
            for one in self.asking.runtime.schema.tables[table].references
            if all(now.get(name) is not None for name in one.columns)
        ]
        people = [one for one in refers if one.target == "users"]
        if people:
            return all(_points_at(one, now, self.world.user(person)) for one in people)
        rows = [
            row
            for one in refers
            if one.target in self.found.owned
            for row in self.world.rows
            if row.table == one.target and _points_at(one, now, row)
        ]
        shown = all((row.owner, row.number, row.table, "id") in self.found.public for row in rows)
        return {row.owner for row in rows} == {person} and not shown

    async def _compare(self, what: Served, caller: Caller, sent: Sent, came: Attempt, *, is_public: bool) -> None:
        """Note an answer that is another one where the other person has no rows, though it shows none of them."""
        if is_public and await self._differs(stranger(caller), sent):
            return
        tables = [table for table, _ in self._deletes[caller.other]]
        alone = [one for one in tables if await self._differs(caller, sent, came, only=one)] or tables
        self._add(what, caller, sent, came, "tells of", frozenset((table, "id") for table in alone))

    async def _differs(self, caller: Caller, sent: Sent, came: Attempt | None = None, only: str | None = None) -> bool:
        deletes = [delete for table, delete in self._deletes[caller.other] if only in (None, table)]
        if not deletes:
            return False
        live = came or await self.asking.ask(caller, sent)
        return await self._depends(caller, sent, live, await self._answer_without(caller, sent, deletes))

    async def _answer_without(self, caller: Caller, sent: Sent, deletes: Sequence[Deletes]) -> Attempt | None:
        """Give the answer where rows are away; None where they can't be, since rows that stay refer to them."""
        try:
            return await self.asking.ask_without(caller, sent, deletes)
        except FAULTS as error:
            if isinstance(translated(error), ReferenceViolated):
                return None
            raise

    async def _depends(self, caller: Caller, sent: Sent, live: Attempt, without: Attempt | None) -> bool:
        """Say whether an answer is another one without the rows, and is itself when it is asked for again."""
        if without is None or without.answer.status >= HTTPStatus.BAD_REQUEST:
            return False
        one, other = _seen(live), _seen(without)
        if not differences(one, one, other):
            return False
        again = await self.asking.ask(caller, sent)
        return bool(differences(one, _seen(again), other))

    def _without(self, person: str) -> list[tuple[str, Deletes]]:
        """Give the statements that take somebody's rows away: of what is theirs, and neither shared nor public."""
        public = {table for _, _, table, _ in self.found.public}
        kept = public | {one.partition(".")[0] for one in self.found.asked.shared} | {"users"}
        found: dict[str, list[Any]] = {}
        for row in self.world.rows[::-1]:
            if row.owner == person and row.table in self.found.owned and row.table not in kept:
                found.setdefault(row.table, []).append(row.id)
        tables = self.asking.runtime.schema.tables
        return [
            (table, (f"DELETE FROM {tables[table].sql} WHERE {quoted('id')} = ANY($1)", ids))  # noqa: S608 - quoted names
            for table, ids in found.items()
        ]

    def _add(
        self, what: Served, caller: Caller, sent: Sent, came: Attempt, kind: str, places: frozenset[Place]
    ) -> None:
        labels = {str(row.id): row.label for row in self.world.rows}
        self._seen.append(Seen(what, kind, caller, places, sent, came.answer.status, (), None, labels))


def stranger(caller: Caller) -> Caller:
    """Give nobody in somebody's place."""
    return Caller(caller.name, caller.other, ANONYMOUS, {}, caller.now)


def _points_at(reference: ForeignKey, columns: Mapping[str, Any], row: Row) -> bool:
    held = pointing(reference, row)
    return bool(held) and all(str(columns[name]) == str(value) for name, value in held.items())


def _seen(came: Attempt) -> dict[str, Any]:
    ranges = [value for name, value in came.answer.headers if name.lower() == "content-range"]
    return {"status": came.answer.status, "range": ranges, "body": _in_one_order(json_or_text(came.answer.body))}


def _in_one_order(value: Any) -> Any:
    """Put the items of lists in one order: that of rows which are equal in what orders them says nothing."""
    if isinstance(value, dict):
        return {key: _in_one_order(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted((_in_one_order(one) for one in value), key=to_json)
    return value

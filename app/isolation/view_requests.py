"""What is asked of a view: rows by every filter, embed and aggregate that there is, and writes of another's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from app.compiler.runtime import CompiledView, Runtime
from app.definitions.columns import ColumnDef
from app.expressions.types import BOOL
from app.isolation.made_inputs import Sent, text_of
from app.isolation.made_values import Maker, distinct, fits
from app.isolation.tenants import NOBODY, PEOPLE, Row, World, pointing, references
from app.relations.schema import item_type
from app.review.links import Path, Place

_SAFE = "(),.:*!->"
_MOST_EMBEDS = 60
_CSV, _OBJECT = "text/csv", "application/vnd.pgrst.object+json"
_WHOLE = "return=representation"
_MERGE = "resolution=merge-duplicates,return=representation"


class ViewRequests:
    """The requests to one view."""

    def __init__(
        self, runtime: Runtime, view: CompiledView, links: Mapping[Path, tuple[Place, ...]], maker: Maker
    ) -> None:
        """Take the view, what its params stand for, and what makes values."""
        self.runtime, self.view, self.links, self.maker = runtime, view, links, maker
        self.table = view.source.table
        plain = [name for name in view.source.shown if name not in view.source.computed]
        self.plain = [name for name in plain if name in self.table.columns]
        self.has_id = "id" in self.plain

    def own(self, action: str, world: World, owner: str) -> Iterator[Sent]:
        """Give what somebody asks for with the own rows."""
        rows = world.of(owner, self.table.name)
        params = self._params(world, owner, owner)
        match action:
            case "select":
                yield self._read({**params, "select": "*"})
                yield self._read({"select": "*"})
            case "insert":
                for attempt in range(4):
                    yield self._post(self._new(world, owner, attempt), params)
            case "update":
                for row in rows:
                    yield self._patch(row, self._change(world, owner), params)
            case _:
                for row in rows:
                    yield self._delete({**params, **self._only(row)})

    def others(self, action: str, world: World, owner: str, other: str) -> Iterator[Sent]:
        """Give what somebody could ask for to reach another's rows."""
        theirs = world.of(other, self.table.name)
        for params in self._all_params(world, owner, other):
            match action:
                case "select":
                    yield from self._reads(world, owner, theirs, params)
                case "insert":
                    yield from self._inserts(world, owner, other, theirs, params)
                case "update":
                    yield from self._updates(world, owner, other, theirs, params)
                case _:
                    for row in theirs:
                        yield self._delete({**params, **self._only(row)})
                    yield self._delete(params)

    def _reads(self, world: World, owner: str, theirs: Sequence[Row], params: Mapping[str, object]) -> Iterator[Sent]:
        mine = world.of(owner, self.table.name)
        yield self._read({**params, "select": "*"}, {"Prefer": "count=exact"})
        yield self._read({**params, "select": "*"}, {"Accept": _CSV})
        yield self._read({**params, "select": "count()"})
        yield Sent("POST", f"/rest/v1/{self.view.name}/query", "", {}, {**params, "select": "*"})
        for name in self.plain:
            yield self._read({**params, "select": f"{name}.max(),{name}.min()"})
            yield self._read({**params, "select": "*", "order": f"{name}.desc"})
        for embed in self._embeds():
            yield self._read({**params, "select": f"*,{embed}"})
        yield from self._embedded(theirs, world, owner, params)
        for row in theirs:
            for name in self.plain:
                value = row.columns.get(name)
                if value is None or isinstance(value, dict | list):
                    continue
                text = text_of(value)
                yield self._read({**params, "select": "*", name: f"eq.{text}"})
                if mine and self.has_id:
                    either = f"({name}.eq.{_quoted(text)},id.eq.{mine[0].id})"
                    yield self._read({**params, "select": "*", "or": either})
            if self.has_id:
                yield self._read({**params, "select": "*", "id": f"eq.{row.id}"}, {"Accept": _OBJECT})
                ids = ",".join(str(one.id) for one in (*mine, row))
                yield self._read({**params, "select": "*", "id": f"in.({ids})"})

    def _embeds(self) -> list[str]:
        """Give the ways to other views, and from them to further ones."""
        found = []
        for way, target in self._ways(self.view):
            found += [f"{way}(*)", f"{way}(count())"]
            inner = self.runtime.views.get(target)
            if inner is not None:
                found += [f"{way}(*,{further}(*))" for further, _ in self._ways(inner)]
        return found[:_MOST_EMBEDS]

    def _ways(self, view: CompiledView) -> list[tuple[str, str]]:
        found = []
        for target in self.runtime.views:
            ways = view.related.relationships.between(view.source, target)
            hints = [f"!{hint}" for way in ways for hint in way.hints[:1]] if len(ways) > 1 else [""] if ways else []
            found += [(f"{target}{hint}", target) for hint in hints]
        return found

    def _embedded(
        self, theirs: Sequence[Row], world: World, owner: str, params: Mapping[str, object]
    ) -> Iterator[Sent]:
        """Ask for the other's rows inside of one's own."""
        others = {row.owner for row in theirs} or {one for one in PEOPLE if one != owner}
        for way, target in self._ways(self.view):
            view = self.runtime.views[target]
            for row in (row for other in others for row in world.of(other, view.source.table.name)):
                if "id" in view.source.shown and "id" not in view.source.computed:
                    tested = {**params, "select": f"*,{way}!inner(*)", f"{target}.id": f"eq.{row.id}"}
                    yield self._read(tested if "!" not in way else {**tested, "select": f"*,{way}(*)"})

    def _inserts(
        self, world: World, owner: str, other: str, theirs: Sequence[Row], params: Mapping[str, object]
    ) -> Iterator[Sent]:
        new = self._new(world, owner, 0)
        for one in self.table.references:
            for row in world.of(other, one.target):
                if self._may_send(one.columns, "insert"):
                    yield self._post({**new, **pointing(one, row)}, params)
        for name in new:
            for value in world.values(other, (self.table.name, name)):
                yield self._post({**new, name: value}, params)
        groups = [sorted(group) for group in self.table.unique if group <= set(self.plain)]
        for row in theirs:
            for group in groups:
                named = {name: row.wire[name] for name in group if row.wire.get(name) is not None}
                writable = {name: value for name, value in named.items() if self._may_send((name,), "insert")}
                query = {**params, "on_conflict": ",".join(group)}
                yield self._send("POST", query, {**new, **writable}, _MERGE)
                tests = {name: f"eq.{text_of(value)}" for name, value in named.items()}
                yield self._send("PUT", {**params, **tests}, {**new, **named}, _WHOLE)

    def _updates(
        self, world: World, owner: str, other: str, theirs: Sequence[Row], params: Mapping[str, object]
    ) -> Iterator[Sent]:
        change = self._change(world, owner)
        for row in theirs:
            yield self._patch(row, change, params)
            for name, value in change.items():
                yield self._patch(row, {name: value}, params)
        yield self._send("PATCH", params, change, _WHOLE)
        for row in world.of(owner, self.table.name):
            for one in self.table.references:
                for foreign in world.of(other, one.target):
                    if self._may_send(one.columns, "update") and (held := pointing(one, foreign)):
                        yield self._patch(row, held, params)

    def _taken(self, action: str) -> Mapping[str, ColumnDef]:
        """Give the columns that may be sent."""
        writing = self.view.writing
        return {} if writing is None else writing.writable.columns if action == "insert" else writing.writable.settable

    def _may_send(self, columns: Iterable[str], action: str) -> bool:
        return set(columns) <= self._taken(action).keys()

    def _new(self, world: World, owner: str, attempt: int, action: str = "insert") -> dict[str, object]:
        """Give a row as its owner would send it, to be made or to be changed."""
        found = {}
        targets = dict(references(self.table))
        for name, said in self._taken(action).items():
            if name in targets:
                rows = world.of(owner, targets[name]) or world.of(NOBODY, targets[name])
                value = rows[attempt % len(rows)].id if rows else None
            else:
                own = world.values(owner, (self.table.name, name)) if attempt > 1 else []
                made = self.maker.value(said, f"{owner}/sent/{self.table.name}/{name}/{attempt}", attempt % 2)
                value = own[0] if own else made
            if value is not None and fits(said, value):
                found[name] = value
        for one in self.table.references:
            rows = [] if one.is_by_id else world.of(owner, one.target) or world.of(NOBODY, one.target)
            if rows and self._may_send(one.columns, action):
                found |= pointing(one, rows[attempt % len(rows)])
        return found

    def _change(self, world: World, owner: str) -> dict[str, Any]:
        """Give new values of one's own for columns that are no references."""
        held = {name for one in self.table.references for name in one.columns}
        return {name: value for name, value in self._new(world, owner, 0, "update").items() if name not in held}

    def _params(self, world: World, owner: str, whose: str) -> dict[str, Any]:
        found = {}
        for name, said in self.view.definition.params.items():
            values = [value for place in self.links.get((name,), ()) for value in world.values(whose, place)]
            made = self.maker.value(said, f"{owner}/sent/{name}")
            values = [value for value in values if fits(said, value)] or ([] if made is None else [made])
            if values and (said.required or whose != owner or self.links.get((name,))):
                found[name] = text_of(values[0])
        return found

    def _all_params(self, world: World, owner: str, other: str) -> list[dict[str, object]]:
        own, foreign = self._params(world, owner, owner), self._params(world, owner, other)
        every = [own, foreign, {}, *({**own, name: value} for name, value in foreign.items())]
        every += [{**own, name: str(flag).lower()} for name, said in self.view.definition.params.items()
                  if item_type(said) == BOOL for flag in (True, False)]  # fmt: skip
        return distinct(every)

    def by_id(self, row: Row) -> Sent:
        """Ask for one row."""
        return self._read({"select": "*", "id": f"eq.{row.id}"})

    def _only(self, row: Row) -> dict[str, object]:
        """Give the test that picks a row, none where it would read what the view doesn't show: then each is meant."""
        if self.has_id:
            return {"id": f"eq.{row.id}"}
        shown = self.plain if "select" in self.view.definition.allow else ()
        name = next((one for one in shown if isinstance(row.wire.get(one), str)), None)
        return {} if name is None else {name: f"eq.{row.wire[name]}"}

    def _read(self, query: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Sent:
        return self._made("GET", query, None, headers or {})

    def _post(self, row: Mapping[str, object], params: Mapping[str, object]) -> Sent:
        return self._send("POST", params, row, _WHOLE)

    def _patch(self, row: Row, change: Mapping[str, object], params: Mapping[str, object]) -> Sent:
        return self._send("PATCH", {**params, **self._only(row)}, change, _WHOLE)

    def _delete(self, query: Mapping[str, object]) -> Sent:
        return self._send("DELETE", query, None, _WHOLE)

    def _send(self, method: str, query: Mapping[str, object], body: object, prefer: str) -> Sent:
        shows = "select" in self.view.definition.allow
        kept = prefer if shows else prefer.replace(_WHOLE, "return=minimal")
        return self._made(method, {**query, **({"select": "*"} if shows else {})}, body, {"Prefer": kept})

    def _made(self, method: str, query: Mapping[str, object], body: object, headers: Mapping[str, str]) -> Sent:
        asked = urlencode(query, safe=_SAFE, quote_via=quote)
        return Sent(method, f"/rest/v1/{self.view.name}", asked, headers, body)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""What an endpoint is sent: for each input the values that are one's own, and those of the other person."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlencode

from app.compiler.runtime import CompiledEndpoint
from app.definitions.columns import ValueType
from app.definitions.inputs import InputDef, ListDef, ObjectDef, header_name
from app.expressions.types import INT, STRING, UUID
from app.http.json_answer import to_json
from app.isolation.made_values import Maker, distinct, fits
from app.isolation.tenants import NOBODY, SOMEBODY, World
from app.relations.schema import item_type
from app.review.links import EACH, Path, Place

_WIDENING = ("", "%", "*")
_MORE = 24


@dataclass(frozen=True, slots=True)
class Leaf:
    """One input, or one value inside of an object or a list; `where` is path, query, headers or body."""

    where: str
    path: Path
    said: ValueType
    required: bool
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, as it is made and as it is told."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any

    @property
    def text(self) -> str:
        """Give all that the caller says, to know again what came back of it."""
        parts = [unquote(self.path), unquote_plus(self.query), *self.headers.values(), to_json(self.body).decode()]
        return " ".join(parts).lower()


Values = Mapping[Path, object]


class Inputs:
    """The requests to one endpoint."""

    def __init__(
        self,
        endpoint: CompiledEndpoint,
        links: Mapping[Path, tuple[Place, ...]],
        tables: Iterable[str],
        maker: Maker,
    ) -> None:
        """Take the endpoint, what its inputs stand for, the name of every table, and what makes values."""
        self.endpoint, self.tables, self.maker = endpoint, tables, maker
        said = endpoint.definition.input
        self.leaves = [
            leaf
            for where, fields in said.places.items()
            for name, field in fields.items()
            for leaf in _leaves(where, (name,), field, links, required=True)
        ]

    def own(self, world: World, owner: str) -> Iterator[Values]:
        """Give what somebody would send for the own rows, the likeliest first."""
        options = {leaf.path: self._own(leaf, world, owner) for leaf in self.leaves}
        everything = {path: values[0] for path, values in options.items() if values}
        needed = {leaf.path for leaf in self.leaves if leaf.required}
        linked = {leaf.path for leaf in self.leaves if leaf.places}
        yield {path: value for path, value in everything.items() if path in needed | linked}
        yield everything
        yield {path: value for path, value in everything.items() if path in needed}
        for path, values in options.items():
            for value in values[1:]:
                yield {**everything, path: value}
        chance = random.Random(self.endpoint.name)  # noqa: S311 - no secret
        for _ in range(_MORE):
            chosen = {path: chance.choice(values) for path, values in options.items() if values}
            yield {path: value for path, value in chosen.items() if path in needed or chance.random() < 0.6}

    def others(self, world: World, owner: str, other: str, own: Values) -> Iterator[Values]:
        """Give what somebody could send to reach another's rows, `own` being what goes well."""
        foreign = {leaf.path: self._of(leaf, world, other) for leaf in self.leaves}
        yield own
        for number in range(2):
            every = {path: values[min(number, len(values) - 1)] for path, values in foreign.items() if values}
            yield {**own, **every}
        for leaf in self.leaves:
            mine = self._own(leaf, world, owner)
            for value in distinct(foreign[leaf.path] + self._of(leaf, world, SOMEBODY)):
                yield {**own, leaf.path: value}
                if leaf.path[-1] == EACH and mine:
                    yield {**own, leaf.path: [mine[0], value]}
                    yield {**own, leaf.path: [value, mine[0]]}
            if not leaf.required and leaf.path in own:
                yield {path: value for path, value in own.items() if path != leaf.path}
            if leaf.path not in own and mine:
                yield {**own, leaf.path: mine[0]}
            for value in self._wider(leaf):
                yield {**own, leaf.path: value}

    def request(self, values: Values) -> Sent:
        """Make the request."""
        said = self.endpoint.definition
        path, query, headers = said.path, [], {}
        body: dict[str, Any] = {}
        for leaf in self.leaves:
            if leaf.path not in values:
                continue
            value, name = values[leaf.path], leaf.path[0]
            if leaf.where == "path":
                path = path.replace(f"{{{name}}}", quote(text_of(value), safe=""))
            elif leaf.where == "query":
                query += [(name, text_of(one)) for one in (value if isinstance(value, list) else [value])]
            elif leaf.where == "headers":
                headers[header_name(name)] = text_of(value)
            else:
                _put(body, leaf.path, value)
        _even_out(body)
        sent = (body.get("body") if isinstance(said.input.body, str) else body) if said.input.body else None
        return Sent(said.method, f"/api{path}", urlencode(query), headers, sent)

    def _own(self, leaf: Leaf, world: World, owner: str) -> list[object]:
        found = [value for one in (owner, SOMEBODY, NOBODY) for value in self._of(leaf, world, one)]
        for attempt in (1, 0, 2):
            made = self.maker.value(leaf.said, f"{owner}/sent/{'/'.join(leaf.path)}", attempt)
            found += [] if made is None else [made]
        found += leaf.said.choices
        if leaf.said.array:
            found = [one if isinstance(one, list) else [one] for one in found]
        return distinct([one for one in found if fits(leaf.said, one)])

    def _of(self, leaf: Leaf, world: World, owner: str) -> list[object]:
        """Give somebody's values for an input: of the columns that it stands for, else every id that it could be."""
        said = leaf.said
        if leaf.places:
            found = [value for place in leaf.places for value in world.values(owner, place)]
        elif said.target is not None:
            found = world.values(owner, (said.target, said.key))
        elif (kind := item_type(said)) in (UUID, INT, STRING):
            found = [value for table in self.tables for value in world.values(owner, (table, "id"))]
            if kind == STRING:
                found += world.values(owner, ("users", "email"))
        else:
            found = []
        if said.array:
            found = [one if isinstance(one, list) else [one] for one in found]
        return distinct([one for one in found if fits(said, one)])

    def _wider(self, leaf: Leaf) -> list[object]:
        if leaf.said.array:
            return []
        if leaf.said.choices:
            return list(leaf.said.choices)
        if item_type(leaf.said) != STRING or leaf.where == "path":
            return []
        return [one for one in _WIDENING if fits(leaf.said, one)]


def _leaves(
    where: str, path: Path, said: InputDef, links: Mapping[Path, tuple[Place, ...]], *, required: bool
) -> Iterator[Leaf]:
    needed = required and (where == "path" or said.required)
    if isinstance(said, ObjectDef):
        for name, field in said.fields.items():
            yield from _leaves(where, (*path, name), field, links, required=needed)
    elif isinstance(said, ListDef):
        yield from _leaves(where, (*path, EACH), said.of, links, required=needed and bool(said.min_length))
    else:
        places = links.get(path, ()) + (links.get((*path, EACH), ()) if said.array else ())
        yield Leaf(where, path, said, needed, places)


def _put(body: dict[str, object], path: Path, value: object) -> None:
    """Put a value in its place; of a list, a list of values is one of each item."""
    at: Any = body
    for index, name in enumerate(path[:-1]):
        following = path[index + 1]
        if following == EACH:
            rest = path[index + 2 :]
            values = value if isinstance(value, list) else [value]
            items = at.setdefault(name, [])
            for number, one in enumerate(values):
                if not rest:
                    items.append(one)
                    continue
                if number >= len(items):
                    items.append({})
                _put(items[number], rest, one)
            return
        at = at.setdefault(name, {})
    at[path[-1]] = value


def _even_out(value: object) -> None:
    """Give each object of a list what the first one has."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    for one in inner:
        _even_out(one)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value[:] = [{**value[0], **one} for one in value]


def text_of(value: object) -> str:
    """Write a value as a path, a query or a header has it."""
    if isinstance(value, str):
        return value
    return to_json(value).decode()

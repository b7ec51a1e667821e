"""One connection's part of the proof: for each endpoint and view the own rows first, then the other's everywhere."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice

from app.compiler.runtime import AccessLevel, CompiledEndpoint, CompiledView, Runtime
from app.compiler.test_targets import Served
from app.isolation.asking import Asking
from app.isolation.callers import Caller, personas, times
from app.isolation.judge import Judge, stranger
from app.isolation.made_inputs import Inputs, Sent, Values
from app.isolation.made_values import Maker
from app.isolation.tenants import PEOPLE, World, references
from app.isolation.view_requests import ViewRequests
from app.policy_tests.attempt import Attempt, user_of
from app.policy_tests.result import deciding
from app.review.links import Links

MOST_OWN = 60
"""Requests by which the proof looks for one that goes well, for each kind of caller."""
MOST_OTHERS = 400
"""Requests to reach the other's rows, for each endpoint and each action of a view."""
_TOGETHER = 32  # answers that are compared before more is asked, which may lose the connection
_REFUSED = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class ProofTarget:
    """An endpoint, or what is done through a view."""

    what: Served
    access: AccessLevel
    compiled: CompiledEndpoint | CompiledView
    writes: bool

    def may_enter(self, roles: Collection[str]) -> bool:
        """Say whether somebody with these roles gets in."""
        return not self.access.roles or bool(self.access.roles & set(roles))


@dataclass(frozen=True, slots=True)
class Unreached:
    """What no request of a caller for the own rows came through to, with what answered it."""

    what: Served
    caller: str
    why: str


@dataclass(frozen=True, slots=True)
class _Own:
    """A request of a caller for the own rows, by the values of an endpoint's inputs, and what came of it."""

    caller: Caller
    values: Values | None
    sent: Sent
    came: Attempt
    goes_well: bool


class Prover:
    """Tries one target after another over the rows of a connection."""

    def __init__(self, links: Links, asking: Asking, world: World, judge: Judge, maker: Maker) -> None:
        """Take what requests are made of, where they are asked, and who looks at the answers."""
        self.links, self.asking, self.world, self.judge, self.maker = links, asking, world, judge, maker
        self.runtime: Runtime = asking.runtime
        self.personas = personas(self.runtime, links, judge.found.asked.columns)
        self.unreached: list[Unreached] = []
        self.cut: list[Served] = []

    async def strangers(self, target: ProofTarget, person: str) -> None:
        """Ask as nobody for what somebody would ask for: what that shows and does is open to all."""
        await self._others(target, await self._well(target, [stranger(self._callers(target, person)[0])]))

    async def people(self, target: ProofTarget, person: str) -> None:
        """Ask for the own rows till that goes well, then for the other's."""
        own = await self._well(target, self._callers(target, person))
        if own is None or self.asking.held.broken:
            self.unreached.append(Unreached(target.what, person, "its connection was lost, or nothing could be asked"))
            return
        if not own.goes_well:
            told = own.came if own.came.refusal is None else await self.asking.explain(own.caller, own.sent)
            self.unreached.append(Unreached(target.what, person, _told(told)))
        await self._look_for_guard(target, own.caller)
        await self._others(target, own)

    def _callers(self, target: ProofTarget, person: str) -> list[Caller]:
        other = next(one for one in PEOPLE if one != person)
        row, asked = self.world.user(person).record, self.judge.found.asked
        return [
            Caller(person, other, user_of({**row, **columns}, asked.roles), columns, now)
            for columns in self.personas
            for now in (self.maker.now, *times(self.runtime.project, target.compiled, self.maker.now))
        ]

    async def _well(self, target: ProofTarget, callers: Sequence[Caller]) -> _Own | None:
        """Find a request for the own rows that goes well, of what writes one that does write; else one that not."""
        answered, refused = None, None
        for caller in callers:
            for values, sent in islice(self._own_requests(target, caller), MOST_OWN):
                came = await self.asking.ask(caller, sent)
                if self.asking.held.broken:
                    return None
                if came.answer.status >= HTTPStatus.BAD_REQUEST:
                    refused = refused or _Own(caller, values, sent, came, goes_well=False)
                elif came.written or not target.writes:
                    return _Own(caller, values, sent, came, goes_well=True)
                else:
                    is_endpoint = target.what.kind == "endpoint"
                    answered = answered or _Own(caller, values, sent, came, goes_well=is_endpoint)
                if came.answer.status == HTTPStatus.UNAUTHORIZED:
                    break
            if answered is not None:
                break
        return answered or refused

    async def _others(self, target: ProofTarget, own: _Own | None) -> None:
        if own is None:
            return
        for number, (values, sent) in enumerate(self._others_requests(target, own)):
            if number == MOST_OTHERS:
                self.cut.append(target.what)
                break
            came = await self.asking.ask(own.caller, sent)
            if self.asking.held.broken:
                self.cut.append(target.what)
                return
            await self.judge.judge(target.what, own.caller, sent, came)
            if own.goes_well and own.values is not None and values is not None:
                self._note_guard(target, values, own.values, own.caller, came)
            if number % _TOGETHER == _TOGETHER - 1 and not await self._is_compared(target, own):
                return
        await self._is_compared(target, own)

    async def _is_compared(self, target: ProofTarget, own: _Own) -> bool:
        """Compare the answers so far; says whether that went to its end, and names a target of which it didn't."""
        await self.judge.compare(target.what, own.caller, is_public=target.access.public)
        if self.asking.held.broken:
            self.cut.append(target.what)
        return not self.asking.held.broken

    def _own_requests(self, target: ProofTarget, caller: Caller) -> Iterator[tuple[Values | None, Sent]]:
        if isinstance(target.compiled, CompiledEndpoint):
            inputs = self._inputs(target.compiled)
            yield from ((one, inputs.request(one)) for one in _once(inputs.own(self.world, caller.name)))
            return
        requests = self._requests(target.compiled)
        yield from ((None, sent) for sent in requests.own(str(target.what.action), self.world, caller.name))

    def _others_requests(self, target: ProofTarget, own: _Own) -> Iterator[tuple[Values | None, Sent]]:
        name, other = own.caller.name, own.caller.other
        if isinstance(target.compiled, CompiledEndpoint):
            inputs = self._inputs(target.compiled)
            every = _once(inputs.others(self.world, name, other, own.values or {}))
            yield from ((one, inputs.request(one)) for one in every)
            return
        requests = self._requests(target.compiled)
        yield from ((None, sent) for sent in requests.others(str(target.what.action), self.world, name, other))

    def _inputs(self, endpoint: CompiledEndpoint) -> Inputs:
        return Inputs(endpoint, self.links.inputs[endpoint.name], self.runtime.schema.tables, self.maker)

    def _requests(self, view: CompiledView) -> ViewRequests:
        return ViewRequests(self.runtime, view, self.links.params[view.name], self.maker)

    def _note_guard(self, target: ProofTarget, values: Values, own: Values, caller: Caller, came: Attempt) -> None:
        """Note that rows of a table are kept from others: an endpoint took the own one, and refuses the other's.

        An input that is compared with a reference means the row that is referred to.
        """
        changed = [path for path in values if values[path] != own.get(path)]
        if len(changed) != 1 or values.keys() != own.keys() or came.answer.status not in _REFUSED:
            return
        for table, column in self.links.inputs[target.compiled.name].get(changed[0], ()):
            theirs, mine = (
                [row.number for row in self.world.of(person, table) if row.wire.get(column) == value]
                for person, value in ((caller.other, values[changed[0]]), (caller.name, own[changed[0]]))
            )
            if mine and mine == theirs:
                target_of = dict(references(self.runtime.schema.tables[table]))
                self.judge.found.guarded.add(target_of.get(column, table))

    async def _look_for_guard(self, target: ProofTarget, caller: Caller) -> None:
        """Note that rows of a table are kept from others: a view shows the own one, and not its like of the other."""
        if not isinstance(target.compiled, CompiledView) or target.what.action != "select":
            return
        table, requests = target.compiled.source.table.name, self._requests(target.compiled)
        pairs = [
            (mine, theirs)
            for mine in self.world.of(caller.name, table)
            for theirs in self.world.of(caller.other, table)
            if mine.number == theirs.number and requests.has_id
        ]
        for mine, theirs in pairs:
            shown, hidden = [
                any(one.row is row for one in self.judge.marks(await self.asking.ask(caller, requests.by_id(row))))
                for row in (mine, theirs)
            ]
            if shown and not hidden:
                self.judge.found.guarded.add(table)


def _once(values: Iterator[Values]) -> Iterator[Values]:
    known = set()
    for one in values:
        key = json.dumps(sorted((list(path), value) for path, value in one.items()), default=str)
        if key not in known:
            known.add(key)
            yield one


def _told(came: Attempt) -> str:
    """Say what stood in the way."""
    if came.refusal is None:
        return f"{came.answer.status}, and nothing was written"
    decided = deciding(came.trace) or {}
    where = f" at {decided['place']}" if "place" in decided else ""
    return f"{came.answer.status} {came.refusal.code}{where}: {came.refusal.detail}"

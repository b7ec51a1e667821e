"""The proof: each of two people asks for everything with the other's ids everywhere, and what comes is judged."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.compiler.check import compile_checked
from app.compiler.runtime import Runtime
from app.compiler.test_targets import Served
from app.definitions.project import DefinitionInvalid, Project
from app.isolation.asking import Asking
from app.isolation.callers import ProofAsked
from app.isolation.judge import Found, Judge
from app.isolation.leaks import Leak, merged
from app.isolation.made_values import Maker
from app.isolation.prover import ProofTarget, Prover, Unreached
from app.isolation.tenants import PEOPLE, Builder, World, with_children
from app.policy_tests.run import MOST_TABLES, MOST_WORKERS
from app.policy_tests.scratch import SCHEMA, Scratch, scratch, tables_sql
from app.review.links import Links, Place, links_of
from app.review.surface import tables_written

_TARGETS_A_WORKER = 4  # fewer aren't worth the tables that a worker makes first


@dataclass(slots=True)
class Proof:
    """What came of it.

    `unreached` is what no request for the own rows came through to, `untried` what the two may not enter, `cut` that
    for which there would have been more requests, `missing` the tables for which no row was found, and `public` what
    strangers are shown of people's rows.
    """

    leaks: list[Leak] = field(default_factory=list)
    unreached: list[Unreached] = field(default_factory=list)
    untried: list[tuple[Served, str]] = field(default_factory=list)
    cut: list[Served] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    public: frozenset[Place] = frozenset()
    requests: int = 0
    tried: list[Served] = field(default_factory=list)
    milliseconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """How many of the tries that are known by now are done, for whoever waits."""

    done: int = 0
    known: int = 0

    def __str__(self) -> str:
        """Say it."""
        return f"{self.done} of {self.known} tries"


async def prove(url: str, project: Project, asked: ProofAsked | None = None, tally: Tally | None = None) -> Proof:
    """Try to reach one person's rows as another, on a migrated database that is left as it was.

    Raises DefinitionInvalid, or what the database refuses.
    """
    began = time.perf_counter()
    checked = await asyncio.to_thread(compile_checked, project, schema=SCHEMA)
    if (runtime := checked.runtime) is None:
        raise DefinitionInvalid(checked.findings)
    project, asked = checked.project, asked or ProofAsked()
    run = _Run(runtime, links_of(project), asked, await asyncio.to_thread(tables_sql, project), url, tally or Tally())
    surface = list(_surface(runtime))
    async with AsyncExitStack() as run.stack:
        await run.work([target for target in surface if target.access.public], as_strangers=True)
        await run.work([target for target in surface if target.may_enter(asked.roles)], as_strangers=False)
    proof = run.proof(surface)
    proof.milliseconds = (time.perf_counter() - began) * 1000
    return proof


def _surface(runtime: Runtime) -> Iterator[ProofTarget]:
    middleware = runtime.project.middleware_by_name()
    for endpoint in runtime.endpoints.values():
        writes = bool(tables_written(runtime.project, endpoint.definition, middleware))
        yield ProofTarget(Served("endpoint", endpoint.name), endpoint.access, endpoint, writes)
    for view in runtime.views.values():
        for action in view.definition.allow:
            yield ProofTarget(Served("view", view.name, action), view.access[action], view, action != "select")


class _Run:
    def __init__(self, runtime: Runtime, links: Links, asked: ProofAsked, sql: str, url: str, tally: Tally) -> None:
        self.runtime, self.links, self.sql, self.url, self.tally = runtime, links, sql, url, tally
        self.found = Found(runtime, links, asked)
        self.maker = Maker(datetime.now(UTC))
        self.unreached: list[Unreached] = []
        self.cut: list[Served] = []
        self.missing: dict[str, str] = {}
        self.requests = 0
        self.stack = AsyncExitStack()
        self.grounds: list[tuple[Scratch, World]] = []  # tables and rows that nobody asks over now

    async def work(self, targets: Sequence[ProofTarget], *, as_strangers: bool) -> None:
        """Try every target as each of the two, or as nobody in their place, over several connections at once."""
        waiting = deque((target, person) for target in targets for person in PEOPLE)
        self.tally.known += len(waiting)
        by_tables = MOST_TABLES // max(1, len(self.runtime.schema.tables))
        workers = max(1, min(MOST_WORKERS, len(waiting) // _TARGETS_A_WORKER, by_tables))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(waiting, as_strangers=as_strangers))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _work(self, waiting: deque[tuple[ProofTarget, str]], *, as_strangers: bool) -> None:
        """Try what waits until nothing is left. A connection that a request has lost is replaced by another one."""
        while waiting:
            held, world = self.grounds.pop() if self.grounds else await self._ground()
            asking = Asking(held, self.runtime)
            prover = Prover(self.links, asking, world, Judge(self.found, asking, world), self.maker)
            while waiting and not held.broken:
                await (prover.strangers if as_strangers else prover.people)(*waiting.popleft())
                self.tally.done += 1
            if not held.broken:
                self.grounds.append((held, world))
            self.requests += asking.count
            self.unreached += prover.unreached
            self.cut += prover.cut

    async def _ground(self) -> tuple[Scratch, World]:
        """Make the tables and the rows on one more connection, which is closed with the stack."""
        held = await self.stack.enter_async_context(scratch(self.url, self.sql))
        world = await Builder(self.runtime, self.links, self.found.owned, self.maker).build(held)
        self.missing |= world.missing
        return held, world

    def proof(self, surface: Sequence[ProofTarget]) -> Proof:
        """Put together what was found; of tables that are nobody's, nothing is a leak."""
        shown = {table for _, _, table, _ in self.found.public}
        owned = self.found.owned | with_children(self.runtime, self.found.guarded - shown)
        tried = [target for target in surface if target.may_enter(self.found.asked.roles)]
        untried = [(target.what, _for(target)) for target in surface if target not in tried]
        return Proof(
            merged(self.found.seen, owned),
            list({(one.what, one.caller): one for one in self.unreached}.values()),
            untried,
            list(dict.fromkeys(self.cut)),
            dict(sorted(self.missing.items())),
            frozenset((table, column) for _, _, table, column in self.found.public if table in owned),
            self.requests,
            [target.what for target in tried],
        )


def _for(target: ProofTarget) -> str:
    roles = sorted(target.access.roles)
    return f"for the role{'s' if len(roles) > 1 else ''} {', '.join(roles)}"

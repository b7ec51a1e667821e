"""Project to Runtime: the check of everything that an admin said, and the compilation, in one go."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from app.compiler.auth import compile_auth
from app.compiler.chain import (
    NO_INPUT,
    OPEN_INPUT,
    check_params,
    compile_steps,
    compile_use,
    compile_uses,
    tables_behind,
    with_what_goes,
)
from app.compiler.checked_tests import compile_tests
from app.compiler.fuse import fuse
from app.compiler.hooks import compile_hook, names_of
from app.compiler.inputs import compile_inputs
from app.compiler.locks import Met, endpoint_with_locks, held_by, hook_with_locks, locked_by, view_with_locks
from app.compiler.paths import Router
from app.compiler.plan import plan_of
from app.compiler.request_headers import check_request_headers
from app.compiler.responses import compile_responses
from app.compiler.role_names import check_access_roles, check_role_names
from app.compiler.runtime import (
    Chained,
    Closed,
    CompiledEndpoint,
    CompiledHook,
    CompiledView,
    RelatedViews,
    Runtime,
    ViewWriting,
    access_level,
)
from app.compiler.transactions import begin_of
from app.compiler.unreachable import check_reachable
from app.compiler.view_writing import view_writing
from app.database.quoting import DATA_SCHEMA
from app.definitions.access import Access
from app.definitions.auth import AFTER, HOOKS
from app.definitions.endpoints import TIMEOUT, EndpointDef
from app.definitions.middleware import MiddlewareDef
from app.definitions.names import Definition
from app.definitions.project import Project, part_of
from app.definitions.steps import UseDef
from app.definitions.validation import object_validator, validation_findings
from app.definitions.views import ViewDef
from app.errors import Finding, refusing
from app.expressions.check import Expression, Scope
from app.expressions.types import shared
from app.relations.answered import answered_shapes
from app.relations.constraints import constraint_messages
from app.relations.findings import Findings
from app.relations.memory import MEMORY, Compilation, Memory, World
from app.relations.names import RAW_REQUEST, REQUEST, declared
from app.relations.query_sql import Shapes
from app.relations.readable import Readable, view_of
from app.relations.relationships import Relationships
from app.relations.source import Source
from app.relations.view_writes import WriteShapes
from app.relations.views import Schema, schema_of
from app.relations.writable import writable_of
from app.steps.context import Before, Context, Step
from app.steps.registry import KINDS
from app.steps.rules import compile_rules

NOTHING_CLOSED = Closed()
Made = TypeVar("Made")


def compile_project(
    project: Project,
    revision: int = 0,
    schema: str = DATA_SCHEMA,
    closed: Closed = NOTHING_CLOSED,
    memory: Memory = MEMORY,
    gathered: Findings | None = None,
) -> tuple[Runtime | None, list[Finding]]:
    """Give the runtime over tables in a schema, or no runtime where one of the findings refuses it.

    Findings that are only `stricter` come with the runtime. `closed` is what can't be served. What `memory` has of
    earlier compilations, and nothing has touched since, is taken over. `gathered` takes what was checked.
    """
    compilation = memory.begin(schema)
    compiled = _compiled(project, revision, gathered or Findings(), schema, closed, compilation)
    memory.keep(schema, compilation)
    return compiled


def checked_rules(project: Project, memory: Memory = MEMORY) -> list[tuple[str, Expression]]:
    """Give every expression of a project that is sound, each once with the place where it is said."""
    findings = Findings()
    _compiled(project, 0, findings, DATA_SCHEMA, NOTHING_CLOSED, memory.begin(DATA_SCHEMA))
    found = {place: expression for place, expression in findings.checked if ".middleware/" not in place}
    return list(found.items())


def _compiled(
    project: Project, revision: int, findings: Findings, data: str, closed: Closed, compilation: Compilation
) -> tuple[Runtime | None, list[Finding]]:
    schema = schema_of(project, findings, compilation, data)
    check_access_roles(project, findings)
    check_reachable(project, findings)
    compiler = _Definitions(project, schema, closed.views, findings, compilation)
    endpoints = {definition.name: compiler.endpoint(definition) for definition in project.endpoints}
    views = {view.name: compiler.view(view) for view in project.views if view.name in schema.views}
    served = [endpoint for endpoint in endpoints.values() if endpoint is not None]
    check_role_names(project, findings)
    check_request_headers(findings)
    issuers, providers = compile_auth(project, schema.tables["users"], findings)
    hooks = compiler.hooks()
    held = held_by(served, [view for view in views.values() if view is not None], hooks.values())
    met = Met(held, locked_by(served))
    hooks = {key: hook_with_locks(hook, met, schema.tables) for key, hook in hooks.items()}
    served = [endpoint_with_locks(endpoint, met, schema.tables) for endpoint in served]
    # Those that are closed come first: what would answer in their place is a conflict.
    routes: list[tuple[str, str, CompiledEndpoint | None]] = [(*route, None) for route in closed.routes]
    routes += [(endpoint.definition.method, endpoint.definition.path, endpoint) for endpoint in served]
    router = Router.build(routes)
    for conflict in router.conflicts:
        if conflict.target is not None:
            findings.report(f"endpoints/{conflict.target.name}.path", conflict.message, "give one of them another path")
    kept = {name: view_with_locks(view, met, schema.tables) for name, view in views.items() if view is not None}
    missing = {f"endpoints/{name}" for name, endpoint in endpoints.items() if endpoint is None}
    missing |= {f"views/{view.name}" for view in project.views if view.name not in kept}
    findings.harden(lambda finding: part_of(finding.place) in missing)
    # A test speaks of all the others: it is checked when they are sound.
    tests = () if findings.refusing else compile_tests(project, schema, findings)
    if findings.refusing:
        return None, findings.found
    by_name = {endpoint.name: endpoint for endpoint in served}
    messages = constraint_messages(project, schema.tables)
    runtime = Runtime(
        revision,
        project,
        schema,
        router,
        by_name,
        kept,
        schema.keys,
        messages,
        tests,
        held,
        issuers=issuers,
        providers=providers,
        hooks=hooks,
    )
    return runtime, findings.found


def _place(definition: Definition) -> str:
    kinds = {EndpointDef: "endpoints", ViewDef: "views", MiddlewareDef: "middleware"}
    return f"{kinds[type(definition)]}/{definition.name}"  # type: ignore[attr-defined]  # each kind has one


class _Definitions:
    """The definitions that stand on tables and views, each compiled over what it asks of all the others."""

    def __init__(
        self, project: Project, schema: Schema, closed: frozenset[str], findings: Findings, compilation: Compilation
    ) -> None:
        self.findings, self.compilation = findings, compilation
        middleware = project.middleware_by_name()
        self.scope, self.settings = schema.scope, project.project
        self.world: World = {
            "tables": schema.tables, "views": schema.views, "keys": schema.keys, "params": schema.params,
            "middleware": middleware, "said": {view.name: view for view in project.views}, "rules": schema.rules,
        }  # fmt: skip
        self.kinds, self.auth = tuple(KINDS.items()), project.auth
        self.broken: frozenset[str] = frozenset()
        self.broken = frozenset(one.name for one in project.middleware if not self._middleware(one))
        self.related = self._related(schema, {view.name: view for view in project.views}, closed)

    def endpoint(self, said: EndpointDef) -> CompiledEndpoint | None:
        """Give an endpoint, as compiled before where nothing that it asked has changed."""
        return self._part(_place(said), said, lambda compiler: compiler.endpoint(said))

    def view(self, said: ViewDef) -> CompiledView | None:
        """Give a view, likewise; what requests made of it is forgotten when any view that it may embed has changed."""
        view = self._part(_place(said), said, lambda compiler: compiler.view(said, self.related))
        if view is not None and view.related is not self.related:
            writing = view.writing
            if writing is not None:
                writing = dataclasses.replace(writing, shapes=WriteShapes(view.source, writing.writable))
            view = dataclasses.replace(view, related=self.related, shapes=Shapes(view.source), writing=writing)
            self.compilation.changed(_place(said), view)
        return view

    def _middleware(self, said: MiddlewareDef) -> bool:
        """Check a middleware by itself, with an input that may hold anything; say whether it is sound."""
        is_after = said.name == self.auth.after_sign_up
        make = partial(_Compiler.middleware_alone, said=said, is_after=is_after)
        return self._part(_place(said), said, make, ((is_after,),))

    def hooks(self) -> dict[str, CompiledHook]:
        """Give the hooks of sign-up that are said and sound."""
        said = {key: getattr(self.auth, key) for key in HOOKS}
        compiler = _Compiler(self.world, self._given, self.findings)
        found = {key: compiler.hook(key, name) for key, name in said.items() if name is not None}
        return {key: hook for key, hook in found.items() if hook is not None}

    @property
    def _given(self) -> tuple[Any, ...]:
        return (self.scope, self.settings, self.broken, self.kinds, self.compilation.is_served)

    def _part(self, place: str, said: Any, make: Callable[["_Compiler"], Made], more: tuple[object, ...] = ()) -> Made:
        given = self._given

        def made(world: World) -> Made:
            return make(_Compiler(world, given, self.findings))

        return self.compilation.part(place, said, (*given, *more), self.world, made, self.findings)

    def _related(self, schema: Schema, said: Mapping[str, ViewDef], closed: frozenset[str]) -> RelatedViews:
        def related(world: World) -> RelatedViews:
            sources = dict(world["views"])
            views = {name: view for name, view in world["said"].items() if name in sources}
            access = {name: access_level(view.rule("select").access) for name, view in views.items()}
            return RelatedViews(Relationships(sources, views), access, closed)

        world = {"views": schema.views, "said": said}
        return self.compilation.part("related", None, (closed,), world, related, self.findings)


class _Compiler:
    """What compiling one definition needs of all the others: what it asks of them is noted."""

    def __init__(self, world: World, given: tuple[Any, ...], findings: Findings) -> None:
        scope, self.settings, self.broken, _, self.is_served = given
        scope = scope.but(relations=readable(world, None), rules=world["rules"])
        self.world = world
        self.schema = Schema(world["tables"], world["views"], world["keys"], scope, world["params"], world["rules"])
        self.middleware = world["middleware"]
        self.findings = findings

    def middleware_alone(self, said: MiddlewareDef, *, is_after: bool) -> bool:
        place, before = _place(said), self.findings.refusing
        params = declared("params", said.params, self.schema.keys)
        if params.optional is not None:
            params = dataclasses.replace(
                params, nullable=params.optional
            )  # what an argument may be is asked at its use
        scope = self.schema.scope.with_names(input=OPEN_INPUT, request=RAW_REQUEST, params=params)
        if is_after:
            scope = scope.with_names(**names_of(AFTER, self.schema.tables["users"]))
        context = Context(
            self.schema, self.findings, self.middleware, compile_steps, compile_use, said.name, place, scope,
            inside=(said.name,),
        )  # fmt: skip
        check_params(said, place, context)
        compile_steps(said.steps, context)
        return self.findings.refusing == before

    def hook(self, key: str, name: str) -> CompiledHook | None:
        scope = self.schema.scope.but(relations=readable(self.world, ("public",)))
        context = Context(
            self.schema, self.findings, self.middleware, compile_steps, compile_use, key, f"auth.{key}", scope,
            http_allow=self.settings.http_allow,
        )  # fmt: skip
        with self._unheard():
            return compile_hook(key, name, context)

    def endpoint(self, said: EndpointDef) -> CompiledEndpoint | None:
        place = f"endpoints/{said.name}"
        fields = said.input.all
        unreadable = validation_findings(f"{place}.input", fields, self.schema.keys)
        self.findings.found += unreadable
        record = declared("input", fields, self.schema.keys)
        # A null can only be sent in a body; of the rest some may not be sent, but for what stands in the path.
        unsent = (record.optional or frozenset()) - said.input.path.keys()
        nullable = record.nullable.intersection(said.input.body_fields) | unsent
        record = shared(dataclasses.replace(record, nullable=nullable))
        scope = self.schema.scope.with_names(input=record, request=RAW_REQUEST if said.raw_body else REQUEST)
        before = len(self.findings.checked)
        rules = compile_rules(said.rules, f"{place}.rules", scope, self.findings)
        context = self._context(said, place, scope.sure_of(self.findings.sure_since(before)))
        context = context.but(serializable=said.isolation == "serializable")
        uses = (*self._project_uses(said.skip, place), *said.middleware)
        chain, known = self._uses(uses, context, said.steps)
        steps, _ = compile_steps(said.steps, known)
        if self.is_served:
            together = fuse([*chain, *steps])
            chain, steps = together[: len(chain)], together[len(chain) :]
        if said.isolation == "serializable" and any(step.calls_out for step in (*chain, *steps)):
            hint = "call out in another endpoint, or say after: commit"
            self.findings.report(f"{place}.isolation", "a transaction that calls out can't be serializable", hint)
        begin = begin_of((*chain, *steps), said.isolation, said.timeout)
        responses = compile_responses(said.responses, f"{place}.responses", self.findings)
        if rules is None or refusing(unreadable):
            return None
        return CompiledEndpoint(
            said.name,
            said,
            access_level(said.access),
            compile_inputs(said, self.schema.keys, rules if said.rules else None),
            tuple(step.run for step in chain if not step.first),
            tuple(step.run for step in steps if not step.first),
            begin,
            self._reads_request(before),
            responses,
            Chained(frozenset(context.held), tables_behind([*uses, *said.steps], context)),
            next((step.run for step in (*chain, *steps) if step.first), None),
            answered_shapes(said.name, context.answers, said.max_bytes) if self.is_served else None,
            plan_of((*chain, *steps), begin),
        )

    def view(self, said: ViewDef, related: RelatedViews) -> CompiledView | None:
        place, before = f"views/{said.name}", len(self.findings.checked)
        unreadable = validation_findings(f"{place}.params", said.params, self.schema.keys)
        self.findings.found += unreadable
        scope = self.schema.scope.with_names(input=NO_INPUT, request=REQUEST)
        context = self._context(said, place, scope).but(before=Before(began=True))
        uses = (*self._project_uses((), place), *said.middleware)
        chain, _ = self._uses(uses, context, ())
        reading = Step(lambda _call: None, statements=1)
        if refusing(unreadable):
            return None
        writing = self._writing(said, uses, context)
        return CompiledView(
            said.name,
            said,
            {rule.action: access_level(rule.access) for rule in said.rules},
            object_validator(said.params, self.schema.keys, text=True),
            self.schema.views[said.name],
            Shapes(self.schema.views[said.name]),
            related,
            writing,
            tuple(step.run for step in chain),
            begin_of((*chain, reading), "read committed", TIMEOUT),
            self._reads_request(before),
            Chained(frozenset(context.held), tables_behind(uses, context)),
        )

    def _writing(self, said: ViewDef, uses: Sequence[UseDef], context: Context) -> ViewWriting | None:
        source = self.schema.views[said.name]
        scope = self.schema.scope.with_names(params=self.schema.params[said.name])
        writable = writable_of(said, source, scope, self.findings)
        # What is wrong with a column was found at its table.
        known = {} if writable is None else {**writable.columns, **writable.compared}
        if writable is None or refusing(validation_findings("", known, self.schema.keys)):
            return None
        # What is wrong with the chain was found for reading; this one locks what it fetches of the table written.
        written = frozenset({source.table.name})
        if "delete" in said.allow:
            written = with_what_goes(written, self.schema.tables)
        unheard = context.but(findings=Findings(), held=set(), later_writes=written)
        chain, _ = compile_uses(uses, unheard, ())
        chained = Chained(frozenset(unheard.held), written | tables_behind(uses, context))
        return view_writing(source, writable, self.schema.keys, tuple(step.run for step in chain), chained)

    def _context(self, owner: EndpointDef | ViewDef, place: str, scope: Scope) -> Context:
        scope = scope.but(relations=readable(self.world, owner.accesses))
        return Context(
            self.schema, self.findings, self.middleware, compile_steps, compile_use, owner.name, place, scope,
            http_allow=self.settings.http_allow, max_bytes=owner.max_bytes,
        )  # fmt: skip

    def _uses(self, uses: Sequence[UseDef], context: Context, then: Any) -> tuple[list[Step], Context]:
        """Compile a chain; what is wrong with a middleware itself was found when it was checked by itself."""
        with self._unheard():
            return compile_uses(uses, context, then)

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        """Leave out what is found in a middleware that was found broken when it was checked by itself."""
        before = list(self.findings.found)
        yield
        fresh = self.findings.found[len(before) :]
        self.findings.found[:] = before + [
            finding for finding in fresh if not any(f"({name})" in finding.place for name in self.broken)
        ]

    def _project_uses(self, skip: Sequence[str], place: str) -> list[UseDef]:
        names = [use.use for use in self.settings.middleware]
        for name in skip:
            if name not in names:
                self.findings.unknown(f"{place}.skip", "project-wide middleware", name, names)
        return [use for use in self.settings.middleware if use.use not in skip]

    def _reads_request(self, since: int) -> bool:
        """Say whether any rule that was checked since reads `request`: its headers are then made into a map."""
        paths = {path for _, expression in self.findings.checked[since:] for path in expression.paths}
        return any(path.partition(".")[0] == REQUEST.name for path in paths)


def readable(world: World, accesses: tuple[Access, ...] | None) -> Readable:
    """Give what rows a chain's rules may read; without `accesses` whoever comes, as where it is used by others."""

    def view(name: str) -> Source | str:
        said = world["said"][name]
        own = (said.rule("select").access,)
        return view_of(said, own if accesses is None else accesses, "come here", world["views"])

    return Readable(world["tables"], world["said"], view)

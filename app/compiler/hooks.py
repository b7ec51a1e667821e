"""The hooks of sign-up: middleware that runs without an endpoint, where an account is asked about or made."""

from collections.abc import Mapping

from app.compiler.chain import compile_use, kinds_in, tables_behind
from app.compiler.runtime import Chained, CompiledHook
from app.definitions.auth import AFTER, BEFORE
from app.definitions.middleware import MiddlewareDef
from app.definitions.steps import UseDef
from app.expressions.types import STRING, Record, Type
from app.relations.findings import Findings
from app.relations.schema import Table
from app.steps.accounts import person, person_statement
from app.steps.context import Context
from app.steps.kind import Fields, Kind, Rows
from app.steps.registry import KINDS
from app.steps.running import Call, RunStep

NEW_USER = "rowgate_new_user"
"""What the id of a new row is called until `user` is read."""


def names_of(key: str, users: Table) -> Mapping[str, Type]:
    """Give what a hook sees: what is asked about, of which the address and each column may be missing, or the row."""
    if key == AFTER:
        return {"user": users.record}
    columns = {name: column.type for name, column in users.columns.items() if column.definition is not None}
    data = Record("input.data", columns, nullable=frozenset(columns))
    said = {"email": STRING, "data": data, "provider": STRING}
    return {"input": Record("input", said, nullable=frozenset({"email"}))}


def compile_hook(key: str, name: str, context: Context) -> CompiledHook | None:
    """Compile the middleware that `auth` names as a hook, with its findings; None after one that refuses it."""
    findings, before = context.findings, context.findings.refusing
    uses = [UseDef(use=name)]
    _check_kinds(key, uses, context.middleware, findings)
    scope = context.scope
    known = {one: kind for one, kind in scope.names.items() if one != "auth"}
    inside = context.but(scope=scope.but(names=known))
    users = context.schema.tables["users"]
    steps, _ = compile_use(name, {}, inside.binding(names_of(key, users)))
    if key == BEFORE and any(step.locks for step in steps):
        hint = "hold rows in after_sign_up, whose transaction makes the account"
        findings.report(f"auth.{key}", "what is held here would be let go before the account is made", hint)
    if findings.refusing > before:
        return None
    runs = tuple(step.run for step in steps)
    chained = Chained(frozenset(context.held), tables_behind(uses, context))
    return CompiledHook((_seeing_user(users), *runs) if key == AFTER else runs, chained)


def _seeing_user(users: Table) -> RunStep:
    read = person_statement(users)

    async def see_user(call: Call) -> None:
        told = call.env.pop(NEW_USER)
        call.env["user"] = {**await person(call, read, told["id"]), "email": told["email"]}

    return see_user


def _check_kinds(key: str, uses: list[UseDef], middleware: Mapping[str, MiddlewareDef], findings: Findings) -> None:
    for kind, said in kinds_in(uses, middleware):
        problem = _problem(key, kind, said)
        if problem is not None:
            do = next(name for name, one in KINDS.items() if one is kind)
            findings.report(f"auth.{key}", f"{uses[0].use} can't {key} with {do}: {problem[0]}", problem[1])


def _problem(key: str, kind: Kind, said: Fields) -> tuple[str, str] | None:
    """Say why a step of this kind has no place in a hook, and what to do."""
    if kind.answers:
        return "there is no request that it could answer", "take it out; fail and require refuse"
    if kind.first or kind.by_caller:
        return "it goes by a request, and there is none", "use it in the chain of an endpoint"
    does = kind.does
    if does is None or does.rows is Rows.READ:
        return None
    if key == BEFORE:
        return f"it {does.words}, and this only looks", f"do it in {AFTER}, or in an endpoint"
    if does.lasts(said):
        return "the account isn't there before the commit", "say after: commit"
    if does.is_beyond and (kind.pauses is None or kind.pauses.applies(said) or does.rows is Rows.PEOPLE):
        return f"it {does.words}, and an account is just being made", "do it in an endpoint"
    return None

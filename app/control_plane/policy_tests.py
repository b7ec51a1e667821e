"""Policy tests and the isolation proof over HTTP: of a document, or of what is live, with the report."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Response

from app.auth.admin_access import VIEWER
from app.control_plane.document import SaidBackendOrNone, active, parsed
from app.control_plane.server import Server, ServerDep
from app.definitions.project import DefinitionInvalid, Project
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.isolation import report as isolation_report
from app.isolation.callers import BadProof, asked_for
from app.policy_tests.coverage import pairs_of
from app.policy_tests.report import shown
from app.policy_tests.scratch import TablesNotMade

router = FixedRouter(tags=["tests"])
Said = Annotated[Sequence[str], Query()]


class FailureAnswer(Declared):
    """One thing that came otherwise than expected."""

    place: str
    expected: str
    came: str


class ResultAnswer(Declared):
    """What came of one test, and the stage or step that decided it."""

    name: str
    place: str
    passed: bool
    status: int | None
    code: str | None
    failures: list[FailureAnswer]
    decided: dict[str, Any] | None
    let_by: list[dict[str, Any]]
    milliseconds: float


class UntriedPair(Declared):
    """What is served, and a caller as whom no test asks for it."""

    kind: str
    name: str
    action: str | None
    path: str
    caller: str


class UnseenRule(Declared):
    """A rule with a name, and the value of it without which every test passes as well."""

    name: str
    value: bool


class RuleCoverage(Declared):
    """How many values rules with names have, two each, and those that no test sees."""

    of: int
    tried: int
    untried: list[UnseenRule]


class CoverageAnswer(Declared):
    """How many pairs of what is served and who may ask there are, and those that no test tries; the same of rules."""

    of: int
    tried: int
    untried: list[UntriedPair]
    rules: RuleCoverage


class CoveredPair(UntriedPair):
    """What is served, a caller, and the tests that ask for it so: those that are to be let in, and to be refused."""

    let_in: list[str]
    refused: list[str]


class ReportAnswer(Declared):
    """What came of the tests."""

    passed: int
    failed: int
    milliseconds: float
    tests: list[ResultAnswer]
    coverage: CoverageAnswer


class ServedPart(Declared):
    """An endpoint, or an action of a view."""

    where: str
    action: str | None


class LeakAnswer(ServedPart):
    """A way by which one person comes to another's rows."""

    kind: str
    reached: Any
    caller: str
    other: str | None
    columns: dict[str, Any]
    request: dict[str, Any]
    status: int
    let_by: list[Any]
    decided: Any
    requests: int


class UnreachedPart(ServedPart):
    """What a person's own request did not come through to."""

    caller: str
    why: Any


class UntriedPart(ServedPart):
    """What was not tried."""

    why: Any


class MissingTable(Declared):
    """A table for which no rows could be made."""

    table: str
    why: Any


class ProofAnswer(Declared):
    """What came of the isolation proof."""

    leaks: list[LeakAnswer]
    tried: list[ServedPart]
    requests: int
    unreached: list[UnreachedPart]
    untried: list[UntriedPart]
    cut: list[ServedPart]
    missing: list[MissingTable]
    public: list[str]
    milliseconds: float


class ProofProgress(Declared):
    """The proof of this process: how many of the tries that are known by now are done, and the last report."""

    state: Literal["none", "running", "done"]
    started_at: datetime | None
    done: int
    known: int
    report: ProofAnswer | None


@router.get("/test/coverage", dependencies=[VIEWER], response_model=list[CoveredPair])
async def test_coverage(server: ServerDep) -> Response:
    """List what is served with each kind of caller, and the tests of what is live that ask for it so."""
    return answer([pair.shown() for pair in pairs_of(server.live.runtime)])


@router.post("/test", dependencies=[VIEWER], response_model=ReportAnswer)
@refuses(DefinitionInvalid, TablesNotMade)
async def test(server: ServerDep, document: SaidBackendOrNone) -> Response:
    """Run the tests of a document, or without one those that are live; nothing of it lasts, and no live row is seen."""
    return answer(shown(await server.tests.run(await _project(server, document))))


@router.post("/test/isolation", dependencies=[VIEWER], response_model=ProofAnswer)
@refuses(DefinitionInvalid, TablesNotMade, BadProof)
async def isolation(
    server: ServerDep,
    document: SaidBackendOrNone,
    role: Said = (),
    user: Said = (),
    shared: Said = (),
) -> Response:
    """Prove that one person's rows are out of another's reach; nothing of it lasts, and no live row is seen."""
    project = await _project(server, document)
    asked = asked_for(project, roles=role, columns=user, shared=shared)
    proof = await server.tests.alone(lambda url: server.proofs.prove(url, project, asked))
    return answer(isolation_report.shown(proof))


@router.get("/test/isolation", dependencies=[VIEWER], response_model=ProofProgress)
async def isolation_progress(server: ServerDep) -> Response:
    """Say how far the proof is that runs in this process, or what came of the last one."""
    return answer(server.proofs.shown())


async def _project(server: Server, document: Any) -> Project:
    if document is None:
        _, stored = await active(server)
        return stored.whole()
    return await asyncio.to_thread(parsed, document)

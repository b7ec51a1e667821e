"""A request that came is made a policy test, which is run as it is made."""

from typing import Annotated, Any

from fastapi import Depends, Response

from app.auth.admin_access import VIEWER
from app.changes.files import dump_part
from app.control_plane.document import LIMIT, active
from app.control_plane.findings import FindingAnswer
from app.control_plane.policy_tests import ResultAnswer
from app.control_plane.requests import RequestForgotten, remembered
from app.control_plane.server import Server, ServerDep
from app.definitions.policy_tests import PolicyTestDef
from app.definitions.project import DefinitionInvalid
from app.errors import Finding
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.http.json_body import plain_numbers
from app.policy_tests.made import RequestUntestable, made_test
from app.policy_tests.passed import Passed
from app.policy_tests.run import run_tests
from app.policy_tests.scratch import TablesNotMade

router = FixedRouter(tags=["tests"])


class SentBody(Body):
    """What is not kept of a request: the body that was sent with it."""

    body: Any = None


class MadeTest(Declared):
    """A test, as JSON and as YAML, with what came of it; where it can't be run, `findings` say why."""

    test: dict[str, Any]
    yaml: str
    result: ResultAnswer | None
    findings: list[FindingAnswer]


@router.post("/requests/{request_id}/test", dependencies=[VIEWER], response_model=MadeTest)
@refuses(RequestForgotten, RequestUntestable, TablesNotMade)
async def make_test(
    server: ServerDep, request_id: str, said: Annotated[SentBody, Depends(JsonBody(SentBody, LIMIT))]
) -> Response:
    """Make a test of a request: who asked, the rows that it was about, and what came. It is run, and saved nowhere."""
    seen = remembered(server, request_id)
    taken = [one.name for one in server.live.runtime.project.tests]
    async with server.pool.lease() as connection:
        test = await made_test(connection, server.live.runtime, seen, plain_numbers(said.body), taken)
    result, findings = await _run(server, test)
    shown = [one.shown() for one in findings]
    return answer({"test": test, "yaml": dump_part([test]), "result": result, "findings": shown})


async def _run(server: Server, test: dict[str, Any]) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Run a test on what is live, and give what came of it, or what is wrong with it."""
    _, stored = await active(server)
    project = stored.whole().model_copy(update={"tests": (PolicyTestDef.model_validate(test),)})
    try:
        report = await server.tests.alone(lambda url: run_tests(url, project, Passed()))
    except DefinitionInvalid as invalid:
        return None, list(invalid.findings)
    return report.results[0].shown(), []

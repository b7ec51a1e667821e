"""The whole request on one screen: each stage is begun, and is one call."""

from app.data_plane.run import Run, too_long
from app.data_plane.stages.accept import accept
from app.data_plane.stages.authenticate import authenticate, authenticate_now
from app.data_plane.stages.authorize import authorize
from app.data_plane.stages.bind import bind
from app.data_plane.stages.chain import chain
from app.data_plane.stages.execute import execute
from app.data_plane.stages.respond import respond
from app.errors import RowgateError
from app.steps.running import Answer


async def serve(run: Run) -> Answer:
    """Take a run through the stages, once. Whatever ends it before its commit rolls it back.

    Raises the refusal, or Stale where it has to run on newer definitions, before it has done anything.
    """
    if run.target is None:
        run.stage("accept")
        run.target = accept(run.runtime, run.request)
    if run.identity is None:
        run.stage("authenticate")
        run.identity = run.known or await authenticate(run.request, run.plane.auth, run.runtime)
    target, identity = run.target, run.identity
    async with run.session(target, identity) as db:
        try:
            run.stage("authorize")
            authorize(target, identity, run.runtime)
            call = run.call_of(target, identity, db)
            run.stage("bind")
            bound = await bind(target, run.request, call)
            with run.in_time(target):
                run.stage("chain")
                await chain(target.chain, call)
                run.stage("execute")
                answer = await execute(bound, call)
            run.stage("respond")
            answer = await respond(answer, call)
            run.end()
            return answer
        except RowgateError as refusal:
            await run.refused(refusal, db)
            raise
        except TimeoutError:
            raise too_long(db) from None


def look_ahead(run: Run) -> None:
    """Raise what refuses a request without credentials: that needs neither its body nor the database, nor a task.

    Of all others `serve` goes on with what is found.
    """
    run.begin()
    run.stage("accept")
    run.target = accept(run.runtime, run.request)
    run.stage("authenticate")
    identity = run.identity = authenticate_now(run.request, run.plane.auth, run.runtime)
    if identity is not None and identity.is_anonymous:
        run.stage("authorize")
        authorize(run.target, identity, run.runtime)

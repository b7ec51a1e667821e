"""`rowgate explain`: the statements that an endpoint becomes."""

import json
from typing import Annotated

import typer

from app.cli.options import AsJson, File, wrong_call


def explain(
    file: File, endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")], *, as_json: AsJson = False
) -> None:
    """Print what a request to an endpoint sends to the database, and in how many round trips."""
    from app.changes.files import read_project
    from app.compiler.compile import compile_project
    from app.definitions.project import DefinitionInvalid
    from app.errors import near

    runtime, findings = compile_project(read_project(file))
    if runtime is None:
        raise DefinitionInvalid(findings)
    found = runtime.endpoints.get(endpoint)
    if found is None:
        hint = near(endpoint, runtime.endpoints)
        wrong_call(f"There is no endpoint {endpoint!r} in {file}{f': {hint}' if hint else '.'}")
    if as_json:
        typer.echo(json.dumps(found.plan.shown(), indent=2))
        return
    typer.echo(f"{found.definition.method} {found.definition.path}: {found.plan.told()}")

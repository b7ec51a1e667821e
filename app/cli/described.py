"""`rowgate openapi` and `rowgate types`: what a backend's clients are told of it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import MaybeFile

if TYPE_CHECKING:
    from app.compiler.runtime import Runtime
    from app.definitions.project import Project


class Language(StrEnum):
    """What `rowgate types` writes."""

    typescript = "typescript"


def openapi(file: MaybeFile = None) -> None:
    """Print the OpenAPI document."""
    from app.cli.live import project_of

    typer.echo(openapi_of(project_of(file)))


def types(
    file: MaybeFile = None,
    lang: Annotated[Language, typer.Option(help="The language that they are written in.")] = Language.typescript,
) -> None:
    """Print the types that a typed client takes."""
    from app.cli.live import project_of

    if lang is Language.typescript:
        typer.echo(types_of(project_of(file)), nl=False)


def openapi_of(project: "Project") -> str:
    """Give the OpenAPI document of a project; raises DefinitionInvalid."""
    from app.data_plane.described.openapi import openapi_document
    from app.http.json_answer import to_json

    return to_json(openapi_document(_compiled(project))).decode()


def types_of(project: "Project") -> str:
    """Give the TypeScript types of a project; raises DefinitionInvalid."""
    from app.data_plane.described.typescript import typescript

    return typescript(_compiled(project))


def _compiled(project: "Project") -> "Runtime":
    from app.compiler.compile import compile_project
    from app.definitions.project import DefinitionInvalid

    runtime, findings = compile_project(project)
    if runtime is None:
        raise DefinitionInvalid(findings)
    return runtime

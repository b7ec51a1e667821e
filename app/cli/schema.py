"""`rowgate schema`: prints the JSON Schema of a document."""

import json

import typer


def schema() -> None:
    """Print the JSON Schema of a document, for editors."""
    typer.echo(schema_text(), nl=False)


def schema_text() -> str:
    """Give the JSON Schema of a document as a file has it."""
    from app.steps.document_schema import document_schema

    return json.dumps(document_schema(), indent=1, ensure_ascii=False) + "\n"

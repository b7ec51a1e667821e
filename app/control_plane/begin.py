"""What a document is made of, and what it may begin as: its schema, and the examples."""

from fastapi import Response

from app.auth.admin_access import VIEWER
from app.changes.files import examples
from app.http.fixed_routes import Declared, FixedRouter, answer
from app.steps.document_schema import document_schema

router = FixedRouter(tags=["document"])


class ExampleAnswer(Declared):
    """An example: what it is called, what it says of itself, and its document as YAML."""

    name: str
    about: str
    document: str


@router.get("/schema", dependencies=[VIEWER], response_model=dict[str, object])
async def get_schema() -> Response:
    """Give the JSON Schema of a document, with every key, every kind of step, and what each means."""
    return answer(document_schema())


@router.get("/examples", dependencies=[VIEWER], response_model=list[ExampleAnswer])
def list_examples() -> Response:
    """List the examples that a backend may begin as."""
    found = [(name, path.read_text("utf-8")) for name, path in examples().items()]
    return answer([ExampleAnswer(name=name, about=_about(text), document=text) for name, text in found])


def _about(text: str) -> str:
    """Give the first paragraph of the comment that a document begins with."""
    lines = []
    for line in text.splitlines():
        said = line.removeprefix("#").strip()
        if not line.startswith("#") or not said or said.startswith("yaml-language-server"):
            break
        lines.append(said)
    return " ".join(lines)

"""The reference pages and the schema say what reads and serves: every key, every route, every document."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from app.changes.files import load_file
from app.definitions.project import Project
from app.definitions.steps import StepDef
from app.steps.document_schema import document_schema, meanings_of, models
from tests.backend import EXAMPLES
from tests.docs.reference import PAGES, ROOT

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*/project.yaml"))
DOCUMENT: dict[str, Any] = yaml.safe_load((EXAMPLES / "notes.yaml").read_text())
# A place of the document, what stands there instead, and where the schema finds it.
REFUSED: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("rowgate",), 2, "rowgate"),
    (("tabels",), [], ""),
    (("tables", 0, "name"), "Notes", "tables/0/name"),
    (("tables", 0, "columns", 1, "type"), "string", "tables/0/columns/1/type"),
    (("views", 0, "access"), "everybody", "views/0/access"),
    (("views", 0, "filters"), "true", "views/0"),
    (("endpoints", 0, "steps", 0, "do"), "inserted", "endpoints/0/steps/0/do"),
    (("endpoints", 0, "steps", 0, "tabel"), "notes", "endpoints/0/steps/0"),
    (("endpoints", 0, "steps", 1, "status"), "much", "endpoints/0/steps/1/status"),
    (("endpoints", 0, "steps", 1), {"do": "if", "when": "x", "then": [{"do": "fail"}]}, "endpoints/0/steps/1/then/0"),
    (("endpoints", 0, "middleware", 0), {"use": "few", "width": {}}, "endpoints/0/middleware/0"),
]  # fmt: skip


@cache
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(document_schema())
    return Draft202012Validator(document_schema())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_made_from_the_code_is_what_the_code_says(page: Path) -> None:
    assert page.read_text() == PAGES[page](), "`make reference` writes it anew"


@pytest.mark.parametrize("model", models([Project]), ids=lambda model: model.__name__)
def test_every_key_of_a_document_has_its_sentence(model: Any) -> None:
    # The keys of a kind of step stand in its own section of docs/steps.md.
    assert set(model.model_fields) - meanings_of(model).keys() == ({"fields"} if model is StepDef else set())


@pytest.mark.parametrize(("place", "said", "where"), REFUSED)
def test_the_schema_refuses_what_a_document_may_not_say(place: tuple[Any, ...], said: Any, where: str) -> None:
    document = deepcopy(DOCUMENT)
    here: Any = document
    for key in place[:-1]:
        here = here[key]
    here[place[-1]] = said
    assert where in {"/".join(map(str, found.absolute_path)) for found in validator().iter_errors(document)}


@pytest.mark.parametrize("path", [*sorted(EXAMPLES.glob("*.yaml")), *GOLDEN], ids=lambda path: str(path.parent.name))
def test_the_schema_takes_what_is_taken(path: Path) -> None:
    assert [found.message for found in validator().iter_errors(load_file(path))] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_names_the_schema_that_stands_beside_it(path: Path) -> None:
    assert "\n# yaml-language-server: $schema=rowgate.schema.json\nrowgate: 1\n" in path.read_text()

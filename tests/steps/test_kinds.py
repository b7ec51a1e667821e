"""A kind of step leaves nothing open about itself, and nothing else knows it by name."""

import ast
import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any
from unittest.mock import patch

import pytest

from app.steps.kind import READS, Asks, Does, Kind, Means, Rows, StepBody, always, never
from app.steps.registry import KINDS

APP = Path(__file__).parents[2] / "app"
FILES = sorted(one for one in (APP / "steps" / "kinds").glob("*.py") if one.name != "__init__.py")
PARTS = [one.name for one in dataclasses.fields(Kind) if one.default is dataclasses.MISSING]


def run(tree: ast.Module) -> None:
    """Import a module that was changed."""
    changed = ModuleType("changed")
    with patch.dict(sys.modules, {changed.__name__: changed}):  # where dataclasses look for what annotations name
        exec(compile(ast.fix_missing_locations(tree), "<kind>", "exec"), vars(changed))


def built(tree: ast.Module) -> ast.Call:
    """Give the call that makes the kind."""
    (found,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Kind"
    )
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.stem)
def test_a_file_that_leaves_out_a_part_of_its_kind_does_not_import(file: Path) -> None:
    run(ast.parse(file.read_text()))
    for part in PARTS:
        tree = ast.parse(file.read_text())
        made = built(tree)
        made.keywords = [one for one in made.keywords if one.arg != part]
        with pytest.raises(TypeError, match=f"missing .* argument.*: '{part}'"):
            run(tree)


class _WithoutMeaning(ast.NodeTransformer):
    """Takes the meaning from the field of that number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated" and "Means." in ast.unparse(node):
            self.left -= 1
            if self.left == -1:
                return parts[0]
        return node


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.stem)
def test_a_file_that_leaves_open_what_a_field_means_does_not_import(file: Path) -> None:
    for number in range(file.read_text().count("Annotated[")):
        with pytest.raises(TypeError, match="has to say once what it means"):
            run(_WithoutMeaning(number).visit(ast.parse(file.read_text())))


def made(body: type[StepBody], **other: Any) -> Kind:
    said = {"refuses": always, "asks": Asks.RULE, "rules": None, "does": None, "answers": False, "pauses": None}
    return Kind(**{"body": body, "compile": lambda *_: None, **said, **other})


class Sound(StepBody):
    """A field that means something."""

    text: Annotated[str, Means.RULE]


class Two(StepBody):
    """A field that means two things."""

    text: Annotated[str, Means.RULE, Means.LOOKS]


class Optional(StepBody):
    """Steps inside that may be left out."""

    steps: Annotated[tuple[Any, ...], Means.STEPS] = ()


class Alone(StepBody):
    """What runs where a condition doesn't hold, without one."""

    otherwise: Annotated[tuple[Any, ...], Means.OTHERWISE] = ()


class Shown(StepBody):
    """What an answer shows."""

    text: Annotated[str, Means.SHOWS]


@pytest.mark.parametrize(
    ("body", "other", "told"),
    [
        (Shown, {}, "SHOWS is of a kind that answers"),
        (Two, {}, "Two.text has to say once"),
        (Optional, {}, "Optional.steps means STEPS and can't be left out"),
        (Alone, {}, "OTHERWISE goes with a CONDITION"),
        (Sound, {"asks": None}, "what it refuses for"),
        (Sound, {"refuses": never}, "what it refuses for"),
        (Sound, {"refuses": never, "asks": None, "rules": lambda *_: ()}, "rules are those of a kind that refuses"),
        (Sound, {"does": READS}, "name the table"),
        *(
            (Sound, {"does": Does(words="x", rows=rows, lasts=never, picks=never, is_beyond=False)}, "name the table")
            for rows in (Rows.WRITTEN, Rows.GONE)
        ),
    ],
)
def test_what_a_kind_says_of_itself_has_to_fit(body: type[StepBody], other: dict[str, Any], told: str) -> None:
    assert made(Sound).fields == {"text": Means.RULE}
    with pytest.raises(TypeError, match=told):
        made(body, **other)


def test_every_meaning_is_one_that_a_field_has() -> None:
    assert {means for kind in KINDS.values() for means in kind.fields.values()} == set(Means)
    assert {kind.asks for kind in KINDS.values()} == {*Asks, None}
    assert {kind.does.rows for kind in KINDS.values() if kind.does is not None} == set(Rows)


# Words that mean something else too, in files that know nothing of steps.
ELSEWHERE = {
    "insert", "update", "delete",  # what a view allows
    "count", "exists", "list", "aggregate",  # what a view's columns and the language compute
    "sign_in", "sign_up",  # what stands in the audit log
    "call", "http", "if", "respond",  # of the outbox; in a URL; reserved in the language; a stage
}  # fmt: skip
# Files that know steps, and name by the same word something else; and one that is read before any kind is known.
ALLOWED = {
    "compiler/compile.py": {"delete"},
    "compiler/paths.py": {"insert", "update", "delete"},
    "definitions/steps.py": {"if"},
    "policy_tests/made.py": {"call"},  # a key of a policy test
    "policy_tests/result.py": {"respond"},  # the stage
    "review/auth_effects.py": {"sign_up"},  # a key of `auth`
    "review/view_doubts.py": {"insert", "update", "delete"},  # what a view allows
    "review/view_effects.py": {"insert", "update"},
    "steps/document_schema.py": {"if"},  # the key of JSON Schema
    "steps/settings.py": {"set"},
}
KNOWS_STEPS = re.compile(r"\bsteps\.(?:registry|kind)\b|\bStepDef\b")


def named() -> Iterator[tuple[str, str]]:
    """Yield where a word of a kind stands in quotes outside its own file and the registry."""
    words = re.compile(rf"""["']({"|".join(sorted(KINDS))})["']""")
    for file in sorted(APP.rglob("*.py")):
        place, text = str(file.relative_to(APP)), file.read_text()
        if file in FILES or place == "steps/registry.py":
            continue
        knows = place.startswith(("steps/", "compiler/", "review/", "policy_tests/")) or KNOWS_STEPS.search(text)
        for word in set(words.findall(text)):
            if knows or word not in ELSEWHERE:
                yield place, word


def test_nothing_else_names_a_kind() -> None:
    found: dict[str, set[str]] = {}
    for place, word in named():
        found.setdefault(place, set()).add(word)
    assert found == ALLOWED

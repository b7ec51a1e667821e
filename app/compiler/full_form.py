"""Conditions that are said in short, written out: what is kept and shown of a project is their full form."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from app.definitions.project import Project, dump_project, parse_project
from app.expressions.check import Expression


@dataclass(frozen=True, slots=True)
class WrittenOut:
    """A condition that was said in short: its place, what was said there, and what that means."""

    place: str
    said: str
    full: str

    def shown(self) -> dict[str, str]:
        """Give the members in a JSON answer."""
        return {"place": self.place, "said": self.said, "full": self.full}


def in_full(project: Project, checked: Iterable[tuple[str, Expression]]) -> tuple[Project, tuple[WrittenOut, ...]]:
    """Give the project with every checked condition in its full form, and what was written out."""
    # What is said in a middleware has a place there, beside those in the chains that it is part of.
    short = {
        (place, expression.said): WrittenOut(place, expression.said, expression.text)
        for place, expression in checked
        if expression.said is not None and "(" not in place
    }
    if not short:
        return project, ()
    document = deepcopy(dump_project(project))
    for one in short.values():
        if not _put(document, one.place.replace("/", ".").split("."), one):
            msg = f"{one.place} is no place of the document"
            raise AssertionError(msg)
    written, _ = parse_project(document, stored=True)
    if written is None:
        msg = "a condition in full is no condition"
        raise AssertionError(msg)
    return written, tuple(short.values())


def _put(here: Any, path: Sequence[str], one: WrittenOut) -> bool:
    """Put the full form to what is said at a path; say whether it is said there."""
    key, *rest = path
    if isinstance(here, list):
        inside = [
            item
            for at, item in enumerate(here)
            if key == str(at) or (isinstance(item, dict) and item.get("name") == key)
        ]
        # The steps of a branch stand in its own list: `then.steps/0` is the first of `then`.
        return any(rest and _put(item, rest, one) for item in inside) or (key == "steps" and _put(here, rest, one))
    if not isinstance(here, dict) or key not in here:
        return False
    if rest:
        return _put(here[key], rest, one)
    if not isinstance(here[key], str) or here[key].removeprefix("=") != one.said:
        return False
    here[key] = one.full
    return True

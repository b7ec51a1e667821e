"""What stood in the definitions before a change: a part that was saved so isn't refused until it is next saved."""

import re

from app.compiler.check import check_project
from app.definitions.project import KINDS, SINGLES, Project, dump_definition, part_of
from app.definitions.stored import Unread
from app.errors import Finding
from app.review.effects import Effect

# What a definition says beside its own place: the middleware that a chain has come through.
_THROUGH = re.compile(r"\((\w+)\)|\bmiddleware/(\w+)")


def refused(found: list[Finding], before: Project, after: Project, *, lenient: bool) -> list[Finding]:
    """Give the findings of `after` that refuse it.

    One that is only stricter doesn't, where the same was found before and neither its definition nor the middleware
    on its way has changed; if `lenient`, any finding is held so.
    """
    if not found:
        return []
    known = {_key(one) for one in check_project(before)}
    changed = _changed(before, after)
    return [
        one for one in found if not (one.stricter or lenient) or _key(one) not in known or changed & _parts(one.place)
    ]


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.place, finding.code, finding.message


def _parts(place: str) -> set[str]:
    through = {f"middleware/{one or other}" for one, other in _THROUGH.findall(place)}
    return {part_of(place), *through}


def _changed(before: Project, after: Project) -> set[str]:
    """Name the definitions of `after` that don't stand in `before` word for word."""
    changed = {kind for kind in SINGLES if getattr(before, kind) != getattr(after, kind)}
    for section in KINDS:
        known = {one.name: dump_definition(one) for one in getattr(before, section)}
        changed |= {
            f"{section}/{one.name}" for one in getattr(after, section) if known.get(one.name) != dump_definition(one)
        }
    return changed


def effects_of_unread(unread: list[Unread], after: Project) -> tuple[Effect, ...]:
    """Say of what takes the place of a definition that can't be read that it may let anybody into more."""
    return tuple(
        Effect(one.place, "anybody", "may_gain", "access", "what stood there before can't be read", wider=True)
        for one in unread
        if any(one.place == f"{section}/{said.name}" for section in KINDS for said in getattr(after, section))
    )

"""What is new paired with what was: by name, or by `was` where it is renamed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def paired(old: Sequence[Any], new: Sequence[Any]) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Pair each new definition with the one that it was, or None; the second result is what is gone.

    A `was` is followed where that name is there and isn't kept: because nothing has it any more, or because the
    definition's own name is new or was given up by another rename. So a chain of renames and a new definition under an
    old name are what they say, and a file that is applied a second time changes nothing.
    """
    before = {definition.name: definition for definition in old}
    origins = _origins(set(before), new)
    pairs = [(before.get(origins.get(definition.name, "")), definition) for definition in new]
    used = set(origins.values())
    return pairs, [definition for definition in old if definition.name not in used]


def _origins(before: set[str], new: Sequence[Any]) -> dict[str, str]:
    """Give for each new name the old one that it comes from."""
    names = {definition.name for definition in new}
    origins: dict[str, str] = {}
    taken: set[str] = set()
    found = True
    while found:
        found = False
        for definition in new:
            name, was = definition.name, definition.was
            if name in origins or was is None or was not in before or was in taken:
                continue
            if name not in before or name in taken or was not in names:
                origins[name], found = was, True
                taken.add(was)
    return origins | {name: name for name in names if name in before and name not in origins and name not in taken}


def in_turn(renames: Iterable[T], names: Callable[[T], tuple[str, str]]) -> list[T]:
    """Order renames, whose old and new names `names` gives, so that each new name is free when its turn comes."""
    waiting, ordered = list(renames), []
    while waiting:
        held = {names(one)[0] for one in waiting}
        ready = [one for one in waiting if names(one)[1] not in held - {names(one)[0]}]
        # Definitions that would take each other's names in a circle are a finding, and never come here.
        ordered += ready or waiting
        waiting = [one for one in waiting if one not in ready] if ready else []
    return ordered

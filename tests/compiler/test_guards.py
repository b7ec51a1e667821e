"""A guard that is taken away, weakened or moved is called wider: for every kind of step, and over random chains."""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.compiler.check import check_project
from app.compiler.effects import effects
from app.definitions.project import Project, parse_project
from tests.compiler.chains import Chains, changed, taken_away
from tests.compiler.worlds import Run, World, world

# How many random chains are changed; a long run by hand takes many more.
CHAINS = int(os.environ.get("ROWGATE_RANDOM_CHAINS", "60"))
CALLERS = 200


def parsed(document: Any) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


def is_sound(document: Any) -> bool:
    return check_project(parsed(document)) == []


def is_wider(before: Project, after: Project) -> bool:
    return any(one.wider for one in effects(before, after))


def gains(before: Any, after: Any, worlds: list[World]) -> World | None:
    """Find a caller who comes to more by the second document."""
    return next((one for one in worlds if Run(after, one).result().is_more_than(Run(before, one).result())), None)


def variants(chains: Chains, before: Any) -> Iterator[Any]:
    """Yield a document without each of its steps, and with other changes."""
    yield from taken_away(before)
    for _ in range(8):
        yield changed(chains, before)


@pytest.mark.parametrize("seed", range(4))
def test_what_any_of_200_callers_newly_reaches_was_called_wider(seed: int) -> None:
    chance = random.Random(f"{seed} of {CHAINS}")
    chains = Chains(chance)
    told, tried = {True: 0, False: 0}, 0
    while tried < CHAINS // 4:
        before = chains.document()
        if not is_sound(before):
            continue
        tried += 1
        worlds = [world(chance) for _ in range(CALLERS)]
        for after in variants(chains, before):
            wider = is_wider(parsed(before), parsed(after))
            if wider or is_sound(after):
                told[wider] += 1
                found = None if wider else gains(before, after, worlds)
                assert found is None, (before["endpoints"], after["endpoints"], found)
    assert min(told.values()) > 0, told

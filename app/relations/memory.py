"""What compilations remember: a part is taken over from one to the next while all that it asked has the same answers.

A part is compiled over mappings that note what they are asked, so that no part can depend on what isn't held against.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from app.expressions.check import Expression
from app.expressions.types import Scalar
from app.relations.findings import Findings

Made = TypeVar("Made")
Asked = dict[tuple[str, str | None], Any]
World = Mapping[str, Any]
"""By name what can be asked: mappings, or what has their `get`."""

RECENT = 4  # compilations: what is served, what was, and drafts beside them
_ABSENT: Any = object()
# Of names, which are the same if they are equal; all else is so only if it is itself.
_WORDS = (tuple, frozenset, Scalar)


class Watched(Mapping[str, Any]):
    """A mapping that notes what it is asked, with what it answered; None stands for all its names in their order."""

    def __init__(self, name: str, inner: Any, asked: Asked) -> None:
        """Take the mapping, and where to note."""
        self._name, self._inner, self._asked = name, inner, asked

    def __getitem__(self, key: str) -> Any:
        answer = self._inner.get(key, _ABSENT)
        self._asked.setdefault((self._name, key), answer)
        if answer is _ABSENT:
            raise KeyError(key)
        return answer

    def __iter__(self) -> Iterator[str]:
        names = self._asked.setdefault((self._name, None), tuple(self._inner))
        return iter(names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(slots=True)
class _Part:
    """What was compiled of a definition, what was given to it, what it asked, and what `Findings` gathered of it."""

    said: Any
    given: tuple[Any, ...]
    asked: Asked
    made: Any
    checked: tuple[tuple[str, Expression], ...] = ()
    secrets: tuple[str, ...] = ()

    def fits(self, said: Any, given: tuple[object, ...], world: World) -> bool:
        """Say whether it would be compiled to the same now; asks in the order in which it asked, until one differs."""
        return (
            said is self.said
            and all(map(_same, given, self.given))
            and all(_same(_answer(world[name], key), answer) for (name, key), answer in self.asked.items())
        )


def _answer(mapping: Any, key: str | None) -> object:
    return tuple(mapping) if key is None else mapping.get(key, _ABSENT)


def _same(one: Any, other: object) -> bool:
    # Equal is not the same: 1, 1.0 and true are equal to Python.
    return one is other or (isinstance(one, _WORDS) and type(one) is type(other) and one == other)


class Compilation:
    """The parts of one compilation, in which those of recent ones are found again."""

    def __init__(self, recent: tuple[dict[str, _Part], ...], *, is_served: bool = True) -> None:
        """Take recent ones, the newest first, and whether anything of this one may be served."""
        self._recent, self.is_served = recent, is_served
        self.parts: dict[str, _Part] = {}

    def part(
        self,
        place: str,
        said: Any,
        given: tuple[object, ...],
        world: World,
        make: Callable[[Mapping[str, Watched]], Made],
        findings: Findings,
    ) -> Made:
        """Give what `make` makes of a definition, given these values, over `world`: from before, or made now.

        Only what has no findings is remembered, so that each compilation finds all of them, in their order.
        """
        for known in self._recent:
            part = known.get(place)
            if part is not None and part.fits(said, given, world):
                self.parts[place] = part
                findings.checked += part.checked
                findings.secrets += part.secrets
                made: Made = part.made
                return made
        asked: Asked = {}
        before, checked, secrets = len(findings.found), len(findings.checked), len(findings.secrets)
        made = make({name: Watched(name, inner, asked) for name, inner in world.items()})
        if made is not None and len(findings.found) == before:
            gathered = tuple(findings.checked[checked:]), tuple(findings.secrets[secrets:])
            self.parts[place] = _Part(said, given, asked, made, *gathered)
        return made

    def again(self, place: str, said: Any, made: Made) -> Made:
        """Give the equal one that was made of the same definition before, if there is one."""
        for known in self._recent:
            part = known.get(place)
            if part is not None and part.said is said and part.made == made:
                self.parts[place] = part
                before: Made = part.made
                return before
        self.parts[place] = _Part(said, (), {}, made)
        return made

    def changed(self, place: str, made: Any) -> None:
        """Remember a part as it was completed."""
        if place in self.parts:
            self.parts[place].made = made


class Memory:
    """The last few compilations, by the schema that their tables stand in. Threads may share it."""

    def __init__(self, *, is_served: bool = True) -> None:
        """Begin with none. What isn't to be served is only checked: what makes it faster is left out."""
        self._recent: dict[str, deque[dict[str, _Part]]] = {}
        self._is_served = is_served

    def begin(self, schema: str) -> Compilation:
        """Begin one, over tables in a schema."""
        return Compilation(tuple(self._recent.get(schema, ())), is_served=self._is_served)

    def keep(self, schema: str, one: Compilation) -> None:
        """Remember one that has ended."""
        self._recent.setdefault(schema, deque(maxlen=RECENT)).appendleft(one.parts)

    def aside(self) -> "Memory":
        """Give one that knows the same, and whose compilations this one won't remember."""
        beside = Memory(is_served=self._is_served)
        beside._recent = {schema: deque(recent, maxlen=RECENT) for schema, recent in self._recent.items()}
        return beside

    def forget(self) -> None:
        """Remember none."""
        self._recent.clear()


MEMORY = Memory()
"""That of the process."""

LOOKING = Memory(is_served=False)
"""That of a process, or a command, which only checks definitions."""

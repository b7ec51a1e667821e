"""The effect of a change on what is taken in: which input is refused no longer, and which is refused now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.definitions.inputs import InputsDef, ListDef, ObjectDef, ParamDef

Said = ParamDef | ObjectDef | ListDef
Verb = Literal["gains", "loses", "may_gain"]
_ELSEWHERE = {"description", "fields", "of"}


@dataclass(frozen=True, slots=True)
class InputEffect:
    """What becomes of an input, by its name with those around it, and because of what."""

    effect: Verb
    name: str
    because: str


def input_effects(old: InputsDef, new: InputsDef) -> Iterator[InputEffect]:
    """Compare what an endpoint takes: an input that moves to another place is another one."""
    for place, fields in old.places.items():
        yield from field_effects(fields, new.places[place])


def field_effects(old: Mapping[str, Said], new: Mapping[str, Said], around: str = "") -> Iterator[InputEffect]:
    """Compare declared fields."""
    for name, after in new.items():
        if name not in old:
            yield InputEffect("may_gain", f"{around}{name}", "it is taken now")
        else:
            yield from _one(old[name], after, f"{around}{name}")
    for name, before in old.items():
        if name not in new and before.required:
            yield InputEffect("gains", f"{around}{name}", "it is asked for no longer")
        elif name not in new:
            yield InputEffect("loses", f"{around}{name}", "it is taken no longer")


def _one(old: Said, new: Said, name: str) -> Iterator[InputEffect]:
    before, after = old.model_dump(exclude=_ELSEWHERE), new.model_dump(exclude=_ELSEWHERE)
    for key in sorted({**before, **after}):
        was, now = before.get(key), after.get(key)
        if was != now:
            verb: Verb = "loses" if _STRICTER.get(key, _other)(was, now) else "may_gain"
            yield InputEffect(verb, name, f"its {key} is {_said(now)} now, and was {_said(was)}")
    if isinstance(old, ObjectDef) and isinstance(new, ObjectDef):
        yield from field_effects(old.fields, new.fields, f"{name}.")
    if isinstance(old, ListDef) and isinstance(new, ListDef):
        yield from _one(old.of, new.of, f"{name}[]")


def _said(value: Any) -> str:
    return "not said" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _more(was: object, now: Any) -> bool:
    return now is not None and (was is None or now >= was)


def _less(was: object, now: Any) -> bool:
    return now is not None and (was is None or now <= was)


def _required(_was: object, now: object) -> bool:
    return bool(now)


def _fewer(was: Any, now: Any) -> bool:
    return bool(now) and (not was or set(now) <= set(was))


def _other(_was: object, _now: object) -> bool:
    """Whether another pattern, type, format or default takes less isn't known."""
    return False


# By option whether its new value takes at most what the old one took.
_STRICTER: Mapping[str, Callable[[object, object], bool]] = {
    "required": _required, "min": _more, "min_length": _more, "max": _less, "max_length": _less, "values": _fewer,
}  # fmt: skip

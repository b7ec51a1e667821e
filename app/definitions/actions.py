"""What may be done through a view: each action, and where it says so, its own rule."""

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, model_validator
from pydantic_core import PydanticKnownError

from app.definitions.access import Access
from app.definitions.expression_text import OptionalExpression
from app.definitions.names import Definition, FieldName, Items, Name

Action = Literal["select", "insert", "update", "delete"]
ACTIONS: tuple[Action, ...] = get_args(Action)
# A row that is read or deleted isn't another one afterwards, and of a new one there is none before.
_TAKEN: dict[Action, frozenset[str]] = {
    "select": frozenset({"filter", "access"}),
    "insert": frozenset({"check", "access", "writable", "presets"}),
    "update": frozenset({"filter", "check", "access", "writable", "presets"}),
    "delete": frozenset({"filter", "access"}),
}


class ActionDef(Definition):
    """What is otherwise for one action than the view says."""

    filter: OptionalExpression = None
    """An expression over `row` and `auth`: for which of the view's rows it is."""
    check: OptionalExpression = None
    """What a row has to be after it, in place of the view's filter."""
    access: Access | None = None
    """Who may do it, in place of the view's `access`."""
    writable: Items[FieldName] | None = None
    """The columns that a caller may give, in place of the view's."""
    presets: dict[Name, Any] | None = None
    """Columns that it sets itself, and nobody can send, in place of the view's."""

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        return refuse_both(self, self.writable, self.presets)


Said = TypeVar("Said")


def refuse_both(said: Said, writable: Collection[str] | None, presets: Mapping[str, Any] | None) -> Said:
    """Give it back; raises ValueError where a column is set both by clients and by the view."""
    if both := sorted(set(writable or ()) & set(presets or ())):
        msg = f"a preset can't be writable: {', '.join(both)}"
        raise ValueError(msg)
    return said


def _taken(allow: dict[Action, ActionDef]) -> dict[Action, ActionDef]:
    for action, said in allow.items():
        extra = [key for key in type(said).model_fields if getattr(said, key) is not None and key not in _TAKEN[action]]
        if extra:
            takes = ", ".join(key for key in ActionDef.model_fields if key in _TAKEN[action])
            msg = f"{action} takes {takes}, not {extra[0]}"
            raise ValueError(msg)
    return allow


def _action(value: Any) -> Any:
    if value is True:
        return {}
    if value is False:
        msg = "an action that isn't named isn't allowed: leave it out"
        raise ValueError(msg)
    return value


def _listed(value: Any) -> Any:
    """Give a list of actions as the map of those that say nothing of their own."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list | tuple):
        raise PydanticKnownError("list_type")
    if not all(isinstance(one, str) for one in value):
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, ACTIONS))})
    return dict.fromkeys(value, True)


OneAction = Annotated[ActionDef, BeforeValidator(_action, json_schema_input_type=ActionDef | Literal[True])]
Allow = Annotated[
    dict[Action, OneAction],
    BeforeValidator(_listed, json_schema_input_type=list[Action] | dict[Action, OneAction]),
    AfterValidator(_taken),
]


@dataclass(frozen=True, slots=True)
class SaidRule:
    """A condition as it is said, with its place in the document."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class ActionRule:
    """What holds for one action through a view: its own word where it has one, else the view's.

    `filters` all hold for the rows that it is for, `check` for what a row is after it; where there is none, every row
    will do. `writable` is None where nothing names the columns that a caller may give. `own` are the keys that the
    action says itself, `set_by_view` the columns of the view's presets.
    """

    action: Action
    place: str
    access: Access
    filters: tuple[SaidRule, ...]
    check: SaidRule | None
    writable: tuple[str, ...] | None
    presets: Mapping[str, Any]
    own: frozenset[str]
    set_by_view: frozenset[str]

    def takes(self, plain: Iterable[str], kept: Container[str]) -> list[str]:
        """Name those of the plain columns that a caller may give.

        Those that the database keeps, and what the view presets, are given only where it is said so.
        """
        if self.writable is None:
            named = [name for name in plain if name not in kept and name not in self.set_by_view]
        else:
            named = [name for name in plain if name in self.writable]
        return [name for name in named if name not in self.presets]

    def place_of(self, key: str) -> str:
        """Give the place where a key is said: at the action, or at the view."""
        return f"{self.place}.{key}" if key in self.own else f"{self.place.partition('.')[0]}.{key}"

    @property
    def filter(self) -> str | None:
        """Give the filters as one condition."""
        texts = [one.text.strip().removeprefix("=").strip() for one in self.filters]
        return " && ".join(f"({text})" for text in texts) if len(texts) > 1 else next(iter(texts), None)

"""Views: a guarded window on one table."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app.definitions.access import Access
from app.definitions.actions import Action, ActionDef, ActionRule, Allow, SaidRule, refuse_both
from app.definitions.answers import MAX_BYTES, MaxBytes
from app.definitions.expression_text import OptionalExpression
from app.definitions.inputs import ParamDef
from app.definitions.names import BoundName, Definition, FieldName, Items, Name
from app.definitions.steps import UseDef

HELD_BODY = 1024 * 1024  # bytes of a body that is held whole

AGGREGATES = ("count", "exists", "sum", "min", "max", "avg")
SOURCES = ("value", *AGGREGATES, "one", "list")
# What each kind of column takes beside its name and the table or view it reads.
_TAKEN: dict[str | None, frozenset[str]] = {
    None: frozenset(),
    "value": frozenset({"value"}),
    **dict.fromkeys(("count", "exists"), frozenset({"where"})),
    **dict.fromkeys(("sum", "min", "max", "avg"), frozenset({"where", "of"})),
    "one": frozenset({"where", "value", "order"}),
    "list": frozenset({"where", "value", "order", "limit"}),
}


class ViewColumnDef(Definition):
    """A column of a view: a plain one by its name, or one that is computed by exactly one of `SOURCES`."""

    name: FieldName
    """What clients call it; alone, the column of this name."""
    value: OptionalExpression = None
    """An expression over `row`; beside `one` or `list`, what is taken of `item`."""
    count: Name | None = None
    """A table or view: how many of its rows belong here."""
    exists: Name | None = None
    """A table or view: whether one of its rows belongs here."""
    sum: Name | None = None
    """A table or view: the sum of `of` over its rows."""
    min: Name | None = None
    """A table or view: the least `of` of its rows."""
    max: Name | None = None
    """A table or view: the greatest `of` of its rows."""
    avg: Name | None = None
    """A table or view: the mean of `of` over its rows."""
    one: Name | None = None
    """A table or view: the one row that belongs here, or null."""
    list_: Name | None = Field(default=None, alias="list")
    """A table or view: the rows that belong here."""
    of: OptionalExpression = None
    """An expression over `item`, which is summed or compared."""
    where: OptionalExpression = None
    """An expression over `item` and `row`: which rows of the other side belong here."""
    order: Items[str] = ()
    """In which order: `column`, `column desc`, `column desc nullslast`."""
    limit: int | None = Field(default=None, ge=1)
    """How many at most."""
    description: str | None = None
    """For the OpenAPI document."""

    @property
    def source(self) -> str | None:
        """Name the key that computes this column, or None for a plain column."""
        given = [key for key in SOURCES if getattr(self, "list_" if key == "list" else key) is not None]
        return next((key for key in given if key != "value"), given[0] if given else None)

    @property
    def relation(self) -> str | None:
        """Name the table or view on the other side, where there is one."""
        source = self.source
        return None if source in {None, "value"} else getattr(self, "list_" if source == "list" else str(source))

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [key for key in SOURCES if getattr(self, "list_" if key == "list" else key) is not None]
        # `value` beside `list` or `one` says which value of the other row is taken.
        others = [key for key in given if key != "value"]
        if len(others) > 1:
            msg = f"a computed column has exactly one of {', '.join(SOURCES)}"
            raise ValueError(msg)
        keys = ("value", "of", "where", "order", "limit")
        said = [key for key in keys if getattr(self, key) not in (None, ())]
        if extra := [key for key in said if key not in _TAKEN[self.source]]:
            takes = ", ".join(key for key in keys if key in _TAKEN[self.source]) or "nothing more"
            msg = f"{f'a column by {self.source}' if self.source else 'a plain column'} takes {takes}, not {extra[0]}"
            raise ValueError(msg)
        if others and others[0] in {"sum", "min", "max", "avg"} and self.of is None:
            msg = f"{others[0]} needs `of`: the value of each item, such as item.amount"
            raise ValueError(msg)
        return self


def _column(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


ViewColumn = Annotated[ViewColumnDef, BeforeValidator(_column, json_schema_input_type=ViewColumnDef | FieldName)]


def _reads() -> dict[Action, ActionDef]:
    return {"select": ActionDef()}


class ViewDef(Definition):
    """Which columns, which rows, for whom, and what may be done through it."""

    name: Name
    """Where it is served: `/rest/v1/<name>`."""
    was: Name | None = None
    """The name before, where this renames it."""
    table: Name
    """The table whose rows it shows, or `users`."""
    columns: Literal["all"] | Items[ViewColumn] = "all"
    """What it shows: names, computed columns, or `all`."""
    filter: OptionalExpression = None
    """An expression over `row` and `auth`: which rows there are through it, to read and to write."""
    params: dict[BoundName, ParamDef] = Field(default_factory=dict)
    """Query parameters that the filter reads as `params.…`."""
    access: Access = "authenticated"
    """Who may use it."""
    middleware: Items[UseDef] = ()
    """Chains that run before each request, in order."""
    allow: Allow = Field(default_factory=_reads, json_schema_extra={"default": ["select"]})
    """What may be done through it: a list of actions, or a map of them to `true` or to rules of their own."""
    writable: Items[FieldName] | None = None
    """The columns that a caller may give; all that it shows by itself."""
    presets: dict[Name, Any] = Field(default_factory=dict)
    """Columns that the view sets itself, and nobody can send."""
    unchanged: Literal["ignore"] | None = None
    """`ignore` counts columns that a client sends back as they are as not sent; ids and times always are."""
    order: Items[str] = ()
    """The order where a request says none."""
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    """The most rows of an answer."""
    max_bytes: MaxBytes = MAX_BYTES
    """The most bytes of an answer."""
    body_limit: int = Field(default=HELD_BODY, ge=1, le=1024 * 1024 * 1024)
    """The most bytes of a body; of more than 1 MiB, rows that are inserted as lines of JSON or as CSV, in pieces."""
    description: str | None = None
    """For the OpenAPI document."""
    tags: Items[str] = ()
    """Groups of the OpenAPI document."""

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.columns != "all":
            names = [column.name for column in self.columns]
            if not names:
                msg = "a view shows at least one column; `columns: all` shows every one"
                raise ValueError(msg)
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                msg = f"a column stands twice: {', '.join(repeated)}"
                raise ValueError(msg)
        return refuse_both(self, self.writable, self.presets)

    def rule(self, action: Action) -> ActionRule:
        """Give what holds for an action, be it allowed or not; whatever asks reads it here."""
        said, place = self.allow.get(action, ActionDef()), f"views/{self.name}.allow.{action}"
        own = SaidRule(f"views/{self.name}.filter", self.filter) if self.filter is not None else None
        narrower = SaidRule(f"{place}.filter", said.filter) if said.filter is not None else None
        check = SaidRule(f"{place}.check", said.check) if said.check is not None else own
        # What the view presets is for new rows; an update sets what it says itself.
        presets = said.presets if said.presets is not None else self.presets if action == "insert" else {}
        return ActionRule(
            action,
            place,
            self.access if said.access is None else said.access,
            () if action == "insert" else tuple(one for one in (own, narrower) if one is not None),
            check if action in ("insert", "update") else None,
            self.writable if said.writable is None else said.writable,
            presets,
            frozenset(key for key in type(said).model_fields if getattr(said, key) is not None),
            frozenset(self.presets),
        )

    @property
    def rules(self) -> list[ActionRule]:
        """Give what holds for each action that is allowed."""
        return [self.rule(action) for action in self.allow]

    @property
    def conditions(self) -> list[SaidRule]:
        """Give every condition that is said over its rows, each once."""
        rules = [self.rule("select"), *self.rules]
        found = [one for rule in rules for one in (*rule.filters, *([] if rule.check is None else [rule.check]))]
        return list(dict.fromkeys(found))

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Give whom its actions let in, each access once."""
        return tuple({repr(rule.access): rule.access for rule in self.rules}.values())

"""What a kind of step says of itself: its fields, whom it refuses, what it does, where it may stand."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Annotated, Any, Protocol

from pydantic import Field, ValidationError

from app.definitions.messages import Told, told
from app.definitions.names import BoundName, Definition
from app.definitions.steps import StepDef
from app.expressions.syntax import Node
from app.steps.context import Context, Step
from app.steps.windows import TimeWindow

Fields = Mapping[str, Any]
"""What a definition says of a step, beside what every kind takes."""


class Means(IntEnum):
    """What a field means where two versions of a chain are compared.

    The rows that a step is about: TABLE is their table or view, ID the rule that gives the id of one, WHERE a rule over
    `item`. What is said of them: RULE is a rule, VALUE a value, in which a text that begins with `=` is one, COLUMNS
    values by the column that they are written into, SHAPE what read rows are put together by, ADDRESS where a call
    goes. EXPECTS says only when the step refuses, and LOOKS how it is done or told: it lets nobody in.
    Names for what follows: BINDS is one, NAMES are several with their values, ITEM one for the steps inside.
    Steps inside: STEPS run where the rule CONDITION holds, and OTHERWISE where it doesn't; or STEPS run for each item
    of the list EACH. USES names a middleware, WITH has its arguments. SHOWS is what an answer shows.
    """

    TABLE = auto()
    ID = auto()
    WHERE = auto()
    RULE = auto()
    VALUE = auto()
    COLUMNS = auto()
    SHAPE = auto()
    ADDRESS = auto()
    EXPECTS = auto()
    LOOKS = auto()
    BINDS = auto()
    NAMES = auto()
    ITEM = auto()
    CONDITION = auto()
    EACH = auto()
    STEPS = auto()
    OTHERWISE = auto()
    USES = auto()
    WITH = auto()
    SHOWS = auto()


_REQUIRED = frozenset({Means.NAMES, Means.ITEM, Means.CONDITION, Means.EACH, Means.STEPS, Means.USES})


class Asks(Enum):
    """What a refusal is about: a RULE, one over the INPUT, a LIMIT of how much, how often or when.

    An END refuses whatever is so: other rules led there. One that FAILS could not do what it is there to do.
    """

    RULE = auto()
    INPUT = auto()
    LIMIT = auto()
    END = auto()
    FAILS = auto()

    @property
    def is_check(self) -> bool:
        """Say whether to get past it is to have passed a check, which is better asked before anything is written."""
        return self in (Asks.RULE, Asks.INPUT, Asks.LIMIT)

    @property
    def is_of_callers(self) -> bool:
        """Say whether it may ask who calls."""
        return self in (Asks.RULE, Asks.INPUT, Asks.END)

    @property
    def is_bound(self) -> bool:
        """Say whether it bounds what everybody may do."""
        return self in (Asks.RULE, Asks.LIMIT, Asks.END)


class Rows(Enum):
    """What becomes of rows by a step: of its TABLE they are READ, WRITTEN or GONE; of `users` they are PEOPLE."""

    NONE = auto()
    READ = auto()
    WRITTEN = auto()
    GONE = auto()
    PEOPLE = auto()


@dataclass(frozen=True, slots=True)
class Stated:
    """A rule that a step asks, and how the definition says it."""

    rule: Node
    said: str


class Reader(Protocol):
    """Reads what a step says, as it stands in its chain: names that steps before it bound are what they stand for."""

    def rule(self, text: str, table: str | None = None) -> Node:
        """Read a rule; `item` is a row of the table or view."""

    def value(self, said: Any, table: str | None = None) -> Node:
        """Read a value, in which a text that begins with `=` is a rule."""

    def called(self, table: str) -> str:
        """Give what a table or view is called now."""


def always(_said: Fields) -> bool:
    """Hold of a kind whatever a step of it says."""
    return True


def never(_said: Fields) -> bool:
    """Hold of no step of a kind."""
    return False


def at_once(_said: Fields) -> float:
    """Wait for nobody."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Does:
    """What a step does beyond its chain, in words that its table follows, and what becomes of rows.

    `lasts` says whether it has happened even where a later step refuses, `picks` whether it takes only some of the rows
    that its condition holds for, and so others where fewer are left, `is_beyond` whether no rollback undoes it, so that
    a rehearsal leaves it out. `waits` gives the most seconds that it says it waits for others.
    `grows` says of a step that may refuse that it does so only where it finds no row: whoever gets past it does so too
    where there are more.
    """

    words: str
    rows: Rows
    lasts: Callable[[Fields], bool]
    picks: Callable[[Fields], bool]
    is_beyond: bool
    waits: Callable[[Fields], float] = at_once
    grows: bool = False


READS = Does(words="reads", rows=Rows.READ, lasts=never, picks=never, is_beyond=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why a step can't be run behind one that writes or locks: the transaction ends before it where `applies` holds.

    `write` and `lock` are what is told of that: a message and a hint.
    """

    applies: Callable[[Fields], bool]
    write: tuple[str, str]
    lock: tuple[str, str]


class StepBody(Definition):
    """The base of the fields that a kind takes: each says in its annotation what it means."""


class ReadsFrom(StepBody):
    """A step that reads `from` a table or view."""

    from_: Annotated[str, Means.TABLE] = Field(alias="from")


Binds = Annotated[BoundName, Means.BINDS]
MayBind = Annotated[BoundName | None, Means.BINDS]


@functools.cache
def meanings(body: type[StepBody]) -> Mapping[str, Means]:
    """Give what each field means, by its name in a definition; a TypeError names one that doesn't say it."""
    found = {}
    for name, field in body.model_fields.items():
        said = [one for one in field.metadata if isinstance(one, Means)]
        if len(said) != 1:
            msg = f"{body.__name__}.{name} has to say once what it means, by a Means in its annotation"
            raise TypeError(msg)
        if said[0] in _REQUIRED and not field.is_required():
            msg = f"{body.__name__}.{name} means {said[0].name} and can't be left out"
            raise TypeError(msg)
        found[field.alias or name] = said[0]
    return found


@functools.cache
def _meaning(body: type[StepBody], wanted: tuple[Means, ...]) -> tuple[str, ...]:
    return tuple(name for name, means in meanings(body).items() if means in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of step: all that is to be known of it. None of its parts has a default that could be wrong.

    `compile` checks a step and compiles it; `body` are its fields.
    `refuses` says of a step's fields whether it may end a request with a refusal: so it is, unless the kind proves that
    it isn't. What steps inside it refuse is theirs, and a value without an answer is a fault, no refusal. `asks` says
    what that is about; None of a kind that never refuses. `rules` gives the rules that it asks then; None of a kind
    that states none, and so is compared by all that it says.
    `does` is what it does beyond the chain, `answers` whether it ends the chain by an answer, `pauses` why it can't be
    run behind a write, `opens` when a step that goes by the clock lets through. One that is `first` runs on the bytes
    of a request, before its input is read: it stands before all else of an endpoint's chain, and always runs. One that
    is `by_caller` goes by who calls or from where.
    """

    body: type[StepBody]
    compile: Callable[[Any, Context], Step | None]
    refuses: Callable[[Fields], bool]
    asks: Asks | None
    rules: Callable[[Fields, Reader], Iterable[Stated]] | None
    does: Does | None
    answers: bool
    pauses: Pause | None
    opens: Callable[[Fields], TimeWindow | None] | None = None
    first: bool = False
    by_caller: bool = False

    def __post_init__(self) -> None:
        """Refuse a description in which something is left open."""
        said = set(self.fields.values())
        problems = {
            "asks has to say what it refuses for": (self.asks is None) != (self.refuses is never),
            "rules are those of a kind that refuses": self.rules is not None and self.asks is None,
            "a field has to name the table whose rows it is about": self._is_about_rows and Means.TABLE not in said,
            "OTHERWISE goes with a CONDITION": Means.OTHERWISE in said and Means.CONDITION not in said,
            "SHOWS is of a kind that answers": Means.SHOWS in said and not self.answers,
        }
        for problem in (one for one, holds in problems.items() if holds):
            msg = f"{self.body.__name__}: {problem}"
            raise TypeError(msg)

    @property
    def fields(self) -> Mapping[str, Means]:
        """Give what each field means, by its name in a definition."""
        return meanings(self.body)

    @property
    def _is_about_rows(self) -> bool:
        return self.does is not None and self.does.rows in (Rows.READ, Rows.WRITTEN, Rows.GONE)

    @property
    def writes(self) -> bool:
        """Say whether it writes rows of its table."""
        return self.does is not None and self.does.rows in (Rows.WRITTEN, Rows.GONE)

    @property
    def repeats(self) -> bool:
        """Say whether the steps inside it run more than once."""
        return Means.EACH in self.fields.values()

    def named(self, *meaning: Means) -> tuple[str, ...]:
        """Name the fields that mean one of these."""
        return _meaning(self.body, meaning)

    def said(self, fields: Fields, *meaning: Means) -> Any:
        """Give what a step says in the first such field that it has; None where there is none."""
        return next((fields[name] for name in self.named(*meaning) if fields.get(name) is not None), None)


def read_body(kind: Kind, step: StepDef, context: Context) -> object:
    """Read a step's fields as its kind's; None after findings."""
    try:
        return kind.body.model_validate(step.fields)
    except ValidationError as error:
        for one in told(error, step.fields, kind.body):
            _report(one, kind, context)
        return None


def _report(one: Told, kind: Kind, context: Context) -> None:
    keys = [str(key) for key in one.path]
    if one.is_unknown_key and len(keys) == 1:
        context.findings.unknown(context.place, "field", keys[0], list(kind.fields))
    else:
        context.findings.report(".".join((context.place, *keys)), one.message, one.hint)


def may_stand(kind: Kind, step: StepDef, context: Context) -> bool:
    """Report a step that pauses the transaction behind one that has written or locked, or one that has to be first."""
    if kind.first and (context.before.began or step.when is not None):
        hint = (
            "put it before everything else, project-wide middleware too (skip it, or put it behind), and without when"
        )
        context.findings.report(context.place, f"{step.do} has to be the first step of an endpoint's chain", hint)
        return False
    pause, said = kind.pauses, step.fields
    if pause is None or not pause.applies(said) or not (context.before.wrote or context.before.locked):
        return True
    message, hint = pause.write if context.before.wrote else pause.lock
    context.findings.report(context.place, message, hint)
    return False

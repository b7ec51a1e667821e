"""What Postgres refuses, as refusals with a status, a stable code and a sentence that shows no row."""

from typing import Any, ClassVar

import asyncpg

from app.database.lock_waits import TablesChanging
from app.database.opening import DatabaseUnavailable
from app.errors import FieldError, RowgateError

_RETRY_AFTER = {"Retry-After": "1"}


class Stale(Exception):
    """The definitions or the caller's authority changed since this process read them: nothing has happened yet."""


class Unfused(Exception):
    """A statement that stands for several steps was refused, and nothing has happened: each has to say so by itself."""


class Streamed(Exception):
    """An answer is too large to be held whole, and nothing has happened: it has to be read piece by piece."""


class Retryable(RowgateError):
    """A deadlock, a serialization failure or a plan made stale by a change: the whole transaction may run again."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "db.conflict"


class Contended(RowgateError):
    """Other requests count or write the same rows, longer than this one waits or at each of its tries."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "db.contended"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        said = "Too many requests count or change the same rows at once, and nothing was changed: try again."
        super().__init__(said, headers=_RETRY_AFTER)


class CommitUnknown(RowgateError):
    """The connection was lost in COMMIT: whether the change was made is not known here."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "db.commit_unknown"


class ConstraintViolated(RowgateError):
    """The base of what a constraint refuses; `constraint` is its name, from which its columns can be told."""

    constraint: str | None = None


class UniqueViolated(ConstraintViolated):
    """A value that has to be unique is taken."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "db.unique"


class ReferenceViolated(ConstraintViolated):
    """A row that is referred to isn't there, or still is referred to."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "db.reference"


class CheckViolated(ConstraintViolated):
    """A value doesn't fit its column or a rule of its table."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "db.check"


class ValueFixed(RowgateError):
    """A value that doesn't change any more, or can't be set here, was sent as another one."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "db.immutable"


class NullViolated(RowgateError):
    """A required column got no value."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "db.not_null"


class OutOfRange(RowgateError):
    """A value is too large, too long or not of its column's type."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "db.range"


class RowTwice(RowgateError):
    """Two rows of one upsert mean the same row: which of them counts is not for a server to guess."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "db.row_twice"


class RowOutside(RowgateError):
    """A row that was written would be outside of what the view lets be written: nothing was changed."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "access.row_outside"


class RowNotAllowed(RowgateError):
    """A row that the caller may read, and may not change so: nothing was changed."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "view.not_allowed"


class LockTimeout(RowgateError):
    """Another request holds the row for longer than this one may wait."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "db.locked"


# What a request that writes rows may be refused with, by the rules of their tables and by who else writes them.
WRITE_REFUSALS = (
    UniqueViolated, ReferenceViolated, CheckViolated, ValueFixed, NullViolated, OutOfRange, LockTimeout,
)  # fmt: skip


class StatementTimeout(RowgateError):
    """A statement ran longer than it may."""

    status: ClassVar[int] = 504
    code: ClassVar[str] = "db.timeout"


class ReadOnly(RowgateError):
    """The database takes no writes at the moment."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "db.read_only"


class AnswerTooLarge(RowgateError):
    """The answer would have more bytes than the view's or endpoint's `max_bytes`; its sentence says what changed."""

    status: ClassVar[int] = 413
    code: ClassVar[str] = "respond.too_large"

    def __init__(
        self, hint: str | None = "Ask for fewer rows, or for one page after the other.", *, stands: bool = False
    ) -> None:
        """Say what to do; how large it would have been is not known, since nobody has made it."""
        changed = "what the endpoint did stands" if stands else "nothing was changed"
        super().__init__(f"The answer would be too large, and {changed}.", hint=hint)


class DatabaseFailed(RowgateError):
    """Postgres refused a statement for a reason that isn't the caller's; the log has it.

    It `is_gone` where the statement speaks of a table or a column that isn't there: of definitions of before it may.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "db.failed"

    def __init__(self, state: str) -> None:
        """Take Postgres' code (SQLSTATE)."""
        super().__init__(f"Postgres refused a statement: {state}.")
        self.is_gone = state in _GONE


_GONE = frozenset({"42703", "42P01"})  # undefined_column, undefined_table
# What functions of our own raise: rowgate.stale() and rowgate.too_large().
_RAISED_BY_US: dict[str | None, type[Stale | AnswerTooLarge]] = {"RG001": Stale, "RG002": AnswerTooLarge}
LOCK_NOT_AVAILABLE = "55P03"
# What rowgate.refuse() raises, by what it is given.
UNIQUE_TAKEN, OUTSIDE, NOT_ALLOWED = "23505", "RG005", "RG006"
ROW_OUTSIDE = "A row would be outside of what this view lets you write: nothing was changed."
ROW_NOT_ALLOWED = "You may see this row, and not change it so: nothing was changed."
_HOLDING = "rowgate.hold_"  # the trigger functions that wait for whoever holds the rows
_COLUMN_SENTENCES: dict[str, tuple[type[RowgateError], str]] = {
    UNIQUE_TAKEN: (UniqueViolated, "A value that has to be unique is taken."),
    "23P01": (UniqueViolated, "A value that has to be unique is taken."),
    "23503": (ReferenceViolated, "A row that this one refers to isn't there, or this one is still referred to."),
    "23001": (ReferenceViolated, "This row is still referred to."),
    "23514": (CheckViolated, "A value doesn't fit the rules of its table."),
    "RG003": (ValueFixed, "This value is set once, and can't be changed."),  # rowgate.immutable()
    "RG004": (ValueFixed, "This can't be set here: send it as it is, or leave it out."),  # rowgate.unchanged()
    OUTSIDE: (RowOutside, ROW_OUTSIDE),
    NOT_ALLOWED: (RowNotAllowed, ROW_NOT_ALLOWED),
    "23502": (NullViolated, "A required value is missing."),
    "21000": (RowTwice, "Two of the rows that were sent mean the same row."),
    "22001": (OutOfRange, "A text is too long."),
    "22003": (OutOfRange, "A number is out of range."),
    "22008": (OutOfRange, "A time is out of range."),
    "22P02": (OutOfRange, "A value is not of the type of its column."),
    "2201B": (OutOfRange, "This is no regular expression."),
    "54000": (OutOfRange, "A value is too large for the database."),
    "54001": (OutOfRange, "A value is too deep for the database."),
    "57014": (StatementTimeout, "The database took too long."),
    "25006": (ReadOnly, "The database takes no writes at the moment."),
    # An array with more dimensions than what looks into it takes, where it isn't InvalidCachedStatementError.
    "0A000": (OutOfRange, "A value has a shape that the database can't look into."),
}
_RETRIED = frozenset({"40001", "40P01"})
# Connection exceptions, resources, operator intervention: the database is there or will be, and no fault of the caller.
_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58"})


# What asyncpg raises for a statement; of a connection that the server has ended, even errors of its own state.
FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def translated(error: BaseException, *, committing: bool = False, reading: bool = False) -> Exception:
    """Give the refusal for what asyncpg raised; an error in COMMIT that may have come after it is `CommitUnknown`.

    What only `reading` waits for is a change of definitions, since readers wait for no row.
    """
    state = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    if state in _RAISED_BY_US:
        return _RAISED_BY_US[state]()
    # A prepared statement whose tables have changed under it is new at the next try.
    if state in _RETRIED or isinstance(error, asyncpg.InvalidCachedStatementError):
        return Retryable("Too many requests change the same rows at once: try again.", headers=_RETRY_AFTER)
    if state == LOCK_NOT_AVAILABLE:
        return TablesChanging() if reading else _locked(error)
    if state in _COLUMN_SENTENCES:
        return _about_columns(error, state)
    lost = state is None or state[:2] in _UNAVAILABLE_CLASSES
    if isinstance(error, asyncpg.DataError):
        return OutOfRange("A value is not of the type of its column.")
    if committing and lost:
        return CommitUnknown(
            "The connection was lost while the change was made: it may have been made or not.",
            hint="Send the request again with the same Idempotency-Key, or look whether it was made.",
        )
    if lost:
        return DatabaseUnavailable("The database is not available.")
    return DatabaseFailed(str(state))


def _locked(error: Any) -> RowgateError:
    if _HOLDING in (error.context or ""):
        return Contended()
    # Postgres names the row where one was waited for, unless others stood in line for it already.
    if "tuple" in (error.context or ""):
        return LockTimeout("Another request holds this row: try again.")
    return LockTimeout("Another request, or a change of definitions, holds what this needs: try again.")


def _about_columns(error: Any, state: str) -> RowgateError:
    kind, sentence = _COLUMN_SENTENCES[state]
    column = getattr(error, "column_name", None)
    errors = [FieldError((column,), kind.code, sentence)] if column else ()
    refusal = kind(sentence, errors=errors, headers=_RETRY_AFTER if kind.status >= 500 else None)
    if isinstance(refusal, ConstraintViolated):
        refusal.constraint = getattr(error, "constraint_name", None)
    return refusal

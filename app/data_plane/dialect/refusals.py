"""The refusals of the dialect, each with PostgREST's own code."""

from typing import ClassVar

from app.errors import RowgateError


class QueryRefused(RowgateError):
    """A query that can't be read, or asks for what isn't served; `postgrest` is the code that its clients know."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "query.invalid"
    postgrest: ClassVar[str] = "PGRST100"


class ColumnUnknown(QueryRefused):
    """A column that the view doesn't show."""

    code: ClassVar[str] = "query.unknown_column"
    postgrest: ClassVar[str] = "42703"


class ValueUnreadable(QueryRefused):
    """A value that isn't of its column's type."""

    code: ClassVar[str] = "query.bad_value"
    postgrest: ClassVar[str] = "22P02"


class QueryUnsupported(QueryRefused):
    """A part of the dialect that isn't served."""

    code: ClassVar[str] = "query.unsupported"


class RangeInvalid(QueryRefused):
    """A limit or offset that is no number, or below zero."""

    status: ClassVar[int] = 416
    code: ClassVar[str] = "query.range"
    postgrest: ClassVar[str] = "PGRST103"


class NotSingular(QueryRefused):
    """One row was asked for, and there are none or more."""

    status: ClassVar[int] = 406
    code: ClassVar[str] = "query.not_singular"
    postgrest: ClassVar[str] = "PGRST116"


class RowOutside(QueryRefused):
    """A row that was written would be outside the view's filter: nothing was changed."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "access.row_outside"
    postgrest: ClassVar[str] = "42501"


class TooManyAffected(QueryRefused):
    """More rows than the caller meant to change: nothing was changed."""

    code: ClassVar[str] = "query.max_affected"
    postgrest: ClassVar[str] = "PGRST124"


class KeysDiffer(QueryRefused):
    """The objects of a bulk insert don't have the same keys."""

    code: ClassVar[str] = "query.keys_differ"
    postgrest: ClassVar[str] = "PGRST102"

"""The refusals of the dialect, each with PostgREST's own code."""

from collections.abc import Sequence
from typing import Any, ClassVar

from app.errors import RowgateError
from app.relations.relationships import Relationship


class QueryRefused(RowgateError):
    """A query that can't be read, or asks for what isn't served; `postgrest` is the code that its clients know."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "query.invalid"
    postgrest: ClassVar[str] = "PGRST100"
    details: Any = None


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


class PreferenceUnknown(QueryRefused):
    """With handling=strict, a preference that isn't known, or not its value."""

    code: ClassVar[str] = "query.unknown_preference"
    postgrest: ClassVar[str] = "PGRST122"

    def __init__(self, sentence: str, unknown: Sequence[str], *, hint: str) -> None:
        """List those that were sent."""
        super().__init__(sentence, hint=hint)
        self.details = f"Invalid preferences: {', '.join(unknown)[:200]}"


class SchemaUnknown(QueryRefused):
    """A schema besides `public`."""

    status: ClassVar[int] = 406
    code: ClassVar[str] = "query.unknown_schema"
    postgrest: ClassVar[str] = "PGRST106"


class RangeInvalid(QueryRefused):
    """A limit or offset that is no number or below zero, or an offset beyond the rows that were counted."""

    status: ClassVar[int] = 416
    code: ClassVar[str] = "query.range"
    postgrest: ClassVar[str] = "PGRST103"


class NotSingular(QueryRefused):
    """One row was asked for, and there are none or more."""

    status: ClassVar[int] = 406
    code: ClassVar[str] = "query.not_singular"
    postgrest: ClassVar[str] = "PGRST116"

    def __init__(self, rows: int, hint: str | None = None) -> None:
        """Say how many there are, in the words that clients look for: of more than one, that there are more."""
        super().__init__("Cannot coerce the result to a single JSON object", hint=hint)
        self.details = "The result contains 0 rows" if rows == 0 else "The result contains more than one row"


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


class PutUnclear(QueryRefused):
    """A PUT whose address doesn't name one row by unique columns, or whose body is another row."""

    code: ClassVar[str] = "query.put_unclear"
    postgrest: ClassVar[str] = "PGRST115"


class RelationUnknown(QueryRefused):
    """Rows of the other view can't be found from this one's."""

    code: ClassVar[str] = "query.unknown_relation"
    postgrest: ClassVar[str] = "PGRST200"

    def __init__(self, here: str, target: str) -> None:
        """Name both, and say what a relationship rests on; which columns are hidden is not told."""
        hint = (
            "A column that refers has to be shown by its view, and the one that it refers to, such as id, by the other."
        )
        super().__init__(f"Could not find a relationship between '{here}' and '{target}'", hint=hint)


class RelationAmbiguous(QueryRefused):
    """There is more than one way from one view to the other."""

    status: ClassVar[int] = 300
    code: ClassVar[str] = "query.ambiguous_relation"
    postgrest: ClassVar[str] = "PGRST201"

    def __init__(self, here: str, target: str, found: Sequence[Relationship]) -> None:
        """List the ways in `details`, and in the hint the words that pick one."""
        words = [f"'{target}!{one.hints[0] if one.target.name == target else one.target.name}'" for one in found]
        hint = f"Try changing '{target}' to one of the following: {', '.join(dict.fromkeys(words))}."
        sentence = f"Could not embed because more than one relationship was found for '{here}' and '{target}'"
        super().__init__(sentence, hint=hint)
        self.details = [
            {
                "cardinality": one.cardinality,
                "embedding": f"{here} with {one.target.name}",
                "relationship": " or ".join(one.hints),
            }
            for one in found
        ]


class EmbedMissing(QueryRefused):
    """A test, an order or a limit names an embedded view that select doesn't have."""

    code: ClassVar[str] = "query.not_embedded"
    postgrest: ClassVar[str] = "PGRST108"

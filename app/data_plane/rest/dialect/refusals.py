"""The refusals of the dialect; PostgREST's code for each stands in codes.py."""

from collections.abc import Sequence
from typing import Any, ClassVar

from app.errors import FieldError, RowgateError
from app.relations.relationships import Relationship


class QueryRefused(RowgateError):
    """A query that can't be read."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "query.invalid"
    details: Any = None


class ColumnUnknown(QueryRefused):
    """A column that the view doesn't show."""

    code: ClassVar[str] = "query.unknown_column"


class FieldsUnknown(QueryRefused):
    """`columns` names some that the view doesn't show; `errors` has all of them."""

    code: ClassVar[str] = "query.unknown_field"

    def __init__(self, view: str, names: Sequence[str], *, hint: str | None) -> None:
        """Say the first in the words that clients know."""
        errors = [FieldError((name[:64],), self.code, "The view has no such column.") for name in names[:100]]
        sentence = f"Could not find the '{names[0][:64]}' column of '{view}' in the schema cache"
        super().__init__(sentence, hint=hint, errors=errors)


class ValueUnreadable(QueryRefused):
    """A value that isn't of its column's type."""

    code: ClassVar[str] = "query.bad_value"


class QueryUnsupported(QueryRefused):
    """A part of the dialect that isn't served."""

    code: ClassVar[str] = "query.unsupported"


class PreferenceUnknown(QueryRefused):
    """With handling=strict, a preference that isn't known, or not its value."""

    code: ClassVar[str] = "query.unknown_preference"

    def __init__(self, sentence: str, unknown: Sequence[str], *, hint: str) -> None:
        """List those that were sent."""
        super().__init__(sentence, hint=hint)
        self.details = f"Invalid preferences: {', '.join(unknown)[:200]}"


class SchemaUnknown(QueryRefused):
    """A schema besides `public`."""

    status: ClassVar[int] = 406
    code: ClassVar[str] = "query.unknown_schema"


class MediaUnknown(QueryRefused):
    """No form that an answer has is among those that the request accepts."""

    status: ClassVar[int] = 406
    code: ClassVar[str] = "query.unknown_media"

    def __init__(self, accept: str, known: Sequence[str]) -> None:
        """Say what was asked for, and what there is."""
        sentence = f"None of these media types are available: {accept[:200]}"
        super().__init__(sentence, hint=f"Accept one of {', '.join(known)}.")


class RangeInvalid(QueryRefused):
    """A limit or offset that is no number or below zero, or an offset beyond the rows that were counted."""

    status: ClassVar[int] = 416
    code: ClassVar[str] = "query.range"

    def __init__(self, details: str, total: int | None = None) -> None:
        """Say what is wrong in `details`, and how many rows there are, if they were counted, in Content-Range."""
        headers = None if total is None else {"Content-Range": f"*/{total}"}
        super().__init__("Requested range not satisfiable", headers=headers)
        self.details = details


class NotSingular(QueryRefused):
    """One row was asked for, and there are none or more."""

    status: ClassVar[int] = 406
    code: ClassVar[str] = "query.not_singular"

    def __init__(self, rows: int, hint: str | None = None) -> None:
        """Say how many there are, in the words that clients look for: of more than one, that there are more."""
        super().__init__("Cannot coerce the result to a single JSON object", hint=hint)
        self.details = "The result contains 0 rows" if rows == 0 else "The result contains more than one row"


class TooManyAffected(QueryRefused):
    """More rows than the caller meant to change: nothing was changed."""

    code: ClassVar[str] = "query.max_affected"

    def __init__(self, rows: int) -> None:
        """Say how many they would have been."""
        super().__init__("Query result exceeds max-affected preference constraint", hint="Nothing was changed.")
        self.details = f"The query affects {rows} rows"


class KeysDiffer(QueryRefused):
    """The body is no row and no list of rows that have the same keys, or has more rows than are taken here."""

    code: ClassVar[str] = "query.keys_differ"


class PutFilters(QueryRefused):
    """A PUT whose address doesn't name one row by columns that are unique together."""

    status: ClassVar[int] = 405
    code: ClassVar[str] = "query.put_filters"

    def __init__(self, allowed: Sequence[str]) -> None:
        """Say what the address has to be; `allowed` are the methods that the view has at this one."""
        sentence = "Filters must include all and only primary key columns with 'eq' operators"
        hint = "Any columns that are unique together name a row: slug=eq.first"
        super().__init__(sentence, hint=hint, headers={"Allow": ", ".join(allowed)})


class PutUnclear(QueryRefused):
    """The body of a PUT is another row than its address names."""

    code: ClassVar[str] = "query.put_unclear"

    def __init__(self) -> None:
        """Say it in the words that clients know."""
        super().__init__("Payload values do not match URL in primary key column(s)")


class ConflictUnclear(QueryRefused):
    """The columns of on_conflict are not unique together in the view."""

    code: ClassVar[str] = "query.on_conflict"

    def __init__(self) -> None:
        """Say it in the words that clients know."""
        super().__init__("there is no unique or exclusion constraint matching the ON CONFLICT specification")


class PutLimited(QueryRefused):
    """A PUT makes one row what its body says, and has no page."""

    code: ClassVar[str] = "query.put_limited"

    def __init__(self) -> None:
        """Say it in the words that clients know."""
        super().__init__("limit/offset querystring parameters are not allowed for PUT")


class RelationUnknown(QueryRefused):
    """Rows of the other view can't be found from this one's."""

    code: ClassVar[str] = "query.unknown_relation"

    def __init__(self, here: str, target: str) -> None:
        """Name both, and say what a relationship rests on; which columns are hidden is not told."""
        hint = (
            "A column that refers has to be shown by its view, and the one that it refers to, such as id, by the other."
        )
        sentence = f"Could not find a relationship between '{here}' and '{target}' in the schema cache"
        super().__init__(sentence, hint=hint)
        self.details = f"Searched for a relationship between '{here}' and '{target}', but no matches were found."


class RelationAmbiguous(QueryRefused):
    """There is more than one way from one view to the other."""

    status: ClassVar[int] = 300
    code: ClassVar[str] = "query.ambiguous_relation"

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


class OrderOfMany(QueryRefused):
    """An order names a column of a view of which there may be many rows beside each."""

    code: ClassVar[str] = "query.order_of_many"

    def __init__(self, here: str, target: str) -> None:
        """Name both views."""
        super().__init__(f"A related order on '{target}' is not possible")
        self.details = f"'{here}' and '{target}' do not form a many-to-one or one-to-one relationship"


class EmbedTested(QueryRefused):
    """An embedded view is tested by something else than whether it has a row."""

    code: ClassVar[str] = "query.embed_tested"

    def __init__(self, label: str) -> None:
        """Name the view."""
        super().__init__("Bad operator on the embedded resource", hint=f"{label}=is.null or {label}=not.is.null")
        self.details = f"Only is null or not is null filters are allowed on embedded resources, and not on '{label}' so"

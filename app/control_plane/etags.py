"""ETags: what an answer names as its version, and what a change says that it was made for."""

from typing import Annotated, ClassVar

from fastapi import Depends, Header

from app.errors import RowgateError
from app.http.fixed_routes import refuses

IfMatch = Annotated[str | None, Header(alias="If-Match", description="The ETag of what was read before.")]


class ETagNeeded(RowgateError):
    """A destructive change says which revision it was made for."""

    status: ClassVar[int] = 428
    code: ClassVar[str] = "change.etag_needed"


@refuses(ETagNeeded)
async def _needed(if_match: IfMatch = None) -> str:
    if if_match is None:
        hint = "Read it first, and send its ETag as If-Match."
        raise ETagNeeded("This needs If-Match, so that nobody's change is lost.", hint=hint)
    return if_match


NeededETag = Annotated[str, Depends(_needed)]


def etag(version: object) -> dict[str, str]:
    """Give the header that names a version."""
    return {"ETag": f'"{version}"'}


def version_in(if_match: str | None) -> str:
    """Give the version that If-Match names; `*` for any."""
    return ("*" if if_match is None else if_match).strip().removeprefix("W/").strip('"')

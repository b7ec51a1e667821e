"""What the headers of a request ask for besides its rows: preferences, the schema, nulls."""

import re
from collections.abc import Mapping

from app.data_plane.rest.dialect.refusals import PreferenceUnknown, SchemaUnknown

READ = frozenset({b"prefer", b"accept", b"accept-profile", b"content-profile"})
_PREFERENCES = {
    "return": re.compile("minimal|headers-only|representation"),
    "resolution": re.compile("merge-duplicates|ignore-duplicates"),
    "missing": re.compile("default|null"),
    "count": re.compile("exact|planned|estimated"),
    "max-affected": re.compile("[0-9]{1,18}"),
    "handling": re.compile("strict|lenient"),
    "tx": re.compile("commit"),
}


def preferences(text: str) -> dict[str, str]:
    """Read Prefer; what isn't known is ignored, as RFC 7240 has it, unless handling=strict."""
    found: dict[str, str] = {}
    unknown = []
    for part in filter(None, (part.strip() for part in re.split(r"[,;]", text))):
        name, _, value = part.partition("=")
        name, value = name.strip(), value.strip().strip('"')
        if name in _PREFERENCES and _PREFERENCES[name].fullmatch(value):
            found.setdefault(name, value)
        else:
            unknown.append(part)
    if found.get("handling") == "strict" and unknown:
        hint = f"Known: {', '.join(_PREFERENCES)}"
        raise PreferenceUnknown("Invalid preferences given with handling=strict", unknown, hint=hint)
    return found


def refuse_other_schema(headers: Mapping[bytes, str]) -> None:
    """Refuse a schema besides `public`, which is what clients call the one that views are in."""
    for name in (b"accept-profile", b"content-profile"):
        if headers.get(name, "public") != "public":
            hint = "Only the following schemas are exposed: public"
            raise SchemaUnknown("The schema that the request names is not served.", hint=hint)


def strips_nulls(accept: str) -> bool:
    """Say whether keys whose value is null are to be left out."""
    return re.search(r"application/vnd\.pgrst\.(?:object|array)(?:\+json)?;\s*nulls=stripped", accept) is not None

"""What the headers of a request ask for besides its rows: preferences, the schema, the form of the answer."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from app.data_plane.rest.dialect.refusals import MediaUnknown, PreferenceUnknown, QueryUnsupported, SchemaUnknown

READ = frozenset({b"prefer", b"accept", b"accept-profile", b"content-profile"})
ASKING = READ | {b"range", b"range-unit"}
# In the order in which Preference-Applied lists them.
_PREFERENCES = {
    "resolution": re.compile("merge-duplicates|ignore-duplicates"),
    "missing": re.compile("default|null"),
    "return": re.compile("minimal|headers-only|representation"),
    "count": re.compile("exact|planned|estimated"),
    "tx": re.compile("commit"),
    "handling": re.compile("strict|lenient"),
    "max-affected": re.compile("[0-9]{1,18}"),
}
# What is said of an answer, whatever it is the answer to.
OF_ALL = frozenset({"count", "tx", "handling"})

SINGLE, CSV, JSON = "application/vnd.pgrst.object+json", "text/csv", "application/json"
LIST, STRIPPED = "application/vnd.pgrst.array+json", ";nulls=stripped"
LINES = "application/x-ndjson"
_FORMS = {
    JSON: JSON,
    "application/*": JSON,
    "*/*": JSON,
    "application/vnd.pgrst.array": JSON,
    LIST: JSON,
    "application/vnd.pgrst.object": SINGLE,
    SINGLE: SINGLE,
    CSV: CSV,
}
_STRIPPED = re.compile(r"application/vnd\.pgrst\.(?:object|array)(?:\+json)?;\s*nulls=stripped")
_WEIGHT = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer: its media type, and whether keys whose value is null are left out."""

    media: str = JSON
    stripped: bool = False


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
    if found.get("handling") == "lenient":
        found.pop("max-affected", None)
    return found


def refuse_unfollowed(text: str) -> None:
    """Refuse preferences that the call of an endpoint can't follow, before it runs: what it does stands.

    Of them are a bound on the rows that are written and, with handling=strict, what isn't known.
    """
    if "max-affected" in preferences(text):
        raise QueryUnsupported("max-affected goes with writes through a view.", hint="Bound them in the endpoint.")


def refuse_other_schema(headers: Mapping[bytes, str]) -> None:
    """Refuse a schema besides `public`, which is what clients call the one that views are in."""
    for name in (b"accept-profile", b"content-profile"):
        if headers.get(name, "public") != "public":
            hint = "Only the following schemas are exposed: public"
            raise SchemaUnknown("The schema that the request names is not served.", hint=hint)


def asks(headers: Mapping[bytes, str]) -> bool:
    """Say whether headers ask for a form, a part or a count of rows."""
    accept, prefer = headers.get(b"accept", "").lower(), headers.get(b"prefer", "")
    return "vnd.pgrst" in accept or CSV in accept or b"range" in headers or "count=" in prefer


def applied(prefer: Mapping[str, str], names: Collection[str]) -> list[tuple[str, str]]:
    """Give the header that says which of these preferences were followed; none where none was."""
    followed = [f"{name}={prefer[name]}" for name in _PREFERENCES if name in names and name in prefer]
    return [("Preference-Applied", ", ".join(followed))] if followed else []


def form_of(accept: str | None) -> Form:
    """Give the form that is asked for: of those that are served the one liked best; raises MediaUnknown for none."""
    if accept is None or not accept.strip():
        return Form()
    liked = sorted(_served(accept), key=lambda found: -found[0])
    if not liked:
        raise MediaUnknown(accept, list(_FORMS))
    return liked[0][1]


def _served(accept: str) -> Iterator[tuple[float, Form]]:
    for part in accept.split(","):
        media = _FORMS.get(part.partition(";")[0].strip().lower())
        found = _WEIGHT.search(part)
        weight = float(found[1]) if found else 1.0
        if media is not None and weight > 0:
            yield weight, Form(media, _STRIPPED.search(part) is not None)

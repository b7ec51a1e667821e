"""What an access token tells of its holder, as GoTrue's clients read it; no rule of a server reads any of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.auth.sessions import OpenedSession
from app.definitions.auth import is_anonymous

PROVIDER = "email"
_BASE = frozenset({"id", "email", "created_at"})


def shown_email(email: str | None) -> str:
    """Give an address as clients read it: of who has none it is empty."""
    return "" if email is None or is_anonymous(email) else email


def user_metadata(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns of a person that admins added to `users`."""
    return {name: value for name, value in sorted(columns.items()) if name not in _BASE}


def app_metadata(roles: Iterable[str], providers: Sequence[str] = (PROVIDER,)) -> dict[str, Any]:
    """Say by which ways somebody signs in, the first first, and with which roles."""
    return {"provider": providers[0], "providers": list(providers), "roles": list(roles)}


def told_of(
    columns: Mapping[str, Any], roles: Iterable[str], opened: OpenedSession, providers: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    """Give what the tokens of a session tell, each time with less, for a token that has no room."""
    who = {"email": shown_email(columns["email"]), "is_anonymous": is_anonymous(columns["email"])}
    least = {**who, "phone": "", "aal": opened.aal, "amr": opened.amr}
    app, own = app_metadata(roles, providers), user_metadata(columns)
    return [
        {**least, "app_metadata": app, "user_metadata": own},
        {**least, "app_metadata": app, "user_metadata": {}},
        {**least, "app_metadata": app_metadata([], providers), "user_metadata": {}},
    ]

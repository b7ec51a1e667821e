"""The effect of a change of `auth:` on who may get an account, a session, or what is sent with one."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from app.definitions.auth import AuthDef, SessionsDef

Verb = Literal["gains", "loses", "may_gain"]
# From who gets an account to whom only an admin makes one for.
_SIGN_UP = ("open", "invited", "closed")


class AuthEffect(NamedTuple):
    """What becomes of a key of `auth`: who gains or loses what, because of what, and whether that is wider."""

    key: str
    who: str
    effect: Verb
    what: str
    because: str
    wider: bool


def auth_effects(old: AuthDef, new: AuthDef) -> Iterator[AuthEffect]:
    """Compare how people sign in; each key has its own part."""
    yield from _sign_up(old, new)
    yield from _confirm_email(old, new)
    yield from _redirect_urls(old, new)
    yield from _password(old, new)
    yield from _sessions(old.sessions, new.sessions)


def _sign_up(old: AuthDef, new: AuthDef) -> Iterator[AuthEffect]:
    if new.sign_up != old.sign_up:
        opens = _SIGN_UP.index(new.sign_up) < _SIGN_UP.index(old.sign_up)
        because = f"sign_up is {new.sign_up} now, and was {old.sign_up}"
        yield AuthEffect("sign_up", "everybody", "gains" if opens else "loses", "an account", because, opens)


def _confirm_email(old: AuthDef, new: AuthDef) -> Iterator[AuthEffect]:
    if new.confirm_email != old.confirm_email:
        opens = new.confirm_email is not True
        because = f"confirm_email is {_said(new.confirm_email)} now, and was {_said(old.confirm_email)}"
        what = "an account with an address that nobody confirmed"
        yield AuthEffect("confirm_email", "everybody", "may_gain" if opens else "loses", what, because, opens)


def _redirect_urls(old: AuthDef, new: AuthDef) -> Iterator[AuthEffect]:
    what = "the codes and tokens of who signs in"
    for said in new.redirect_urls:
        if said not in old.redirect_urls:
            yield AuthEffect("redirect_urls", said, "gains", what, "it is listed now", wider=True)
    for said in old.redirect_urls:
        if said not in new.redirect_urls:
            yield AuthEffect("redirect_urls", said, "loses", what, "it is listed no longer", wider=False)


def _password(old: AuthDef, new: AuthDef) -> Iterator[AuthEffect]:
    if new.password.current != old.password.current:
        opens = old.password.current
        because = f"password.current is {_said(new.password.current)} now"
        what = "changing its password without the present one"
        yield AuthEffect("password.current", "who has a session", "gains" if opens else "loses", what, because, opens)


def _sessions(old: SessionsDef, new: SessionsDef) -> Iterator[AuthEffect]:
    who, what = "who has a session", "going on with it"
    for key in ("access_minutes", "idle_days", "absolute_days"):
        before, now = getattr(old, key), getattr(new, key)
        if before != now:
            unit = key.partition("_")[2]
            because, opens = f"{key} is {now} {unit} now, and was {before}", now > before
            yield AuthEffect(f"sessions.{key}", who, "gains" if opens else "loses", what, because, opens)
    if old.single != new.single:
        what, because = "one beside it", f"sessions.single is {_said(new.single)} now"
        yield AuthEffect("sessions.single", who, "gains" if old.single else "loses", what, because, old.single)


def _said(value: bool | None) -> str:
    return "not said" if value is None else str(value).lower()

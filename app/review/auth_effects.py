"""The effect of a change of `auth:` on who may get an account, a session, or what is sent with one."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from app.definitions.auth import AuthDef, SessionsDef
from app.definitions.auth_issuers import IssuerDef, life_seconds
from app.definitions.auth_providers import ProviderDef

Verb = Literal["gains", "loses", "may_gain"]
# From who gets an account to whom only an admin makes one for.
_FACTOR = ("off", "optional", "required")
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
    yield from _providers({one.name: one for one in old.providers}, {one.name: one for one in new.providers})
    yield from _issuers({one.issuer: one for one in old.issuers}, {one.issuer: one for one in new.issuers})
    yield from _second_factor(old, new)
    if new.passkeys != old.passkeys:
        because, opens = f"passkeys is {_said(new.passkeys)} now", new.passkeys
        yield AuthEffect("passkeys", "who has a passkey", "gains" if opens else "loses", "a session", because, opens)
    if new.anonymous != old.anonymous:
        because, opens = f"anonymous is {_said(new.anonymous)} now", new.anonymous
        yield AuthEffect("anonymous", "everybody", "gains" if opens else "loses", "an account", because, opens)


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


def _providers(old: dict[str, ProviderDef], new: dict[str, ProviderDef]) -> Iterator[AuthEffect]:
    key, what = "providers", "signing in here"
    for name in sorted(old.keys() | new.keys()):
        before, now, who = old.get(name), new.get(name), f"whom {name} knows"
        if now is None:
            yield AuthEffect(key, who, "loses", what, "it signs people in no longer", wider=False)
        elif before is None:
            yield AuthEffect(key, who, "gains", what, f"{now.issuer} signs people in now", wider=True)
        elif (now.issuer, now.client_id) != (before.issuer, before.client_id):
            because = f"it is {now.issuer} now, for {now.client_id}"
            yield AuthEffect(key, who, "may_gain", what, because, wider=True)
        if before is not None and now is not None:
            yield from _asked(before, now)
        if now is not None and now.trust_email and not (before is not None and before.trust_email):
            because = "an address that it calls verified joins the account that has it"
            yield AuthEffect(key, who, "may_gain", "accounts with their addresses", because, wider=True)


def _asked(before: ProviderDef, now: ProviderDef) -> Iterator[AuthEffect]:
    """Compare what a provider is asked for, and by what; neither lets anybody in whom it didn't know before."""
    key, who = "providers", f"whom {now.name} knows"
    if now.client_secret != before.client_secret:
        because = "it is asked " + (
            f"with the secret {now.client_secret} now" if now.client_secret else "without a secret now"
        )
        yield AuthEffect(key, who, "may_gain", "signing in through the browser", because, wider=False)
    if more := [one for one in now.scopes if one not in before.scopes]:
        because = f"{now.name} is asked for {', '.join(more)} too"
        yield AuthEffect(key, "columns from its claims", "may_gain", "what it tells", because, wider=False)
    if less := [one for one in before.scopes if one not in now.scopes]:
        because = f"{now.name} is asked for {', '.join(less)} no longer"
        yield AuthEffect(key, "columns from its claims", "loses", "what it tells", because, wider=False)


def _issuers(old: dict[str, IssuerDef], new: dict[str, IssuerDef]) -> Iterator[AuthEffect]:
    key = "issuers"
    for name in sorted(new.keys() - old.keys()):
        what = f"being signed in here, with {_roles(new[name].grants)}"
        yield AuthEffect(key, f"whom {name} knows", "gains", what, "its tokens are taken now", wider=True)
    for name in sorted(old.keys() - new.keys()):
        because = "its tokens are taken no longer"
        yield AuthEffect(key, f"whom {name} knows", "loses", "being signed in here", because, wider=False)
    for name in sorted(old.keys() & new.keys()):
        yield from _issuer(f"whom {name} knows", old[name], new[name])


def _issuer(who: str, old: IssuerDef, new: IssuerDef) -> Iterator[AuthEffect]:
    key = "issuers"
    if gained := tuple(role for role in new.grants if role not in old.grants):
        yield AuthEffect(key, who, "gains", _roles(gained), "it may grant more now", wider=True)
    if lost := tuple(role for role in old.grants if role not in new.grants):
        yield AuthEffect(key, who, "loses", _roles(lost), "it may grant less now", wider=False)
    if (said := (new.audience, new.user, new.roles, new.aal2)) != (old.audience, old.user, old.roles, old.aal2):
        because = f"its tokens are read otherwise now: {', '.join(one for one in said if one)}"
        yield AuthEffect(key, who, "may_gain", "being somebody here", because, wider=True)
    if new.create != old.create:
        because = "who comes for the first time gets an account now" if new.create else "nobody new is let in now"
        yield AuthEffect(key, who, "gains" if new.create else "loses", "an account", because, new.create)
    if (lasts := life_seconds(new.max_age)) != (lasted := life_seconds(old.max_age)):
        because, longer = f"max_age is {new.max_age} now, and was {old.max_age}", lasts > lasted
        yield AuthEffect(key, who, "gains" if longer else "loses", "a token that counts", because, longer)


def _roles(names: tuple[str, ...]) -> str:
    return f"the roles {', '.join(names)}" if names else "no roles"


def _second_factor(old: AuthDef, new: AuthDef) -> Iterator[AuthEffect]:
    if new.second_factor != old.second_factor:
        opens = _FACTOR.index(new.second_factor) < _FACTOR.index(old.second_factor)
        because = f"second_factor is {new.second_factor} now, and was {old.second_factor}"
        what = "what takes a second factor" if old.second_factor == "required" or not opens else "what one keeps shut"
        yield AuthEffect(
            "second_factor", "who has no second factor", "gains" if opens else "loses", what, because, opens
        )


def _said(value: bool | None) -> str:
    return "not said" if value is None else str(value).lower()

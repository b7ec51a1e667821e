"""Who a request acts as: nobody, a user, or an API key, as one frozen value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from app.definitions.auth import AAL1, BY_ADDRESS, NO_AAL, is_anonymous
from app.definitions.policy_tests import SignInDef

Kind = Literal["anonymous", "user", "key"]


def _no_columns() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SignIn:
    """How somebody has signed in, as rules see it: how sure it is, by what, at whom, in which session.

    `provider` is `email`, `anonymous`, a name of a provider, or an issuer, `claims` what that one's token says.
    """

    aal: str = AAL1
    amr: tuple[str, ...] = ()
    provider: str | None = BY_ADDRESS
    session_id: str | None = None
    claims: Mapping[str, Any] | None = field(default=None, repr=False)

    def env(self) -> dict[str, Any]:
        """Give the members of `auth`."""
        return {
            "aal": self.aal, "amr": list(self.amr), "provider": self.provider, "session_id": self.session_id,
            "claims": self.claims,
        }  # fmt: skip


NOT_SIGNED_IN = SignIn(NO_AAL, provider=None)


def auth_env(kind: Kind, user: Mapping[str, Any] | None = None, by: SignIn = NOT_SIGNED_IN) -> dict[str, Any]:
    """Give what rules read as `auth`; of a user, the columns and the roles."""
    said = {"user": user, "signed_in": user is not None, "kind": kind, **by.env()}
    return {**said, "is_anonymous": user is not None and is_anonymous(user.get("email"))}


def _nobody() -> Mapping[str, Any]:
    return auth_env("anonymous")


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller. Made by `ANONYMOUS`, `user_identity` or `key_identity`; never changed, so never half-changed.

    `columns` are the user's own columns as Python values, read-only, and kept out of the repr, which logs may print.
    `version` is the authority version that the first statement of the request confirms; None where nobody is there.
    `env` is what rules read as `auth`; it is shared by every request of this identity, and nobody writes to it.
    """

    kind: Kind
    user_id: str | None = None
    session_id: str | None = None
    key_id: str | None = None
    roles: frozenset[str] = frozenset()
    columns: Mapping[str, Any] = field(default_factory=_no_columns, repr=False, hash=False)
    version: int | None = None
    env: Mapping[str, Any] = field(default_factory=_nobody, repr=False, hash=False, compare=False)

    def __post_init__(self) -> None:
        if (self.kind == "user") != (self.user_id is not None):
            raise ValueError("A user, and only a user, has a user id.")
        if (self.kind == "key") != (self.key_id is not None):
            raise ValueError("An API key, and only an API key, has a key id.")
        extras = (self.session_id, self.version, self.roles, self.columns)
        if self.kind == "anonymous" and extras != (None, None, frozenset(), {}):
            raise ValueError("An anonymous caller has no session, roles, columns or version.")

    @property
    def subject_id(self) -> str | None:
        """Give whose authority version is confirmed: the user's, or the key's."""
        return self.user_id or self.key_id

    @property
    def aal(self) -> str:
        """Give how sure it is who calls."""
        return str(self.env["aal"])

    @property
    def is_anonymous(self) -> bool:
        """Tell whether nobody is there."""
        return self.kind == "anonymous"

    def has_any_role(self, roles: Iterable[str]) -> bool:
        """Tell whether the caller has at least one of the roles; for no roles at all the answer is no."""
        return not self.roles.isdisjoint(roles)


ANONYMOUS = Identity("anonymous")


def user_identity(
    user_id: str,
    *,
    session_id: str | None,
    roles: Iterable[str] = (),
    columns: Mapping[str, Any] | None = None,
    version: int,
) -> Identity:
    """Make the identity of a signed-in user; the columns are copied, so a later change to the source isn't seen."""
    own = dict(columns or {})
    held = sorted(roles)
    env = auth_env("user", {**own, "roles": held}, SignIn(session_id=session_id))
    return Identity("user", user_id, session_id, None, frozenset(held), MappingProxyType(own), version, env)


def key_identity(key_id: str, *, roles: Iterable[str] = (), version: int) -> Identity:
    """Make the identity of an API key, which has roles and no user."""
    return Identity("key", key_id=key_id, roles=frozenset(roles), version=version, env=auth_env("key"))


def sign_in_as(said: SignInDef) -> SignIn:
    """Give a sign-in that somebody makes up, for a simulation or a test."""
    return SignIn(said.aal, said.amr, said.provider, said.session_id, said.claims)


def signed_in_by(user: Identity, by: SignIn) -> Identity:
    """Give a user who has signed in so."""
    return replace(user, session_id=by.session_id, env={**user.env, **by.env()})


def foreign_identity(user: Identity, roles: Iterable[str], by: SignIn) -> Identity:
    """Make the identity of a user by another issuer's token, which brings roles and shows its claims, in no session."""
    held = user.roles | frozenset(roles)
    own = {**user.env["user"], "roles": sorted(held)}
    return replace(user, session_id=None, roles=held, env={**user.env, "user": own, **by.env()})

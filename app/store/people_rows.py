"""The rows of people, accounts, sessions, keys and admins."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from app.store.rows import SCHEMA

_SCHEMA = {"schema": SCHEMA}
_ADMIN_ROLES = "IN ('owner', 'editor', 'viewer')"


def _id() -> "Column[str]":
    return Column(Uuid(as_uuid=False), primary_key=True, server_default=text("rowgate.uuid7()"))


def _refers(target: str, *, primary_key: bool = False) -> "Column[str]":
    key = ForeignKey(f"{target}.id", ondelete="CASCADE")
    return Column(Uuid(as_uuid=False), key, primary_key=primary_key, nullable=False)


def _moment(*, now: bool = False) -> "Column[datetime]":
    default = text("now()") if now else None
    return Column(DateTime(timezone=True), nullable=not now, server_default=default)


def _token_indexes(table: str) -> tuple[Index, Index]:
    sealed = Index(f"{table}_successor", "used_at", postgresql_where=text("successor IS NOT NULL"))
    return Index(f"{table}_session", "session_id"), sealed


class UserRow(SQLModel, table=True):
    """A person, as far as every backend knows one; admins' own columns come beside these."""

    __tablename__ = "users"
    __table_args__ = (Index("users_email", text("lower(email)"), unique=True), {"schema": "data"})

    id: str = Field(sa_column=_id())
    email: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=_moment(now=True))


class AuthorityRow(SQLModel, table=True):
    """The version of what a user or a key may do; every change to it raises the version by a trigger."""

    __tablename__ = "authority"
    __table_args__ = _SCHEMA

    subject_id: str = Field(sa_column=Column(Uuid(as_uuid=False), primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=text("1")))


class AccountRow(SQLModel, table=True):
    """How a person signs in."""

    __tablename__ = "accounts"
    __table_args__ = _SCHEMA

    user_id: str = Field(sa_column=_refers("data.users", primary_key=True))
    password_hash: str | None = Field(default=None, sa_column=Column(Text))
    password_changed_at: datetime | None = Field(default=None, sa_column=_moment())
    email_confirmed_at: datetime | None = Field(default=None, sa_column=_moment())
    last_sign_in_at: datetime | None = Field(default=None, sa_column=_moment())
    disabled_at: datetime | None = Field(default=None, sa_column=_moment())


class UserRoleRow(SQLModel, table=True):
    """A role that a person holds."""

    __tablename__ = "user_roles"
    __table_args__ = _SCHEMA

    user_id: str = Field(sa_column=_refers("data.users", primary_key=True))
    role: str = Field(sa_column=Column(Text, primary_key=True))


class SessionRow(SQLModel, table=True):
    """One sign-in of a person, until it is revoked or expires."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_user", "user_id"), _SCHEMA)

    id: str = Field(sa_column=_id())
    user_id: str = Field(sa_column=_refers("data.users"))
    created_at: datetime = Field(sa_column=_moment(now=True))
    refreshed_at: datetime = Field(sa_column=_moment(now=True))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=_moment())
    user_agent: str | None = Field(default=None, sa_column=Column(Text))
    ip: str | None = Field(default=None, sa_column=Column(Text))
    aal: str = Field(sa_column=Column(Text, nullable=False, server_default=text("'aal1'")))
    amr: list[Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))


class RefreshTokenRow(SQLModel, table=True):
    """A refresh token by its SHA-256; `successor` is the one that followed it, sealed."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (*_token_indexes("refresh_tokens"), _SCHEMA)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    session_id: str = Field(sa_column=_refers("rowgate.sessions"))
    created_at: datetime = Field(sa_column=_moment(now=True))
    used_at: datetime | None = Field(default=None, sa_column=_moment())
    successor: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class ApiKeyRow(SQLModel, table=True):
    """An API key by its SHA-256."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("api_keys_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
        CheckConstraint(f"admin_role {_ADMIN_ROLES}"),
        _SCHEMA,
    )

    id: str = Field(sa_column=_id())
    name: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    admin_role: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=_moment(now=True))
    expires_at: datetime | None = Field(default=None, sa_column=_moment())
    revoked_at: datetime | None = Field(default=None, sa_column=_moment())


class AdminRow(SQLModel, table=True):
    """Somebody who configures the backend."""

    __tablename__ = "admins"
    __table_args__ = (
        Index("admins_email", text("lower(email)"), unique=True),
        CheckConstraint(f"role {_ADMIN_ROLES}"),
        _SCHEMA,
    )

    id: str = Field(sa_column=_id())
    email: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    password_hash: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment(now=True))
    disabled_at: datetime | None = Field(default=None, sa_column=_moment())


class AdminSessionRow(SQLModel, table=True):
    """One sign-in of an admin, until it is revoked or expires."""

    __tablename__ = "admin_sessions"
    __table_args__ = (Index("admin_sessions_admin", "admin_id"), _SCHEMA)

    id: str = Field(sa_column=_id())
    admin_id: str = Field(sa_column=_refers("rowgate.admins"))
    created_at: datetime = Field(sa_column=_moment(now=True))
    refreshed_at: datetime = Field(sa_column=_moment(now=True))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=_moment())
    ip: str | None = Field(default=None, sa_column=Column(Text))
    user_agent: str | None = Field(default=None, sa_column=Column(Text))


class AdminRefreshTokenRow(SQLModel, table=True):
    """An admin's refresh token, kept as those of people are."""

    __tablename__ = "admin_refresh_tokens"
    __table_args__ = (*_token_indexes("admin_refresh_tokens"), _SCHEMA)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    session_id: str = Field(sa_column=_refers("rowgate.admin_sessions"))
    created_at: datetime = Field(sa_column=_moment(now=True))
    used_at: datetime | None = Field(default=None, sa_column=_moment())
    successor: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class SignInFailureRow(SQLModel, table=True):
    """A wrong password: for which account and from where, as they are counted; `forgiven` once a right one came."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (
        Index("sign_in_failures_account", "kind", "account", "at"),
        Index("sign_in_failures_address", "kind", "address", "at"),
        Index("sign_in_failures_at", "at"),
        _SCHEMA,
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    account: str = Field(sa_column=Column(Text, nullable=False))
    address: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=_moment(now=True))
    forgiven: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class SigningKeyRow(SQLModel, table=True):
    """A key that access tokens are signed with, sealed; nothing is sealed of the one that comes from the secret key."""

    __tablename__ = "signing_keys"
    __table_args__ = _SCHEMA

    kid: str = Field(sa_column=Column(Text, primary_key=True))
    algorithm: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment(now=True))
    signs_from: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    accepted_until: datetime | None = Field(default=None, sa_column=_moment())
    key_id: str | None = Field(default=None, sa_column=Column(Text))
    nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    ciphertext: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class IdentityRow(SQLModel, table=True):
    """Who a person is elsewhere: what an issuer calls them."""

    __tablename__ = "identities"
    __table_args__ = (
        Index("identities_subject", "issuer", "subject", unique=True),
        Index("identities_user", "user_id"),
        _SCHEMA,
    )

    id: str = Field(sa_column=_id())
    user_id: str = Field(sa_column=_refers("data.users"))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    issuer: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    email: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=_moment(now=True))
    last_sign_in_at: datetime | None = Field(default=None, sa_column=_moment())


class KeptRow(SQLModel, table=True):
    """A value that the first start made and that all instances share."""

    __tablename__ = "kept"
    __table_args__ = _SCHEMA

    name: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, nullable=False))


class FactorRow(SQLModel, table=True):
    """A second factor; `last_step` is the newest code's that counted, and what it is checked by is sealed."""

    __tablename__ = "factors"
    __table_args__ = (Index("factors_user", "user_id"), _SCHEMA)

    id: str = Field(sa_column=_id())
    user_id: str = Field(sa_column=_refers("data.users"))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment(now=True))
    updated_at: datetime = Field(sa_column=_moment(now=True))
    verified_at: datetime | None = Field(default=None, sa_column=_moment())
    last_step: int | None = Field(default=None, sa_column=Column(BigInteger))
    key_id: str | None = Field(default=None, sa_column=Column(Text))
    nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    ciphertext: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class FactorChallengeRow(SQLModel, table=True):
    """That somebody is about to show a factor; good for one that is right."""

    __tablename__ = "factor_challenges"
    __table_args__ = (Index("factor_challenges_factor", "factor_id"), _SCHEMA)

    id: str = Field(sa_column=_id())
    factor_id: str = Field(sa_column=_refers("rowgate.factors"))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class RecoveryCodeRow(SQLModel, table=True):
    """A recovery code by its SHA-256; one that was used is gone."""

    __tablename__ = "recovery_codes"
    __table_args__ = _SCHEMA

    user_id: str = Field(sa_column=_refers("data.users", primary_key=True))
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))


class FactorTryRow(SQLModel, table=True):
    """A code that was tried, until a right one came."""

    __tablename__ = "factor_tries"
    __table_args__ = (Index("factor_tries_user", "user_id", "at"), _SCHEMA)

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    user_id: str = Field(sa_column=_refers("data.users"))
    at: datetime = Field(sa_column=_moment(now=True))


class AnonymousUserRow(SQLModel, table=True):
    """A user without an address, and from where it was made."""

    __tablename__ = "anonymous_users"
    __table_args__ = (
        Index("anonymous_users_address", "address", "at"),
        Index("anonymous_users_at", "at"),
        _SCHEMA,
    )

    user_id: str = Field(sa_column=_refers("data.users", primary_key=True))
    address: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=_moment(now=True))


class PasskeyRow(SQLModel, table=True):
    """A passkey: its public half, and how often it says that it was used."""

    __tablename__ = "passkeys"
    __table_args__ = (Index("passkeys_user", "user_id"), _SCHEMA)

    id: str = Field(sa_column=_id())
    user_id: str = Field(sa_column=_refers("data.users"))
    credential_id: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sign_count: int = Field(sa_column=Column(BigInteger, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment(now=True))
    last_used_at: datetime | None = Field(default=None, sa_column=_moment())


class PasskeyChallengeRow(SQLModel, table=True):
    """What a passkey is to sign: somebody's to add one, nobody's to sign in."""

    __tablename__ = "passkey_challenges"
    __table_args__ = (Index("passkey_challenges_end", "expires_at"), _SCHEMA)

    id: str = Field(sa_column=_id())
    user_id: str | None = Field(
        default=None, sa_column=Column(Uuid(as_uuid=False), ForeignKey("data.users.id", ondelete="CASCADE"))
    )
    challenge: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))

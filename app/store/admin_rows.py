"""The rows of an admin's second factors, and of the links that invite one or let one come back."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
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
from sqlmodel import Field, SQLModel

from app.store.rows import SCHEMA


def _id() -> "Column[str]":
    return Column(Uuid(as_uuid=False), primary_key=True, server_default=text("rowgate.uuid7()"))


def _admin(*, primary_key: bool = False, needed: bool = True) -> "Column[str]":
    key = ForeignKey("rowgate.admins.id", ondelete="CASCADE")
    return Column(Uuid(as_uuid=False), key, primary_key=primary_key, nullable=not needed)


def _at(*, now: bool = False, needed: bool = True) -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=not needed, server_default=text("now()") if now else None)


class AdminFactorRow(SQLModel, table=True):
    """An admin's second factor, kept as those of people are."""

    __tablename__ = "admin_factors"
    __table_args__ = (Index("admin_factors_admin", "admin_id"), {"schema": SCHEMA})

    id: str = Field(sa_column=_id())
    admin_id: str = Field(sa_column=_admin())
    kind: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_at(now=True))
    updated_at: datetime = Field(sa_column=_at(now=True))
    verified_at: datetime | None = Field(default=None, sa_column=_at(needed=False))
    last_step: int | None = Field(default=None, sa_column=Column(BigInteger))
    key_id: str | None = Field(default=None, sa_column=Column(Text))
    nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    ciphertext: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class AdminRecoveryCodeRow(SQLModel, table=True):
    """An admin's recovery code by its SHA-256; one that was used is gone."""

    __tablename__ = "admin_recovery_codes"
    __table_args__ = {"schema": SCHEMA}

    admin_id: str = Field(sa_column=_admin(primary_key=True))
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))


class AdminFactorTryRow(SQLModel, table=True):
    """A code that was tried for an admin, until a right one came."""

    __tablename__ = "admin_factor_tries"
    __table_args__ = (Index("admin_factor_tries_admin", "admin_id", "at"), {"schema": SCHEMA})

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    admin_id: str = Field(sa_column=_admin())
    at: datetime = Field(sa_column=_at(now=True))


class AdminLinkRow(SQLModel, table=True):
    """A link by the SHA-256 of its token: an invitation to an address, of which there is one, or a way back.

    A way back without `admin_id` stands for an address that no admin has, and opens nothing.
    """

    __tablename__ = "admin_links"
    __table_args__ = (
        Index("admin_links_digest", "digest", unique=True),
        Index("admin_links_invite", "email", unique=True, postgresql_where=text("kind = 'invite'")),
        Index("admin_links_admin", "admin_id"),
        Index("admin_links_expires", "expires_at"),
        CheckConstraint("kind IN ('invite', 'recovery')"),
        CheckConstraint("role IN ('owner', 'editor', 'viewer')"),
        {"schema": SCHEMA},
    )

    id: str = Field(sa_column=_id())
    kind: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    email: str = Field(sa_column=Column(Text, nullable=False))
    admin_id: str | None = Field(default=None, sa_column=_admin(needed=False))
    role: str | None = Field(default=None, sa_column=Column(Text))
    invited_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=_at(now=True))
    expires_at: datetime = Field(sa_column=_at())

"""The rows of mail that waits, of links, codes and sign-ins under way, and of what is counted for an address."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.store.rows import SCHEMA


def _at(*, now: bool = False, needed: bool = True) -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=not needed, server_default=text("now()") if now else None)


class MailRow(SQLModel, table=True):
    """A mail until it is sent or dead, its body sealed; then it is wiped, and the row stays for a day."""

    __tablename__ = "mail"
    __table_args__ = (
        Index("mail_due", "next_at", postgresql_where=text("sent_at IS NULL AND dead_at IS NULL")),
        {"schema": SCHEMA},
    )

    id: str = Field(sa_column=Column(Uuid(as_uuid=False), primary_key=True))
    created_at: datetime = Field(sa_column=_at(now=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    recipient: str | None = Field(default=None, sa_column=Column(Text))
    key_id: str | None = Field(default=None, sa_column=Column(Text))
    nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    ciphertext: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=text("0")))
    next_at: datetime = Field(sa_column=_at(now=True))
    expires_at: datetime = Field(sa_column=_at())
    last_error: str | None = Field(default=None, sa_column=Column(Text))
    sent_at: datetime | None = Field(default=None, sa_column=_at(needed=False))
    dead_at: datetime | None = Field(default=None, sa_column=_at(needed=False))


class OneTimeTokenRow(SQLModel, table=True):
    """A link and a code of one mail, by their hashes; what was given when they were asked for waits with them.

    `exchange` is the hash of the code that a PKCE flow exchanges; without `user_id` it stands for an address that
    nobody has, and opens nothing.
    """

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        Index("one_time_tokens_link", "link", unique=True),
        Index("one_time_tokens_exchange", "exchange", unique=True),
        Index("one_time_tokens_email", "email", "kind"),
        Index("one_time_tokens_user", "user_id"),
        Index("one_time_tokens_expires", "expires_at"),
        {"schema": SCHEMA},
    )

    id: str = Field(sa_column=Column(Uuid(as_uuid=False), primary_key=True, server_default=text("rowgate.uuid7()")))
    created_at: datetime = Field(sa_column=_at(now=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    user_id: str | None = Field(
        default=None, sa_column=Column(Uuid(as_uuid=False), ForeignKey("data.users.id", ondelete="CASCADE"))
    )
    email: str = Field(sa_column=Column(Text, nullable=False))
    new_email: str | None = Field(default=None, sa_column=Column(Text))
    link: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    code: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    code_tries: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=text("0")))
    code_expires_at: datetime = Field(sa_column=_at())
    expires_at: datetime = Field(sa_column=_at())
    exchange: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    challenge: str | None = Field(default=None, sa_column=Column(Text))
    redirect_to: str | None = Field(default=None, sa_column=Column(Text))
    password_hash: str | None = Field(default=None, sa_column=Column(Text))
    columns: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class CountedRow(SQLModel, table=True):
    """One mail, or one try of a code, for whom it counts: an address for mail or a network address, by its hash."""

    __tablename__ = "counted"
    __table_args__ = (
        Index("counted_who", "what", "who", "at"),
        Index("counted_at", "at"),
        {"schema": SCHEMA},
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    what: str = Field(sa_column=Column(Text, nullable=False))
    who: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = Field(sa_column=_at(now=True))


class SignInFlowRow(SQLModel, table=True):
    """A sign-in under way at a provider, by the hash of the token that takes it to its next step."""

    __tablename__ = "sign_in_flows"
    __table_args__ = (
        Index("sign_in_flows_expires", "expires_at"),
        Index("sign_in_flows_user", "user_id"),
        {"schema": SCHEMA},
    )

    token: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    stage: str = Field(sa_column=Column(Text, nullable=False))
    expires_at: datetime = Field(sa_column=_at())
    browser: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    issuer: str = Field(sa_column=Column(Text, nullable=False))
    challenge: str | None = Field(default=None, sa_column=Column(Text))
    redirect_to: str = Field(sa_column=Column(Text, nullable=False))
    user_id: str | None = Field(
        default=None, sa_column=Column(Uuid(as_uuid=False), ForeignKey("data.users.id", ondelete="CASCADE"))
    )
    session_id: str | None = Field(default=None, sa_column=Column(Uuid(as_uuid=False)))
    subject: str | None = Field(default=None, sa_column=Column(Text))
    email: str | None = Field(default=None, sa_column=Column(Text))

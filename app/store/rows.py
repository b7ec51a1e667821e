"""The rows of definitions, revisions, the audit log, and what is sealed."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

SCHEMA = "rowgate"


def table_of(model: type[SQLModel]) -> Table:
    """Give the table of a model, for statements that are no matter of one row."""
    table: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel makes it, and declares it nowhere
    return table


def _moment() -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))


class DefinitionRow(SQLModel, table=True):
    """One definition as stored; it holds from `valid_from` until the revision before `valid_to`."""

    __tablename__ = "definitions"
    __table_args__ = (
        Index("definitions_active", "kind", "name", unique=True, postgresql_where=text("valid_to IS NULL")),
        {"schema": SCHEMA},
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    position: int = Field(sa_column=Column(Integer, nullable=False))
    body: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    valid_from: int = Field(sa_column=Column(BigInteger, nullable=False))
    valid_to: int | None = Field(default=None, sa_column=Column(BigInteger))


class RevisionRow(SQLModel, table=True):
    """One revision: who made it, when, and the changes as data."""

    __tablename__ = "revisions"
    __table_args__ = {"schema": SCHEMA}

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    created_at: datetime = Field(sa_column=_moment())
    author: str = Field(sa_column=Column(Text, nullable=False))
    comment: str | None = Field(default=None, sa_column=Column(Text))
    changes: list[Any] = Field(sa_column=Column(JSONB, nullable=False))


class LiveRow(SQLModel, table=True):
    """The one row that says which revision is live."""

    __tablename__ = "live"
    __table_args__ = (CheckConstraint("single"), {"schema": SCHEMA})

    single: bool = Field(default=True, sa_column=Column(Boolean, primary_key=True, server_default=text("true")))
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))


class ManagedRow(SQLModel, table=True):
    """One file that manages the definitions, by its name and the SHA-256 of its bytes; without `until`, it does now."""

    __tablename__ = "managed"
    __table_args__ = (
        Index("managed_in_force", text("(true)"), unique=True, postgresql_where=text("until IS NULL")),
        {"schema": SCHEMA},
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    file: str = Field(sa_column=Column(Text, nullable=False))
    digest: str = Field(sa_column=Column(Text, nullable=False))
    since: datetime = Field(sa_column=_moment())
    until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class AuditRow(SQLModel, table=True):
    """One event of the audit log, written in the transaction of what it tells about."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_at", "at"),
        Index("audit_chain", "chain", "seq", unique=True),
        Index(
            "audit_admin_sign_ins", text("(detail ->> 'admin')"), "id",
            postgresql_where=text("action IN ('admin.sign_in', 'admin.sign_in_refused')"),
        ),
        {"schema": SCHEMA},
    )  # fmt: skip

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = Field(sa_column=_moment())
    actor: str = Field(sa_column=Column(Text, nullable=False))
    action: str = Field(sa_column=Column(Text, nullable=False))
    target: str | None = Field(default=None, sa_column=Column(Text))
    detail: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'"))
    )
    chain: int | None = Field(default=None, sa_column=Column(Integer))
    seq: int | None = Field(default=None, sa_column=Column(BigInteger))
    key_id: str | None = Field(default=None, sa_column=Column(Text))
    mac: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class AuditHeadRow(SQLModel, table=True):
    """The end of one chain of the audit log."""

    __tablename__ = "audit_heads"
    __table_args__ = {"schema": SCHEMA}

    chain: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    mac: bytes = Field(sa_column=Column(LargeBinary, nullable=False, server_default=text("''")))


class AuditKeyRow(SQLModel, table=True):
    """A key that rows of the audit log were chained under before this one, sealed."""

    __tablename__ = "audit_keys"
    __table_args__ = {"schema": SCHEMA}

    id: str = Field(sa_column=Column(Text, primary_key=True))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SecretRow(SQLModel, table=True):
    """A secret by its name, sealed, with the hosts that it may be sent to."""

    __tablename__ = "secrets"
    __table_args__ = {"schema": SCHEMA}

    name: str = Field(sa_column=Column(Text, primary_key=True))
    hosts: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    description: str | None = Field(default=None, sa_column=Column(Text))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    version: int = Field(default=1, sa_column=Column(BigInteger, nullable=False, server_default=text("1")))
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class OutboxRow(SQLModel, table=True):
    """A call that waits to be delivered, sealed; `dead_at` is when it was given up."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "next_at", postgresql_where=text("dead_at IS NULL")), {"schema": SCHEMA})

    id: str = Field(sa_column=Column(Uuid(as_uuid=False), primary_key=True))
    created_at: datetime = Field(sa_column=_moment())
    step: str = Field(sa_column=Column(Text, nullable=False))
    method: str = Field(sa_column=Column(Text, nullable=False))
    host: str = Field(sa_column=Column(Text, nullable=False))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=text("0")))
    next_at: datetime = Field(sa_column=_moment())
    last_error: str | None = Field(default=None, sa_column=Column(Text))
    dead_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class DeliveryRow(SQLModel, table=True):
    """A delivery of a webhook that was carried out, by the SHA-256 of what names it."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("deliveries_created_at", "created_at"), {"schema": SCHEMA})

    id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    created_at: datetime = Field(sa_column=_moment())


class FirstAnswerRow(SQLModel, table=True):
    """The answer that a request with an idempotency key got first, sealed."""

    __tablename__ = "first_answers"
    __table_args__ = (Index("first_answers_created_at", "created_at"), {"schema": SCHEMA})

    id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=_moment())

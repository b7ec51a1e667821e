"""The backend written by hand with FastAPI, SQLModel and python-jose, as their documentation teaches."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from jose import JWTError, jwt
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlmodel import Field, SQLModel, select, text

SECRET = bytes.fromhex(os.environ["BENCH_SECRET"])
URL = os.environ["BENCH_URL"]


async def _connect() -> Any:
    return await asyncpg.connect(URL)


engine = create_async_engine("postgresql+asyncpg://", async_creator=_connect, pool_size=10, max_overflow=0)
oauth2 = OAuth2PasswordBearer(tokenUrl="token")
app = FastAPI()


class DocumentIn(SQLModel):
    """What a person sends."""

    title: str = Field(min_length=1, max_length=200)
    amount: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=2)


class Document(SQLModel, table=True):
    """A row."""

    __tablename__ = "documents"
    __table_args__ = {"schema": "data"}

    id: UUID | None = Field(
        default=None, primary_key=True, sa_column_kwargs={"server_default": text("rowgate.uuid7()")}
    )
    owner_user_id: UUID
    title: str
    amount: Decimal | None = None
    status: str = "draft"
    created_at: datetime | None = Field(default=None, sa_column_kwargs={"server_default": text("now()")})
    updated_at: datetime | None = Field(default=None, sa_column_kwargs={"server_default": text("now()")})


class User(SQLModel, table=True):
    """A person."""

    __tablename__ = "users"
    __table_args__ = {"schema": "data"}

    id: UUID = Field(primary_key=True)
    email: str


async def session() -> AsyncIterator[AsyncSession]:
    """Give a session."""
    async with AsyncSession(engine) as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def current_user(token: Annotated[str, Depends(oauth2)], db: Session) -> User:
    """Give who calls."""
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated")
    except JWTError:
        raise HTTPException(401, "Could not validate credentials") from None
    user = await db.get(User, UUID(claims["sub"]))
    if user is None:
        raise HTTPException(401, "Could not validate credentials")
    return user


Caller = Annotated[User, Depends(current_user)]


@app.get("/my_documents")
async def my_documents(user: Caller, db: Session) -> list[Document]:
    """S1."""
    statement = select(Document).where(Document.owner_user_id == user.id).order_by(text("created_at DESC")).limit(20)
    return list((await db.execute(statement)).scalars())


async def _own(document_id: UUID, user: User, db: AsyncSession) -> Document:
    document = await db.get(Document, document_id)
    if document is None:
        raise HTTPException(404)
    if document.owner_user_id != user.id:
        raise HTTPException(403)
    return document


@app.get("/documents/{document_id}")
async def get_document(document_id: UUID, user: Caller, db: Session) -> Document:
    """S2."""
    return await _own(document_id, user, db)


@app.post("/documents", status_code=201)
async def create_document(body: DocumentIn, user: Caller, db: Session) -> Document:
    """S3."""
    document = Document(**body.model_dump(), owner_user_id=user.id)
    db.add(document)
    await db.commit()
    await db.refresh(document)
    return document


@app.post("/documents/{document_id}/submit")
async def submit_document(document_id: UUID, user: Caller, db: Session) -> Document:
    """S4."""
    document = await _own(document_id, user, db)
    document.status = "submitted"
    db.add(document)
    await db.commit()
    await db.refresh(document)
    return document

"""The backend written by hand with FastAPI and raw asyncpg."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from jose import JWTError, jwt
from pydantic import BaseModel, Field

SECRET = bytes.fromhex(os.environ["BENCH_SECRET"])
_COLUMNS = "id, owner_user_id, title, amount, status, created_at, updated_at"
oauth2 = OAuth2PasswordBearer(tokenUrl="token")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool."""
    async with asyncpg.create_pool(os.environ["BENCH_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


class DocumentIn(BaseModel):
    """What a person sends."""

    title: str = Field(min_length=1, max_length=200)
    amount: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=2)


class Document(BaseModel):
    """A row."""

    id: UUID
    owner_user_id: UUID
    title: str
    amount: Decimal | None
    status: str
    created_at: datetime
    updated_at: datetime


async def current_user(token: Annotated[str, Depends(oauth2)]) -> UUID:
    """Give who calls."""
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated")
    except JWTError:
        raise HTTPException(401, "Could not validate credentials") from None
    return UUID(claims["sub"])


Caller = Annotated[UUID, Depends(current_user)]


@app.get("/my_documents", response_model=list[Document])
async def my_documents(user: Caller) -> Any:
    """S1."""
    sql = f"SELECT {_COLUMNS} FROM data.documents WHERE owner_user_id = $1 ORDER BY created_at DESC LIMIT 20"
    return [dict(row) for row in await app.state.pool.fetch(sql, user)]


class Post(BaseModel):
    """A row of a team."""

    id: UUID
    team_id: UUID
    title: str
    created_at: datetime


@app.get("/team_posts", response_model=list[Post])
async def team_posts(user: Caller) -> Any:
    """S6."""
    sql = (
        "SELECT id, team_id, title, created_at FROM data.posts p WHERE EXISTS (SELECT FROM data.members m"
        " WHERE m.team_id = p.team_id AND m.user_id = $1) ORDER BY created_at DESC LIMIT 20"
    )
    return [dict(row) for row in await app.state.pool.fetch(sql, user)]


async def _own(connection: Any, document_id: UUID, user: UUID, lock: str = "") -> Any:
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM data.documents WHERE id = $1{lock}", document_id)
    if row is None:
        raise HTTPException(404)
    if row["owner_user_id"] != user:
        raise HTTPException(403)
    return row


@app.get("/documents/{document_id}", response_model=Document)
async def get_document(document_id: UUID, user: Caller) -> Any:
    """S2."""
    return dict(await _own(app.state.pool, document_id, user))


@app.post("/documents", status_code=201, response_model=Document)
async def create_document(body: DocumentIn, user: Caller) -> Any:
    """S3."""
    sql = f"INSERT INTO data.documents (owner_user_id, title, amount) VALUES ($1, $2, $3) RETURNING {_COLUMNS}"
    return dict(await app.state.pool.fetchrow(sql, user, body.title, body.amount))


@app.post("/documents/{document_id}/submit", response_model=Document)
async def submit_document(document_id: UUID, user: Caller) -> Any:
    """S4."""
    sql = f"UPDATE data.documents SET status = 'submitted' WHERE id = $1 RETURNING {_COLUMNS}"
    async with app.state.pool.acquire() as connection, connection.transaction():
        await _own(connection, document_id, user, " FOR UPDATE")
        return dict(await connection.fetchrow(sql, document_id))

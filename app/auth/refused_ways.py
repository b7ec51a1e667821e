"""Has the audit log tell of who was refused, in a transaction of its own: that of the request is rolled back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.audit.writing import audit
from app.database.pool import Pool
from app.errors import RowgateError


@asynccontextmanager
async def noted(
    pool: Pool, address: str, *refusals: type[RowgateError], by: str, actor: str = "anonymous",
    action: str = "sign_in.refused",
) -> AsyncIterator[None]:  # fmt: skip
    """Note where one of the refusals leaves this block, `by` what it was tried; hold no connection around it."""
    try:
        yield
    except refusals:
        async with pool.lease() as connection:
            await audit(connection, actor, action, None, {"ip": address, "by": by})
        raise

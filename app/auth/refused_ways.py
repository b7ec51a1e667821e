"""Has the audit log tell of who was refused, in a transaction of its own: that of the request is rolled back.

Whoever is refused writes there, so one caller has so many rows a minute for each way in; the last of them says so.
Wrong passwords, and the codes of who is signed in, are bounded by their own counts (`failures`, `factors`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.audit.writing import audit
from app.auth.counted import ROWS, count_row
from app.database.pool import Pool
from app.errors import RowgateError
from app.limits.keys import counted_key


@asynccontextmanager
async def noted(
    pool: Pool, address: str, *refusals: type[RowgateError], by: str, actor: str = "anonymous",
    action: str = "sign_in.refused",
) -> AsyncIterator[None]:  # fmt: skip
    """Note where one of the refusals leaves this block, `by` what it was tried; hold no connection around it."""
    try:
        yield
    except refusals:
        async with pool.lease() as connection, connection.transaction():
            number = await count_row(connection, "refusal", f"{action} {by} {counted_key(address)}")
            if number:
                last = {"more_not_listed": f"{ROWS.period} s"} if number == ROWS.amount else {}
                await audit(connection, actor, action, None, {"ip": address, "by": by, **last})
        raise

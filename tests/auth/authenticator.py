"""What somebody's app shows for a second factor, by the clock of the database."""

from typing import Any

import pyotp

from tests.backend import Backend


async def step_of(backend: Backend) -> int:
    """Give the number of the present step of thirty seconds (RFC 6238)."""
    (row,) = await backend.sql("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint / 30 AS step")
    step: int = row["step"]
    return step


async def shown_code(backend: Backend, factor: Any, ahead: int) -> str:
    """Give the code of a factor for the step that is so many ahead of the present one."""
    return pyotp.TOTP(factor["totp"]["secret"]).generate_otp(await step_of(backend) + ahead)

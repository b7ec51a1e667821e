"""The audit log's one statement, in the transaction of what it tells about."""

from collections.abc import Mapping
from typing import Any


async def audit(
    connection: Any, actor: str, action: str, target: str | None, detail: Mapping[str, Any] | None = None
) -> None:
    """Write one event; `actor` is `user:<id>`, `admin:<email>`, `key:<name>`, `command` or `anonymous`."""
    await connection.execute(
        "INSERT INTO rowgate.audit (actor, action, target, detail) VALUES ($1, $2, $3, $4)",
        actor,
        action,
        target,
        dict(detail or {}),
    )

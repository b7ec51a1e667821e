"""How a step opens secrets: whoever uses one is written down."""

from collections.abc import Mapping
from functools import partial

from app.database.connection import Connection
from app.secrets.sealed import Secret, load_secrets
from app.secrets.uses import audit_uses
from app.steps.running import Call


async def opened_secrets(call: Call, names: frozenset[str], place: str, connection: Connection) -> Mapping[str, Secret]:
    """Open secrets for the step at a place, and have it in the audit log that they are used.

    What only looks writes nothing.
    """
    secrets = await load_secrets(connection, call.outward.key, names)
    if call.trace is None and (due := call.outward.uses.due(names, place, call.identity)):
        await audit_uses(connection, due, call.identity, place)
        call.db.when_committed(partial(call.outward.uses.written, due))
    return secrets

"""Secrets that definitions name, and that there have to be before these are put in force."""

from app.database.connection import Connection
from app.definitions.project import DefinitionInvalid, Project
from app.errors import Finding


async def refuse_secretless(connection: Connection, project: Project) -> None:
    """Raise DefinitionInvalid where a provider is to be asked with a secret that isn't there."""
    said = [(number, one.client_secret) for number, one in enumerate(project.auth.providers) if one.client_secret]
    if not said:
        return
    kept = {one["name"] for one in await connection.fetch("SELECT name FROM rowgate.secrets")}
    hint = "make it first: POST /admin/v1/secrets"
    missing = [
        Finding(f"auth.providers.{number}.client_secret", f"there is no secret {name}", hint)
        for number, name in said
        if name not in kept
    ]
    if missing:
        raise DefinitionInvalid(missing)

"""Names as SQL takes them, and the schema of the admins' tables."""

DATA_SCHEMA = "data"


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'

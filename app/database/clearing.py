"""Rows whose time is over, cleared a few at a time by whoever adds a row, so that nothing else has to."""


def clear_few(table: str, over: str = "expires_at < now()", *, key: str = "id", most: int = 20) -> str:
    """Give the statement that deletes the oldest rows that are `over`, a test that begins with its column."""
    column = over.partition(" ")[0]
    return (
        f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {over} ORDER BY {column}"  # noqa: S608 - names and tests of ours
        f" LIMIT {most} FOR UPDATE SKIP LOCKED)"
    )

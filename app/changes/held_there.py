"""The triggers by which writers of a table wait for who holds its rows, as a database has them."""

from app.database.connection import Connection
from app.database.quoting import DATA_SCHEMA
from app.relations.locks import Held

_TRIGGERS = """
SELECT c.relname, t.tgargs FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace($1) AND t.tgname IN ($2, $3) AND t.tgenabled = 'O'
"""


def trigger_name(*, whole: bool) -> str:
    """Name the trigger of a table that stands for all its rows, or for those by columns."""
    return "rowgate_hold_table" if whole else "rowgate_hold_rows"


async def held_there(connection: Connection) -> frozenset[Held]:
    """Give what the triggers of the database stand for."""
    names = DATA_SCHEMA, trigger_name(whole=True), trigger_name(whole=False)
    found: set[Held] = set()
    for table, arguments in await connection.fetch(_TRIGGERS, *names):
        columns = bytes(arguments).decode().split("\0")[:-1]
        found |= {Held(table, column) for column in columns or [""]}
    return frozenset(found)

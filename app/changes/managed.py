"""The mark of managed definitions: while a server was started with `--config FILE`, that file alone changes them."""

from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import RowgateError
from app.store.rows import ManagedRow, table_of

_MARKS: sa.Table = table_of(ManagedRow)


class ConfigManaged(RowgateError):
    """A file says what the definitions are: they are changed there, and nowhere else."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "config.managed"


class ConfigReplaced(RowgateError):
    """The file was in force before, and another one has replaced it since."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "config.replaced"


@dataclass(frozen=True, slots=True)
class ManagedMark:
    """The file that manages the definitions: its name, the SHA-256 of its bytes in hex.

    With `allow_rollback` it may come back after another one has replaced it.
    """

    file: str
    digest: str
    allow_rollback: bool = False


async def admit(connection: AsyncConnection, mark: ManagedMark | None) -> None:
    """Raise ConfigManaged where a file is in force and none is given, ConfigReplaced for one that was replaced."""
    rows = (await connection.execute(sa.select(_MARKS).order_by(_MARKS.c.id))).all()
    if mark is None:
        for row in rows:
            if row.until is None:
                raise ConfigManaged(
                    f"The definitions are managed by the file {row.file}: nothing was changed.",
                    hint="Change it there, and start the server with it again; without --config it manages no more.",
                )
    elif not mark.allow_rollback and mark.digest in {row.digest for row in rows} - {row.digest for row in rows[-1:]}:
        raise ConfigReplaced(
            f"{mark.file} was in force before, and {rows[-1].file} has replaced it since: nothing was changed.",
            hint="An old file may open what was closed meanwhile. If going back is meant, say --allow-rollback.",
        )


async def set_mark(connection: AsyncConnection, mark: ManagedMark | None) -> None:
    """Put a file into force, in the transaction of its change; the marks before it are kept."""
    if mark is None:
        return
    same = (_MARKS.c.until.is_(None), _MARKS.c.file == mark.file, _MARKS.c.digest == mark.digest)
    if (await connection.execute(sa.select(_MARKS.c.id).where(*same))).first() is None:
        await end_mark(connection)
        await connection.execute(sa.insert(_MARKS).values(file=mark.file, digest=mark.digest))


async def end_mark(connection: AsyncConnection) -> str | None:
    """Let the definitions be managed by no file from here on; gives the name of the one that was in force."""
    ended = sa.update(_MARKS).where(_MARKS.c.until.is_(None)).values(until=sa.func.now()).returning(_MARKS.c.file)
    found: str | None = (await connection.execute(ended)).scalar()
    return found

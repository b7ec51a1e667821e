"""Makes the triggers that tables lack for the definitions that a database holds: an older Rowgate knows of none."""

from sqlalchemy.exc import SQLAlchemyError

from app.changes.apply import RevisionChanged, apply_holds
from app.compiler.runtime import Runtime
from app.errors import RowgateError
from app.store.engine import make_engine

ACTOR = "rowgate"


class NotSettled(RowgateError):
    """The database refused the triggers."""


async def settle(url: str, runtime: Runtime) -> bool:
    """Make the triggers that tables lack for what the live definitions hold; say whether there were any to make.

    Raises what `apply_holds` raises, and NotSettled.
    """
    engine = make_engine(url)
    try:
        return await apply_holds(engine, runtime.held, author=ACTOR, revision=runtime.revision)
    except RevisionChanged:
        return False  # whoever changed them has made what was lacking, or this is asked again for what they are now
    except SQLAlchemyError as error:
        raise NotSettled(str(error)) from error
    finally:
        await engine.dispose()

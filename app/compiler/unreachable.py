"""What a project says that no page, query or person could ever use."""

from collections.abc import Iterator

from app.definitions.auth import AuthDef
from app.definitions.names import LOGIC_KEYS, READ_KEYS, SYSTEM_COLUMNS, WRITE_KEYS
from app.definitions.project import Project
from app.origins import BadOrigin, read_origin
from app.relations.findings import Findings

_QUERY_KEYS = READ_KEYS | WRITE_KEYS | LOGIC_KEYS


def check_reachable(project: Project, findings: Findings) -> None:
    """Find origins that no browser sends, names that a query can't say, and accounts that nobody could make.

    What is stored so goes on as it did: each is only stricter.
    """
    for index, origin in enumerate(project.project.cors_origins):
        try:
            read_origin(origin)
        except BadOrigin as error:
            findings.report(f"project.cors_origins.{index}", str(error), error.hint, stricter=True)
    for place, name in _names(project):
        if name in SYSTEM_COLUMNS:
            message = f"Postgres has a column {name} of its own in every table"
            findings.report(place, message, "choose another name", stricter=True)
        elif name in _QUERY_KEYS:
            message = f"{name} is a word of queries: ?{name}= could never mean this"
            findings.report(place, message, "choose another name", stricter=True)
    for column in project.users.columns if _join_by_themselves(project.auth) else ():
        if column.required and column.default is None and not column.self_editable:
            findings.report(
                f"users.columns/{column.name}.required",
                "nobody could sign up: it is required, and a person can't give it",
                "give it a default, make it self_editable, don't require it, or say sign_up: invited",
                stricter=True,
            )


def _join_by_themselves(auth: AuthDef) -> bool:
    """Say whether there are accounts that neither an admin, a step nor somebody else's token gives columns."""
    return auth.sign_up == "open" or auth.anonymous


def _names(project: Project) -> Iterator[tuple[str, str]]:
    """Give what a query may name, each with its place."""
    for table in project.tables:
        yield from ((f"tables/{table.name}.columns/{one.name}", one.name) for one in table.columns)
    yield from ((f"users.columns/{one.name}", one.name) for one in project.users.columns)
    for view in project.views:
        yield f"views/{view.name}.name", view.name
        if view.columns != "all":
            computed = (one for one in view.columns if one.source is not None)
            yield from ((f"views/{view.name}.columns/{one.name}", one.name) for one in computed)

"""PostgREST's code for each refusal on /rest/v1, by the code that it has elsewhere: the one table of them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from app.errors import RowgateError, problem_document
from app.http.fixed_routes import ProblemDocument
from app.http.json_answer import to_json


class RestProblem(ProblemDocument):
    """A refusal with what PostgREST's clients read as well: its `code` is PostgREST's or Postgres's."""

    model_config = ConfigDict(title="RestProblem")

    rowgate_code: str
    message: str
    details: str | list[dict[str, str]] | None


CODES: Mapping[str, str] = {
    "query.invalid": "PGRST100",
    "query.unsupported": "PGRST100",
    "input.bad_json": "PGRST102",
    "input.media_type": "PGRST102",
    "query.keys_differ": "PGRST102",
    "query.range": "PGRST103",
    "query.put_filters": "PGRST105",
    "query.unknown_schema": "PGRST106",
    "query.unknown_media": "PGRST107",
    "query.not_embedded": "PGRST108",
    "query.put_limited": "PGRST114",
    "query.put_unclear": "PGRST115",
    "query.not_singular": "PGRST116",
    "route.method_not_allowed": "PGRST117",
    "query.order_of_many": "PGRST118",
    "query.embed_tested": "PGRST120",
    "query.unknown_preference": "PGRST122",
    "query.max_affected": "PGRST124",
    "route.bad_path": "PGRST125",
    "route.view_path": "PGRST125",
    "query.unknown_relation": "PGRST200",
    "query.ambiguous_relation": "PGRST201",
    "query.unknown_field": "PGRST204",
    "route.not_found": "PGRST205",
    "access.sign_in_required": "PGRST301",
    "auth.api_key_invalid": "PGRST301",
    "auth.credentials_repeated": "PGRST301",
    "auth.token_invalid": "PGRST301",
    "auth.token_expired": "PGRST303",
    "db.unavailable": "PGRST000",
    "definitions.broken": "PGRST002",
    "definitions.unavailable": "PGRST002",
    "access.role_missing": "42501",
    "access.anonymous_user": "42501",
    "auth.second_factor_needed": "42501",
    "access.row_outside": "42501",
    "view.not_allowed": "42501",
    "query.unknown_column": "42703",
    "query.on_conflict": "42P10",
    "query.bad_value": "22P02",
    "db.unique": "23505",
    "db.reference": "23503",
    "db.check": "23514",
    "db.not_null": "23502",
    "db.range": "22P02",
    "db.row_twice": "21000",
    "db.read_only": "25006",
    "db.conflict": "40001",
    "db.locked": "55P03",
    "db.timeout": "57014",
    "request.timeout": "57014",
    # Of a row whose fields failed, the first of them says which code it is.
    "input.unknown_field": "PGRST204",
    "input.required": "23502",
    "input.null": "23502",
    "input.type": "22P02",
    "input.enum": "22P02",
    "input.format": "22P02",
}
# What the same refusals are called where an endpoint is called by its name.
CODES_OF_RPC: Mapping[str, str] = {"route.method_not_allowed": "PGRST101", "route.not_found": "PGRST202"}


def postgrest_code(error: RowgateError, *, rpc: bool = False) -> str:
    """Give PostgREST's code, or Postgres's, for a refusal; one that neither has keeps its own."""
    code = error.code
    if code == "input.invalid" and error.errors and error.errors[0].loc[0] == "body":
        code = error.errors[0].code
        if code not in CODES:
            code = "db.check"
    own = CODES_OF_RPC.get(code) if rpc else None
    return own or CODES.get(code, code)


def rest_problem(error: RowgateError, request_id: str, *, rpc: bool = False) -> dict[str, Any]:
    """Give the problem's members, and PostgREST's beside them: its clients read `code` as PostgREST's."""
    document: dict[str, Any] = problem_document(error, request_id)
    document["rowgate_code"] = error.code
    document["code"] = postgrest_code(error, rpc=rpc)
    document["message"] = document["detail"]
    document["details"] = getattr(error, "details", None)
    document.setdefault("hint", None)
    return document


def rest_body(error: RowgateError, request_id: str) -> bytes:
    """Encode the problem of a view."""
    return to_json(rest_problem(error, request_id))


def rpc_body(error: RowgateError, request_id: str) -> bytes:
    """Encode the problem of an endpoint that is called by its name."""
    return to_json(rest_problem(error, request_id, rpc=True))

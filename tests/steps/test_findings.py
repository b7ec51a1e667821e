"""What is wrong with a chain is found when it is saved, all of it, each with its place."""

from typing import Any

import pytest

from app.compiler.check import check_project
from app.definitions.project import parse_project

TABLE = {
    "name": "documents",
    "columns": [
        {"name": "owner", "type": "user", "required": True},
        {"name": "title", "type": "text"},
        {"name": "status", "type": "enum", "values": ["draft", "done"]},
    ],
}
FETCH = {"do": "fetch", "from": "documents", "id": "input.record_id", "as": "document"}


def found(steps: list[Any], **more: Any) -> list[tuple[str, str, str | None]]:
    """The findings about one endpoint with these steps."""
    endpoint = {
        "name": "one",
        "method": "POST",
        "path": "/one/{record_id}",
        "access": "authenticated",
        "input": {
            "path": {"record_id": {"type": "uuid"}},
            "body": {"title": {"type": "text"}, "n": {"type": "integer"}},
        },
        "steps": steps,
        **more.pop("endpoint", {}),
    }
    project, findings = parse_project({"rowgate": 1, "tables": [TABLE], "endpoints": [endpoint], **more})
    if project is not None:
        findings = check_project(project)
    return [(finding.place, finding.message, finding.hint) for finding in findings]


def places(steps: list[Any], **more: Any) -> list[str]:
    return [place for place, _, _ in found(steps, **more)]


QUOTED = 'an expression is a text: write "true" in quotes'
LEFT_OUT = f"{QUOTED}, or leave it out"
READ = {"from": "documents", "as": "x"}


@pytest.mark.parametrize(
    ("step", "field", "says"),
    [
        *(
            ({"do": kind, **READ, **more}, "where", LEFT_OUT)
            for kind, more in {
                "fetch": {}, "list": {}, "count": {}, "exists": {}, "aggregate": {"values": {"n": {"count": "item"}}},
            }.items()
        ),
        *(({"do": kind, "table": "documents", "set": {}}, "where", LEFT_OUT) for kind in ("update", "delete")),
        ({"do": "fetch", **READ}, "id", LEFT_OUT),
        *(({"do": kind, "table": "documents", "set": {}}, "id", LEFT_OUT) for kind in ("update", "delete")),
        *(
            ({"do": "aggregate", **READ, "values": {"n": {function: True}}}, f"values.n.{function}", LEFT_OUT)
            for function in ("sum", "count", "min", "max", "avg")
        ),
        ({"do": "respond"}, "when", LEFT_OUT),
        ({"do": "rate_limit", "limit": "1/minute"}, "by", LEFT_OUT),
        ({"do": "update_user", "user": "auth.user.id"}, "email", LEFT_OUT),
        ({"do": "update_user", "user": "auth.user.id"}, "password", LEFT_OUT),
        ({"do": "require"}, "that", QUOTED),
        ({"do": "quota", "max": 1, "from": "documents"}, "where", QUOTED),
        ({"do": "if", "then": [{"do": "respond"}]}, "when", QUOTED),
        ({"do": "for_each", "as": "x", "steps": [{"do": "respond"}]}, "each", QUOTED),
        ({"do": "issue_session"}, "user", QUOTED),
        ({"do": "update_user"}, "user", QUOTED),
        *(({"do": kind, "email": "''", "password": "''"}, "email", QUOTED) for kind in ("sign_in", "sign_up")),
        *(({"do": kind, "email": "''", "password": "''"}, "password", QUOTED) for kind in ("sign_in", "sign_up")),
    ],
)  # fmt: skip
def test_a_boolean_where_an_expression_is_wanted_is_told_how_to_write_it(
    step: dict[str, Any], field: str, says: str
) -> None:
    given = step if "." in field else {**step, field: True}
    listed = [(place, message) for place, message, _ in found([given])]
    assert (f"endpoints/one.steps/0.{field}", says) in listed, listed


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (False, 'an expression is a text: write "false" in quotes'),
        (0, 'an expression is a text: write "0" in quotes'),
        (1.5, 'an expression is a text: write "1.5" in quotes'),
        ({"a": 1}, "an expression is a text: put it in quotes"),
        ([True], "an expression is a text: put it in quotes"),
    ],
)
def test_what_else_is_no_text_is_told_so_and_never_to_be_left_out(said: Any, says: str) -> None:
    listed = found([{"do": "respond", "when": said}])
    assert ("endpoints/one.steps/0.when", says, None) in listed


@pytest.mark.parametrize(
    ("step", "place", "says"),
    [
        ({"do": "fetsch"}, "endpoints/one.steps/0", "unknown step 'fetsch'"),
        ({**FETCH, "form": "x"}, "endpoints/one.steps/0", "unknown field 'form'"),
        ({"do": "fetch", "from": "documents", "id": "input.record_id"}, "endpoints/one.steps/0.as", "required"),
        ({**FETCH, "from": "document"}, "endpoints/one.steps/0.from", "unknown table or view 'document'"),
        ({**FETCH, "id": "input.recordid"}, "endpoints/one.steps/0.id:1:7", "no field 'recordid'"),
        ({**FETCH, "id": "input.n"}, "endpoints/one.steps/0.id:1:7", "uuid is wanted"),
        ({**FETCH, "where": "true"}, "endpoints/one.steps/0", "either by id or by where"),
        ({**FETCH, "as": "auth"}, "endpoints/one.steps/0.as", "reserved"),
        ({"do": "require", "that": "auth.user.id"}, "endpoints/one.steps/0.that:1:11", "bool is wanted"),
        ({"do": "require", "that": "usr.id == 1"}, "endpoints/one.steps/0.that:1:1", "there is no 'usr' here"),
        (
            {"do": "require", "that": "true", "status": 200},
            "endpoints/one.steps/0.status",
            "greater than or equal to 400",
        ),
        ({"do": "require", "that": "1 +"}, "endpoints/one.steps/0.that:1:3", "ends too early"),
        (
            {"do": "list", "from": "documents", "where": 'item.title.matches("a")', "as": "x"},
            "endpoints/one.steps/0.where:1:12",
            "can't be said in SQL",
        ),
        (
            {"do": "list", "from": "documents", "order": ["titel"], "as": "x"},
            "endpoints/one.steps/0.order",
            "unknown column",
        ),
        ({"do": "insert", "table": "documents", "set": {"title": "x"}}, "endpoints/one.steps/0.set", "needs owner"),
        (
            {"do": "insert", "table": "documents", "set": {"owner": "=auth.user.id", "created_at": "=now"}},
            "endpoints/one.steps/0.set.created_at",
            "kept by the database",
        ),
        (
            {"do": "insert", "table": "documents", "set": {"owner": "=auth.user.id", "status": "open"}},
            "endpoints/one.steps/0.set.status",
            "one of draft, done",
        ),
        ({"do": "insert", "table": "users", "set": {}}, "endpoints/one.steps/0.table", "by signing up"),
        (
            {"do": "update", "table": "documents", "id": "input.record_id", "set": {"title": "=input.n"}},
            "endpoints/one.steps/0.set.title:1:8",
            "string is wanted",
        ),
        ({"do": "rate_limit", "limit": "5 a minute"}, "endpoints/one.steps/0.limit", "no rate limit"),
        ({"do": "time_window", "timezone": "Mars/Base", "weekdays": ["mon"]}, "endpoints/one.steps/0.timezone", "zone"),
        ({"do": "respond", "status": 204, "body": 1}, "endpoints/one.steps/0.body", "has no body"),
        (
            {"do": "respond", "headers": {"Content-Length": "1"}},
            "endpoints/one.steps/0.headers.Content-Length",
            "can't be set",
        ),
        (
            {"do": "quota", "max": "five", "from": "documents", "where": "true"},
            "endpoints/one.steps/0.max",
            "type int",
        ),
        (
            {"do": "aggregate", "from": "documents", "values": {"n": {"sum": "item.title"}}, "as": "x"},
            "endpoints/one.steps/0.values.n.sum",
            "sum takes numbers, and this is string",
        ),
        (
            {"do": "aggregate", "from": "documents", "values": {"n": {"sum": "1", "avg": "1"}}, "as": "x"},
            "endpoints/one.steps/0.values.n",
            "say one of",
        ),
        (
            {"do": "aggregate", "from": "documents", "group_by": ["x"], "values": {"n": {"count": "1"}}, "as": "x"},
            "endpoints/one.steps/0.group_by",
            "unknown column 'x'",
        ),
        (
            {"do": "aggregate", "from": "documents", "group_by": ["id"], "values": {"id": {"count": "1"}}, "as": "x"},
            "endpoints/one.steps/0.values.id",
            "a column of group_by too",
        ),
        (
            {"do": "for_each", "each": "input.n", "as": "x", "steps": [{"do": "respond"}]},
            "endpoints/one.steps/0.each:1:7",
            "list of dynamic is wanted",
        ),
        (
            {"do": "for_each", "each": "[1]", "as": "x", "limit": 1001, "steps": [{"do": "respond"}]},
            "endpoints/one.steps/0.limit",
            "less than or equal to 1000",
        ),
        ({"do": "insert", "table": "documents"}, "endpoints/one.steps/0", "either set for one row, or rows"),
        (
            {
                "do": "insert",
                "table": "documents",
                "rows": "=[{}]",
                "on_conflict": {"columns": ["id"], "do": "update"},
            },
            "endpoints/one.steps/0",
            "can't update on a conflict",
        ),
        ({"do": "insert", "table": "documents", "rows": "input.n"}, "endpoints/one.steps/0.rows", "begins with ="),
        ({"do": "insert", "table": "documents", "rows": []}, "endpoints/one.steps/0", "a list of 1 to 1,000"),
        (
            {"do": "insert", "table": "documents", "rows": [{"owner": "=auth.user.id"}, {"title": "x"}]},
            "endpoints/one.steps/0.rows/1",
            "needs owner",
        ),
        (
            {"do": "insert", "table": "documents", "rows": '=[1].map(x, {"owner": auth.user.id, "title": x})'},
            "endpoints/one.steps/0.rows",
            "title is int, and string is wanted",
        ),
        (
            {"do": "insert", "table": "documents", "rows": '=[1].map(x, {"owner": auth.user.id, "created_at": now})'},
            "endpoints/one.steps/0.rows",
            "kept by the database",
        ),
        (
            {"do": "insert", "table": "documents", "rows": "=[1].map(x, {auth.user.email: x})"},
            "endpoints/one.steps/0.rows",
            "isn't known which columns",
        ),
        ({"do": "call", "use": "nothing"}, "endpoints/one.steps/0", "unknown middleware 'nothing'"),
        ({"do": "if", "then": [{"do": "respond"}]}, "endpoints/one.steps/0.when", "required"),
        (
            {"do": "if", "when": "true", "then": [{"do": "fail"}]},
            "endpoints/one.steps/0.then.steps/0.status",
            "required",
        ),
    ],
)
def test_a_mistake_is_found_with_its_place(step: dict[str, Any], place: str, says: str) -> None:
    findings = found([step, {"do": "respond", "body": 1}])
    assert [where for where, _, _ in findings] == [place], findings
    assert says in findings[0][1]


def test_all_mistakes_are_found_at_once_and_none_twice() -> None:
    steps = [FETCH, {"do": "require", "that": "document.ownr == auth.user.id"}, {"do": "respond", "body": "=documnt"}]
    assert [hint for _, _, hint in found(steps)] == ["did you mean owner?", "did you mean document?"]


def test_a_middleware_that_needs_an_input_is_refused_where_it_is_used() -> None:
    middleware = [{"name": "owned", "steps": [{**FETCH, "id": "input.document_id"}]}]
    findings = found(
        [{"do": "respond", "body": "=document"}], middleware=middleware, endpoint={"middleware": ["owned"]}
    )
    assert [place for place, _, _ in findings] == ["endpoints/one.middleware/owned(owned).steps/0.id:1:7"]


def test_a_mistake_inside_a_middleware_is_found_once_however_often_it_is_used() -> None:
    middleware = [{"name": "owned", "steps": [{"do": "require", "that": "nonsense"}]}]
    use = {"middleware": ["owned", "owned"]}
    assert places([{"do": "respond"}], middleware=middleware, endpoint=use) == ["middleware/owned.steps/0.that:1:1"]


def test_middleware_that_calls_itself_is_refused() -> None:
    middleware = [
        {"name": "a", "steps": [{"do": "call", "use": "b"}]},
        {"name": "b", "steps": [{"do": "call", "use": "a"}]},
    ]
    findings = found([{"do": "respond"}], middleware=middleware)
    assert findings
    assert all("calls itself" in message for _, message, _ in findings)


def test_arguments_of_a_middleware_are_checked() -> None:
    middleware = [
        {
            "name": "at_most",
            "params": {"limit": {"type": "text", "required": True}},
            "steps": [{"do": "rate_limit", "limit": "=params.limit"}],
        }
    ]
    for use, place in (
        ("at_most", "endpoints/one.middleware/at_most.with"),
        ({"use": "at_most", "with": {"limit": 5}}, "endpoints/one.middleware/at_most.with.limit"),
        ({"use": "at_most", "with": {"limit": "5/minute", "x": 1}}, "endpoints/one.middleware/at_most.with"),
        ({"use": "at_most", "with": {"limit": "often"}}, "endpoints/one.middleware/at_most(at_most).steps/0.limit"),
    ):
        assert places([{"do": "respond"}], middleware=middleware, endpoint={"middleware": [use]})[:1] == [place]


def test_a_name_bound_in_middleware_is_typed_in_the_endpoint() -> None:
    middleware = [{"name": "owned", "steps": [FETCH]}]
    steps = [{"do": "require", "that": "document.title == 3"}]
    assert places(steps, middleware=middleware, endpoint={"middleware": ["owned"]}) == [
        "endpoints/one.steps/0.that:1:1"
    ]


def test_a_loop_keeps_the_names_and_types_of_before_it() -> None:
    before = {"do": "set", "values": {"total": 0}}
    loop = {"do": "for_each", "each": "[1]", "as": "x"}
    text = {**loop, "steps": [{"do": "set", "values": {"total": "nothing"}}]}
    assert found([before, text])[0][:2] == ("endpoints/one.steps/1.steps", "'total' changes its type inside the loop")
    taken = {**loop, "as": "total", "steps": [{"do": "respond"}]}
    assert places([before, taken]) == ["endpoints/one.steps/1.as"]
    leaves = {**loop, "steps": [{"do": "set", "values": {"inner": "=x"}}]}
    assert places([leaves, {"do": "respond", "body": "=inner"}]) == ["endpoints/one.steps/1.body:1:2"]


@pytest.mark.parametrize("do", ["fetch", "list", "count", "exists", "aggregate", "quota"])
def test_a_view_with_params_is_read_by_requests_only(do: str) -> None:
    """A step has none to give: what a middleware's happen to hold, or nothing, would decide which rows there are."""
    view = {"name": "found", "table": "documents", "filter": "row.title == params.q"}
    more: dict[str, dict[str, Any]] = {
        "quota": {"max": 5, "where": "true"},
        "aggregate": {"values": {"n": {"count": "true"}}, "as": "x"},
        "fetch": {"where": "true", "as": "x"},
    }
    step = {"do": do, "from": "found", **more.get(do, {"as": "x"})}
    steps = [step, {"do": "respond"}]
    with_params = [{**view, "params": {"q": {"type": "text"}}}]
    assert [one[:2] for one in found(steps, views=with_params)] == [
        ("endpoints/one.steps/0.from", "the view found has params, which a step can't give")
    ]
    middleware = [{"name": "looks", "params": {"q": {"type": "text", "default": "a"}}, "steps": [step]}]
    use = {"middleware": ["looks"]}
    assert places([{"do": "respond"}], views=with_params, middleware=middleware, endpoint=use) == [
        "middleware/looks.steps/0.from"
    ]
    assert found(steps, views=[{**view, "filter": 'row.title == "a"'}]) == []


HTTP = {"do": "http", "method": "GET", "url": "https://example.com/"}
QUOTA = {"do": "quota", "max": 5, "from": "documents", "where": "true"}


def test_a_call_can_t_end_the_lock_of_a_quota_nor_the_writes_of_a_loops_round_before() -> None:
    write = {"do": "insert", "table": "documents", "set": {"owner": "=auth.user.id"}}
    assert places([QUOTA, HTTP, write]) == ["endpoints/one.steps/1"]
    assert places([QUOTA, HTTP]) == []  # what is only counted needs no lock
    for behind, then in ((write, []), (QUOTA, [write])):
        loop = {"do": "for_each", "each": "[1]", "as": "x", "steps": [HTTP, behind]}
        assert places([loop, *then]) == ["endpoints/one.steps/0.steps"]
    assert places([{"do": "for_each", "each": "[1]", "as": "x", "steps": [HTTP]}, write]) == []


def test_a_value_that_reads_the_row_and_has_no_sql_is_found_when_it_is_saved() -> None:
    steps = [
        {"do": "set", "values": {"words": ["a", 1]}},
        {"do": "update", "table": "documents", "where": "true", "set": {"title": "=item.title + words[0]"}},
    ]
    ((place, message, hint),) = found(steps)
    assert place.startswith("endpoints/one.steps/1.set.title:1:")
    assert "can't be said in SQL" in message
    assert hint is not None

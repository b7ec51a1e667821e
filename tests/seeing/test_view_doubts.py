"""Doubts about what views let be written: rows of others that are only shown, and values that tell of rows unseen."""

from typing import Any

import pytest

from tests.seeing.test_access import matrix

OWN = "row.owner == auth.user.id"
NOTES: dict[str, Any] = {"name": "notes", "columns": [
    {"name": "owner", "type": "user"}, {"name": "shared", "type": "boolean"}, {"name": "slug", "type": "text"},
]}  # fmt: skip


def doubts(allow: Any, filter_: str = f"row.shared || {OWN}", **notes: Any) -> set[tuple[str, str]]:
    view = {"name": "v", "table": "notes", "columns": "all", "filter": filter_, "allow": allow}
    rules = [{"name": "mine", "params": {"of": {"type": "uuid"}}, "that": "params.of == auth.user.id"}]
    found = matrix({"rowgate": 1, "tables": [{**NOTES, **notes}], "views": [view], "rules": rules})["findings"]
    codes = ("access.write_as_wide_as_read", "access.unique_tells", "access.public_write", "access.rows_of_everybody")
    return {(one["place"], one["code"]) for one in found if one["code"] in codes}


WIDE = "access.write_as_wide_as_read"


@pytest.mark.parametrize(
    ("allow", "filter_", "places"),
    [
        (["select", "update"], f"row.shared || {OWN}", {"views/v.allow"}),
        (["select", "delete"], f"{OWN} || row.shared && row.slug != null", {"views/v.allow"}),
        (["select", "insert"], f"row.shared || {OWN}", set()),
        (["select", "update"], OWN, set()),
        (["select", "update"], "mine(row.owner)", set()),
        (["select", "update"], "row.shared || mine(row.owner)", {"views/v.allow"}),
        ({"select": True, "update": {"filter": OWN}, "delete": {"filter": OWN}}, f"row.shared || {OWN}", set()),
        ({"select": True, "update": {"filter": "row.slug == null"}}, f"row.shared || {OWN}",
         {"views/v.allow.update.filter"}),
        ({"select": True, "delete": {"access": {"roles": ["boss"]}}}, f"row.shared || {OWN}", set()),
    ],
)  # fmt: skip
def test_a_write_of_rows_that_are_only_shown_is_doubted(allow: Any, filter_: str, places: set[str]) -> None:
    assert {place for place, code in doubts(allow, filter_) if code == WIDE} == places


@pytest.mark.parametrize(
    ("unique", "allow", "doubted"),
    [
        ([["slug"]], ["select", "insert"], True),
        ([["owner", "slug"]], ["select", "insert"], False),
        ([["slug"]], ["select", "delete"], False),
        ([["slug"]], {"select": True, "insert": {"writable": ["shared", "owner"]}}, False),
        ([["slug", "shared"]], {"select": True, "update": {"filter": OWN, "writable": ["slug"]}}, True),
    ],
)
def test_a_unique_value_that_clients_choose_among_rows_unseen_is_doubted(
    unique: Any, allow: Any, doubted: bool
) -> None:
    assert (("views/v.allow", "access.unique_tells") in doubts(allow, OWN, unique=unique)) is doubted


def test_where_all_rows_show_a_unique_value_tells_nothing() -> None:
    shown = {"select": {"access": {"roles": ["boss"]}}, "insert": True}
    view = {"name": "v", "table": "notes", "columns": "all", "allow": shown}
    document = {"rowgate": 1, "roles": [{"name": "boss"}], "tables": [{**NOTES, "unique": [["slug"]]}]}
    assert "access.unique_tells" not in {one["code"] for one in matrix({**document, "views": [view]})["findings"]}


def test_what_anybody_writes_is_doubted_by_its_action() -> None:
    assert ("views/v.allow.insert.access", "access.public_write") in doubts(
        {"select": True, "insert": {"access": "public"}}
    )
    assert doubts({"select": {"access": "public"}, "insert": True}) == set()


def test_the_matrix_has_each_action() -> None:
    view = {"name": "v", "table": "notes", "filter": OWN, "allow": {
        "select": {"access": "public"}, "update": {"filter": "row.shared", "check": "true"}}}  # fmt: skip
    (row,) = matrix({"rowgate": 1, "tables": [NOTES], "views": [view]})["surface"]
    assert row["actions"] == {
        "select": {"access": "public", "filter": OWN, "check": None},
        "update": {"access": "authenticated", "filter": f"({OWN}) && (row.shared)", "check": "true"},
    }

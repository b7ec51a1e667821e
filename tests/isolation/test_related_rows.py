"""The proof where a row is somebody's because of another row: what a wrong rule lets through is named."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.database.embedded import EmbeddedPostgres
from tests.databases import cloned
from tests.isolation.test_proof import proof_of, told

RULE = "members.exists(m, m.team == params.team && m.person == auth.user.id)"


def document(rule: str = RULE, filter_: str = "is_member(row.team)") -> dict[str, Any]:
    return {
        "rowgate": 1,
        "tables": [
            {"name": "teams", "columns": [{"name": "owner", "type": "user", "required": True}]},
            {
                "name": "members",
                "columns": [
                    {"name": "team", "type": "reference", "table": "teams", "required": True},
                    {"name": "person", "type": "user", "required": True},
                ],
            },
            {
                "name": "projects",
                "columns": [
                    {"name": "team", "type": "reference", "table": "teams", "required": True},
                    {"name": "title", "type": "text", "required": True},
                ],
            },
        ],
        "rules": [{"name": "is_member", "params": {"team": {"type": "uuid"}}, "that": rule}],
        "views": [
            {"name": "team_projects", "table": "projects", "columns": ["id", "team", "title"], "filter": filter_}
        ],
    }


@pytest.fixture(scope="module")
def url(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    yield from cloned(embedded_server, migrated_template)


@pytest.mark.parametrize(
    "sound",
    [document(), document(filter_="row.team.owner == auth.user.id"), document(filter_="false || is_member(row.team)")],
)
def test_a_sound_rule_lets_nobody_reach_another(url: str, sound: dict[str, Any]) -> None:
    proof = proof_of(url, sound)
    assert told(proof) == []
    assert (proof.unreached, proof.untried, proof.missing) == ([], [], {})


@pytest.mark.parametrize(
    "broken",
    [
        document(rule="members.exists(m, m.team == params.team)"),
        document(rule="members.exists(m, m.person == auth.user.id)"),
        document(filter_="row.team.owner != null"),
        document(filter_="!is_member(row.team)"),
    ],
)
def test_a_broken_rule_is_named(url: str, broken: dict[str, Any]) -> None:
    proof = proof_of(url, broken)
    assert "views/team_projects select" in {where for where, _, _ in told(proof)}

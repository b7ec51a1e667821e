"""An identity is whole or isn't made, and nobody changes it afterwards."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from app.auth.identity import ANONYMOUS, Identity, key_identity, user_identity


@pytest.mark.parametrize(
    "parts",
    [
        {"kind": "user"},
        {"kind": "key"},
        {"kind": "anonymous", "user_id": "u"},
        {"kind": "anonymous", "roles": frozenset({"admin"})},
        {"kind": "anonymous", "session_id": "s"},
        {"kind": "anonymous", "columns": {"plan": "pro"}},
        {"kind": "key", "key_id": "k", "user_id": "u"},
    ],
    ids=str,
)
def test_an_identity_that_contradicts_itself_is_not_made(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"API key|user|anonymous"):
        Identity(**parts)


def test_an_identity_cant_be_changed() -> None:
    source = {"plan": "free"}
    alice = user_identity("u", session_id="s", roles=["staff"], columns=source, version=1)
    source["plan"] = "pro"
    assert alice.columns == {"plan": "free"}
    with pytest.raises(FrozenInstanceError):
        alice.roles = frozenset({"admin"})  # type: ignore[misc]
    with pytest.raises(TypeError):
        alice.columns["plan"] = "pro"  # type: ignore[index]


def test_nobody_has_a_role_and_no_roles_are_held_by_nobody() -> None:
    assert not ANONYMOUS.has_any_role(["admin", ""])
    assert not key_identity("k", roles=["staff"], version=1).has_any_role([])
    assert key_identity("k", roles=["staff"], version=1).has_any_role(["admin", "staff"])


def test_columns_stand_in_no_repr() -> None:
    assert "planted" not in repr(user_identity("u", session_id="s", columns={"phone": "planted"}, version=1))


def test_only_the_anonymous_identity_is_anonymous() -> None:
    assert ANONYMOUS.is_anonymous
    assert not user_identity("u", session_id=None, version=1).is_anonymous
    assert not key_identity("k", version=1).is_anonymous
    assert hash(ANONYMOUS) == hash(Identity("anonymous"))

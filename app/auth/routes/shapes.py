"""What GoTrue's clients read: users and sessions with its members."""

import time
from collections.abc import Mapping
from typing import Any

from app.auth.accounts import Account
from app.auth.tokens import IssuedToken

_BASE = frozenset({"id", "email", "created_at"})


def user_object(account: Account) -> dict[str, Any]:
    """Give a user; the columns that admins added are its user_metadata, the roles stand in app_metadata."""
    metadata: Mapping[str, Any] = {name: value for name, value in account.columns.items() if name not in _BASE}
    return {
        "id": account.id,
        "aud": "authenticated",
        "role": "authenticated",
        "email": account.email,
        "phone": "",
        "email_confirmed_at": account.confirmed_at,
        "confirmed_at": account.confirmed_at,
        "last_sign_in_at": account.signed_in_at,
        "app_metadata": {"provider": "email", "providers": ["email"], "roles": list(account.roles)},
        "user_metadata": metadata,
        "identities": [],
        "created_at": account.created_at,
        "updated_at": account.signed_in_at or account.created_at,
        "is_anonymous": False,
    }


def session_object(account: Account, issued: IssuedToken, refresh_token: str) -> dict[str, Any]:
    """Give a session with its user."""
    return {
        "access_token": issued.token,
        "token_type": "bearer",
        "expires_in": max(0, issued.expires_at - int(time.time())),
        "expires_at": issued.expires_at,
        "refresh_token": refresh_token,
        "user": user_object(account),
    }

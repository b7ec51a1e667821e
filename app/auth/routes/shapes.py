"""What GoTrue's clients read: users, sessions and errors with its members."""

import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any

from app.auth.accounts import Account
from app.auth.tokens import IssuedToken
from app.errors import RowgateError

_BASE = frozenset({"id", "email", "created_at"})


def user_object(account: Account) -> dict[str, Any]:
    """Give a user; the columns that admins added are its user_metadata, the roles stand in app_metadata."""
    metadata: Mapping[str, Any] = {name: value for name, value in sorted(account.columns.items()) if name not in _BASE}
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


def error_members(error: RowgateError, path: str) -> dict[str, Any]:
    """Give the members of an error that GoTrue's clients read, and on the token route those of RFC 6749, 5.2."""
    code = _ERROR_CODES.get(error.code, error.code.rpartition(".")[2])
    members: dict[str, Any] = {"error_code": code, "msg": error.detail}
    if code == "weak_password":
        reasons = [_WEAK_BECAUSE.get(one.code, "characters") for one in error.errors]
        members["weak_password"] = {"reasons": reasons}
    if path.endswith("/token"):
        members |= {"error": _OAUTH2.get(error.code, "invalid_request"), "error_description": error.detail}
    return members


_ERROR_CODES = {
    "access.sign_in_required": "no_authorization",
    "auth.account_disabled": "user_banned",
    "auth.api_key_invalid": "bad_jwt",
    "auth.credentials_invalid": "invalid_credentials",
    "auth.email_invalid": "email_address_invalid",
    "auth.email_not_confirmed": "email_not_confirmed",
    "auth.email_taken": "user_already_exists",
    "auth.grant_unsupported": "validation_failed",
    "auth.password_refused": "weak_password",
    "auth.password_wrong": "current_password_mismatch",
    "auth.rate_limited": "over_request_rate_limit",
    "auth.refresh_token_invalid": "refresh_token_not_found",
    "auth.token_expired": "bad_jwt",
    "auth.token_invalid": "bad_jwt",
    "auth.too_many_failures": "over_request_rate_limit",
    "input.bad_json": "bad_json",
    "input.invalid": "validation_failed",
}

_WEAK_BECAUSE = {
    "password.too_short": "length",
    "password.too_long": "length",
    "password.common": "pwned",
    "password.personal": "pwned",
}

_OAUTH2 = {
    "auth.account_disabled": "invalid_grant",
    "auth.credentials_invalid": "invalid_grant",
    "auth.email_not_confirmed": "invalid_grant",
    "auth.grant_unsupported": "unsupported_grant_type",
    "auth.refresh_token_invalid": "invalid_grant",
}


def new_id() -> str:
    """Draw an id like those that the database draws for users (RFC 9562, 5.7)."""
    drawn = int.from_bytes(int(time.time() * 1000).to_bytes(6) + secrets.token_bytes(10))
    return str(uuid.UUID(int=drawn & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62))

"""Refresh tokens can't be guessed, read back or taken for something else."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import pytest

from app.auth.refresh_tokens import RefreshTokenInvalid, new_refresh_token, refresh_token_digest
from app.auth.tokens import AccessTokens, Keyring, SigningKey


@pytest.mark.parametrize("change", ["", "x", "{0}=", "{0}\n", " {0}", "{0}A", "é{0}", "\ud800"])
def test_what_cant_be_a_refresh_token_is_a_401(change: str) -> None:
    with pytest.raises(RefreshTokenInvalid) as caught:
        refresh_token_digest(change.format(new_refresh_token().token))
    assert (caught.value.status, caught.value.code) == (401, "auth.refresh_token_invalid")
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")


def test_t08_an_access_token_is_no_refresh_token() -> None:
    tokens = AccessTokens(Keyring(SigningKey("k1", b"k" * 32)), "https://rowgate.test")
    with pytest.raises(RefreshTokenInvalid):
        refresh_token_digest(tokens.issue(str(uuid4()), str(uuid4())).token)


def test_only_the_hash_is_kept_and_it_finds_the_token_again() -> None:
    drawn = new_refresh_token()
    assert refresh_token_digest(drawn.token) == drawn.digest == hashlib.sha256(drawn.token.encode()).digest()
    assert drawn.token not in repr(drawn)


def test_no_two_tokens_are_alike() -> None:
    assert len({new_refresh_token().token for _ in range(1000)}) == 1000

"""Keys that others publish, and what they have signed; the only file with joserfc, which is loaded with it."""

import warnings
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

from app.auth.foreign_keys import BY_KIND, PublishedKey
from app.auth.tokens import TokenInvalid

_LEAST_RSA_BITS = 2048


def signed(token: str, key: PublishedKey, algorithm: str) -> bytes:
    """Give the bytes that a key has signed; raises TokenInvalid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # EdDSA has had a newer name since RFC 9864, and is signed with
            return bytes(jws.deserialize_compact(token, key.key, algorithms=[algorithm]).payload or b"")
    except (JoseError, ValueError, TypeError):
        raise TokenInvalid from None


def read_key(said: object) -> PublishedKey | None:
    """Read a published key; None for one that signs nothing which is taken here."""
    if not isinstance(said, dict) or said.get("use", "sig") != "sig" or "d" in said:
        return None
    kind = (str(said.get("kty")), "" if said.get("kty") == "RSA" else str(said.get("crv")))
    algorithms = BY_KIND.get(kind, ())
    if "alg" in said:
        algorithms = [one for one in algorithms if one == said["alg"]]
    kid = said.get("kid")
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    try:
        key: Any = jwk.import_key({name: value for name, value in said.items() if isinstance(value, str)})
        weak = kind[0] == "RSA" and key.public_key.key_size < _LEAST_RSA_BITS
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if weak else PublishedKey(kid, algorithms, key)

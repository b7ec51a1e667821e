"""Keys as python-jose reads them; the only file that knows it. It takes 12 MiB with what it brings.

So it is loaded by `load` with the first token, by a thread, while others are served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jose import jwk, jws

from app.http.json_answer import to_json

if TYPE_CHECKING:
    from app.auth.tokens import SigningKey


@dataclass(frozen=True, slots=True)
class ReadKey:
    """A key as the library has read it: once, since reading one takes longer than signing with it."""

    key: SigningKey
    signs: Any = field(repr=False)
    verifies: Any = field(repr=False)

    @classmethod
    def of(cls, key: SigningKey) -> ReadKey:
        """Read it."""
        signs = jwk.construct(key.secret, key.algorithm)
        return cls(key, signs, signs if key.algorithm == "HS256" else signs.public_key())

    def sign(self, claims: dict[str, Any]) -> str:
        """Give the token of these claims."""
        return jws.sign(to_json(claims), self.signs, headers={"kid": self.key.kid}, algorithm=self.key.algorithm)

    def verified(self, token: str) -> bytes:
        """Give the payload of a token that the key has signed; the library raises more than it documents."""
        payload: bytes = jws.verify(token, self.verifies, self.key.algorithm)
        return payload

    def header_segment(self) -> str:
        """Give the first segment that the library itself writes for this key: the only one that is taken back."""
        return self.sign({}).partition(".")[0]

    def published(self) -> dict[str, Any]:
        """Give the public half, as RFC 7517 writes one."""
        return {**self.verifies.to_dict(), "kid": self.key.kid, "use": "sig", "key_ops": ["verify"]}


def drawn_p256() -> bytes:
    """Draw a private key of ES256, as PEM (PKCS 8)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def is_p256(secret: bytes) -> bool:
    """Say whether it is a private key of ES256, as PEM."""
    try:
        key = load_pem_private_key(secret, None)
    except ValueError:
        return False
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)

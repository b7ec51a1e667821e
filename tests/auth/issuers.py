"""An issuer of tokens as the tests run one: its addresses, its keys, and what it signs."""

import json
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk, jws

from tests.auth.test_tokens import b64
from tests.outward.upstream import Upstream, reply, upstream

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/keys"
AUDIENCE = "shop"


@dataclass
class TestIssuer:
    """It signs by whichever of its keys is named; `publish` tells those that anybody may know."""

    server: Upstream
    keys: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    __test__ = False

    @property
    def name(self) -> str:
        return self.server.url

    def add(self, kid: str, kind: str = "RSA") -> None:
        drawn: dict[str, Callable[[], Any]] = {
            "RSA": lambda: jwk.RSAKey.generate_key(2048, {"kid": kid}),
            "EC": lambda: jwk.ECKey.generate_key("P-256", {"kid": kid}),
            "OKP": lambda: jwk.OKPKey.generate_key("Ed25519", {"kid": kid}),
        }
        self.keys[kid] = drawn[kind]()

    def publish(self, *kids: str) -> None:
        self.told = {"issuer": self.name, "jwks_uri": f"{self.name}{KEYS}", **self.told}
        listed = [{**self.keys[kid].as_dict(private=False), "use": "sig"} for kid in kids]
        self.server.answers[CONFIGURATION] = reply(json.dumps(self.told).encode())
        self.server.answers[KEYS] = reply(json.dumps({"keys": listed}).encode())

    def claims(self, subject: str = "carol", **more: Any) -> dict[str, Any]:
        now = int(time.time())
        said = {"iss": self.name, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600, **more}
        return {name: value for name, value in said.items() if value is not ...}

    def signed(self, kid: str = "r1", alg: str = "RS256", header: Any = None, **claims: Any) -> str:
        """Sign a token by a key that is `kid` here, whatever its header says."""
        said = {"alg": alg, "kid": kid, **(header or {})}
        payload = json.dumps(self.claims(**claims)).encode()
        return self.raw(said, payload, self.keys[kid])

    def raw(self, header: dict[str, Any], payload: bytes, key: Any) -> str:
        if not isinstance(key, jwk.RSAKey):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return jws.serialize_compact(header, payload, key, algorithms=[header["alg"]])
        private: Any = key.private_key
        # By hand, so that a header may say what no library writes, and the signature is never why it is refused.
        signed = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
        return f"{signed}.{b64(private.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    @property
    def asked(self) -> list[str]:
        return [one.path for one in self.server.asked]


@asynccontextmanager
async def issuing() -> AsyncIterator[TestIssuer]:
    async with upstream() as server:
        issuer = TestIssuer(server)
        for kid, kind in (("r1", "RSA"), ("e1", "EC"), ("o1", "OKP")):
            issuer.add(kid, kind)
        issuer.publish("r1", "e1", "o1")
        yield issuer

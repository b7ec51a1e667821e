"""Hashes of passwords that other systems made: what each may cost at most, and Firebase's variant of scrypt.

Only `passwords` uses what stands here; what is kept in the database are texts in the form of PHC or of crypt(3).
"""

import hashlib
import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from binascii import Error as Base64Error
from typing import Any, Self

import passlib.utils.handlers as uh
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from passlib.exc import InvalidHashError

SCHEMES = (
    "bcrypt", "bcrypt_sha256", "scrypt", "pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "django_pbkdf2_sha1",
    "django_pbkdf2_sha256",
)  # fmt: skip
BCRYPT_BYTES = 72  # what bcrypt reads of a password
_LONGEST = 1000  # characters
_MEMORY = 128 * 2**20  # bytes
_WORK = 2**20  # scrypt's N * r * p, some three seconds
_MOST: dict[str, int] = {"bcrypt": 14, "bcrypt_sha256": 14}
_ITERATIONS = 5_000_000
_ARGON2_WORK = 2**20  # passes over KiB
_FIREBASE = re.compile(
    r"\$fbscrypt\$v=1,n=(?P<n>[1-9][0-9]?),r=(?P<r>[1-9][0-9]?),p=(?P<p>[1-9][0-9]?),ss=(?P<ss>[A-Za-z0-9+/_=-]+),"
    r"sk=(?P<sk>[A-Za-z0-9+/_=-]+)\$(?P<salt>[A-Za-z0-9+/_=-]+)\$(?P<hash>[A-Za-z0-9+/_=-]+)"
)
_BCRYPT = re.compile(r"\$2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}")
_PHC = re.compile(
    r"\$pbkdf2(?P<digest>-sha256|-sha512)\$i=(?P<i>[0-9]{1,9})(?:,l=[0-9]+)?"
    r"\$(?P<salt>[A-Za-z0-9+/]+)\$(?P<hash>[A-Za-z0-9+/]+)"
)


class FirebaseScrypt(uh.GenericHandler):
    """Firebase's hash, in the form that GoTrue keeps it in: the key of the project is encrypted under scrypt's."""

    name = "fbscrypt"
    setting_kwds = ()
    context_kwds = ()

    def __init__(self, parts: dict[str, str] | None = None, **more: Any) -> None:
        """Take the parts of the text."""
        super().__init__(**more)
        self._parts = parts or {}

    @classmethod
    def identify(cls, hash: str | bytes) -> bool:  # noqa: A002 - the name is passlib's
        """Say whether a text is one."""
        return _FIREBASE.fullmatch(hash if isinstance(hash, str) else hash.decode("latin-1")) is not None

    @classmethod
    def from_string(cls, hash: str | bytes, **_: Any) -> Self:  # noqa: A002 - the name is passlib's
        """Read a text; raises ValueError."""
        found = _FIREBASE.fullmatch(hash if isinstance(hash, str) else hash.decode("latin-1"))
        if found is None:
            raise InvalidHashError(cls)  # type: ignore[no-untyped-call]  # passlib's stubs leave it open
        parts = found.groupdict()
        for name in ("ss", "sk", "salt", "hash"):
            _bytes(parts[name])
        made: Self = cls(parts, checksum=b64encode(_bytes(parts["hash"])).decode())
        return made

    def to_string(self) -> str:
        """Give the text."""
        one = self._parts
        return "$fbscrypt$v=1,n={n},r={r},p={p},ss={ss},sk={sk}${salt}${hash}".format(**one)

    def _calc_checksum(self, secret: str | bytes) -> str:
        one = self._parts
        n, r, p = int(one["n"]), int(one["r"]), int(one["p"])
        password = secret.encode() if isinstance(secret, str) else secret
        salt = _bytes(one["salt"]) + _bytes(one["ss"])
        key = hashlib.scrypt(password, salt=salt, n=2**n, r=r, p=p, maxmem=2 * _MEMORY, dklen=64)
        counter = Cipher(algorithms.AES(key[:32]), modes.CTR(bytes(16))).encryptor()
        return b64encode(counter.update(_bytes(one["sk"])) + counter.finalize()).decode()


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text) if set(text) & set("-_") else b64decode(text, validate=True)
    except Base64Error:
        raise InvalidHashError(FirebaseScrypt) from None  # type: ignore[no-untyped-call]  # as above


def as_kept(text: str) -> str:
    """Give the spelling that passlib reads: of pbkdf2 it isn't the one of PHC."""
    found = _PHC.fullmatch(text)
    if found is None:
        return text
    spelled = "$pbkdf2{digest}${i}${salt}${hash}".format(**found.groupdict())
    return spelled.replace("+", ".")


def is_whole(scheme: str | None, text: str) -> bool:
    """Say whether a text has the length of a hash of its scheme, where passlib would only warn."""
    return scheme != "bcrypt" or _BCRYPT.fullmatch(text) is not None


def is_bearable(scheme: str, text: str, read: Any) -> bool:
    """Say whether a hash is whole, and checking it costs what a server can bear; `read` is passlib's handler."""
    if len(text) > _LONGEST:
        return False
    try:
        one = read.from_string(text)
    except (ValueError, TypeError):
        return False
    if one.checksum is None:
        return False
    if scheme == "fbscrypt":
        return _scrypt_is(int(one._parts["n"]), int(one._parts["r"]), int(one._parts["p"]))
    if scheme == "scrypt":
        return _scrypt_is(one.rounds, one.block_size, one.parallelism)
    if scheme == "argon2":
        return bool(one.memory_cost * 1024 <= _MEMORY and one.rounds * one.memory_cost <= _ARGON2_WORK)
    return bool(one.rounds <= _MOST.get(scheme, _ITERATIONS))


def _scrypt_is(n: int, r: int, p: int) -> bool:
    return n <= 20 and 128 * r * 2**n <= _MEMORY and r * p * 2**n <= _WORK

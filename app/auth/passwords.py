"""Hashes, checks and judges passwords; with `foreign_hashes` the only file that knows passlib."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import secrets
import threading
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeVar

from pydantic import WithJsonSchema

from app.definitions.auth import MIN_PASSWORD
from app.errors import FieldError, RowgateError

if TYPE_CHECKING:
    from passlib.context import CryptContext

Strength = Literal["user", "admin"]
T = TypeVar("T")

MIN_LENGTH: dict[Strength, int] = {"user": MIN_PASSWORD, "admin": 15}  # code points, as NIST 800-63B counts them
MAX_BYTES = 1024
QUEUE = 50


def _stated(least: int) -> WithJsonSchema:
    """State what is checked elsewhere, where a refusal says more than that."""
    told = f"At most {MAX_BYTES:,} bytes of UTF-8."
    return WithJsonSchema(
        {"type": "string", "format": "password", "minLength": least, "maxLength": MAX_BYTES, "description": told}
    )


SentPassword = Annotated[str, _stated(0)]
UserPassword = Annotated[str, _stated(MIN_LENGTH["user"])]
AdminPassword = Annotated[str, _stated(MIN_LENGTH["admin"])]
PRODUCT_NAME = "rowgate"
_PLACE = ("body", "password")
_LIST = Path(__file__).with_name("common_passwords.txt")
_ENDING = re.compile(r"[\W\d_]{1,4}\Z")
_RUNS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb")


@functools.cache
def _context() -> CryptContext:
    from passlib.context import CryptContext  # noqa: PLC0415 - by a thread of `Passwords`, at the first password

    from app.auth import foreign_hashes  # noqa: PLC0415 - as above

    return CryptContext(
        schemes=["argon2", *foreign_hashes.SCHEMES, foreign_hashes.FirebaseScrypt],
        deprecated="auto",  # a hash that was imported is made anew once its password was given
        argon2__type="ID",
        argon2__time_cost=2,
        argon2__memory_cost=19 * 1024,
        argon2__parallelism=1,
        admin__argon2__time_cost=3,
        admin__argon2__memory_cost=64 * 1024,
    )


class PasswordRefused(RowgateError):
    """A 422 for a password that can't be set, or that is too long or too odd to be checked; never repeats it."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.password_refused"

    def __init__(self, code: str, message: str, least: int = 0) -> None:
        """Name the one rule that failed at the field `body.password`; `least` is the fewest characters."""
        self.least = least
        super().__init__(message, errors=[FieldError(_PLACE, code, message)])


class PasswordsBusy(RowgateError):
    """A 503 for a sign-in that would wait behind a full queue."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "auth.busy"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("Too many sign-ins at once.", hint="Try again in a second.", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether the password was right, and if so whether its hash was made at less than today's cost."""

    matches: bool
    needs_rehash: bool = False


class Passwords:
    """The threads that hash: as many at once as there are cores, a bounded queue, and a refusal behind that."""

    def __init__(self, *, workers: int | None = None, queue: int = QUEUE) -> None:
        """Start no thread yet."""
        workers = workers or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self._free = threading.BoundedSemaphore(workers + queue)

    async def hash(self, password: str, strength: Strength = "user") -> str:
        """Give the Argon2id hash in PHC form; raise PasswordRefused (too long, not text) or PasswordsBusy."""
        text = _prepare(password)
        return await self._run(functools.partial(_hash, text, strength))

    async def verify(self, password: str, stored: str | None, strength: Strength = "user") -> PasswordCheck:
        """Check a password against a stored hash.

        `stored` is None for an unknown account: the same work is then done for nothing, so that time tells nothing.
        `strength` is that of the route, not of the account found, for the same reason. A stored text that is no
        hash of ours matches nothing. Raises PasswordRefused before any work (too long, not text), or PasswordsBusy.
        """
        text = _prepare(password)
        return await self._run(lambda: _verify(text, stored, _dummy_hash(strength), strength))

    def close(self) -> None:
        """End the threads; hashes that run are finished, waiting ones are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._free.acquire(blocking=False):
            raise PasswordsBusy
        abandoned = threading.Event()

        def job() -> T | None:
            # The place is given back only here: callers who hang up can't pile up more work than the bound.
            try:
                return None if abandoned.is_set() else work()
            finally:
                self._free.release()

        try:
            future = self._pool.submit(job)
        except RuntimeError:  # closed
            self._free.release()
            raise PasswordsBusy from None
        try:
            result = await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            abandoned.set()
            raise
        return result  # type: ignore[return-value]  # None only when abandoned, and then nobody is here


def check_new_password(
    password: str, strength: Strength = "user", *, about: Iterable[str] = (), least: int = 0
) -> None:
    """Raise PasswordRefused unless the password may be set: long enough, not too long, not a common one.

    `least` is the fewest characters that a document asks for, where those are more than the strength's own.
    `about` holds words of the account (address, name); a password that is little more than one of them is refused.
    No rule asks for digits, capitals or signs (NIST 800-63B section 3.1.1.2).
    """
    text = _prepare(password)
    least = max(least, MIN_LENGTH[strength])
    if len(text) < least:
        raise PasswordRefused("password.too_short", f"A password has at least {least} characters.", least)
    plain = text.casefold()
    if PRODUCT_NAME in plain or _is_common(plain):
        raise PasswordRefused("password.common", "This password is among those that are guessed first.")
    if _is_about(plain, about):
        raise PasswordRefused("password.personal", "A password must not be built on the account's own name or address.")


def _prepare(password: str) -> str:
    """Give the password in the one Unicode form that is hashed (NFC, RFC 8265), or refuse it before it costs much."""
    if len(password) <= MAX_BYTES:
        try:
            text = unicodedata.normalize("NFC", password)
            if len(text.encode("utf-8")) <= MAX_BYTES:
                return text
        except UnicodeEncodeError:
            raise PasswordRefused("password.not_text", "A password must be valid Unicode text.") from None
    raise PasswordRefused("password.too_long", f"A password has at most {MAX_BYTES} bytes.")


def _hash(text: str, strength: Strength) -> str:
    return str(_context().hash(text, category=strength))


def _verify(text: str, stored: str | None, dummy: str, strength: Strength) -> PasswordCheck:
    scheme = _scheme_of(stored)
    read = _read_by(text, scheme)
    try:
        matches = _context().verify(read, stored if scheme and stored else dummy)
    except ValueError:  # begins like one of our hashes and is cut or altered
        scheme, matches = None, _context().verify(text, dummy)
    if not (scheme and matches and stored):
        return PasswordCheck(False)
    # What nobody has checked the end of isn't hashed anew: a slip there would keep its owner out for good.
    return PasswordCheck(True, read == text and bool(_context().needs_update(stored, category=strength)))


def _scheme_of(stored: str | None) -> str | None:
    from app.auth import foreign_hashes  # noqa: PLC0415 - as above

    scheme = None if stored is None else _context().identify(stored)
    return scheme if stored is not None and foreign_hashes.is_whole(scheme, stored) else None


def _read_by(text: str, scheme: str | None) -> str | bytes:
    """Give what a scheme reads of a password: bcrypt stops, and the systems whose hashes are imported let it."""
    from app.auth import foreign_hashes  # noqa: PLC0415 - as above

    whole = text.encode()
    return (
        whole[: foreign_hashes.BCRYPT_BYTES]
        if scheme == "bcrypt" and len(whole) > foreign_hashes.BCRYPT_BYTES
        else text
    )


def known_hash(text: str) -> str | None:
    """Give a hash in the form that is kept, if checking a password against it is possible and bearable."""
    from app.auth import foreign_hashes  # noqa: PLC0415 - as above

    text, context = foreign_hashes.as_kept(text.strip()), _context()
    scheme = _scheme_of(text)
    known = scheme is not None and foreign_hashes.is_bearable(scheme, text, context.handler(scheme))
    return text if known else None


@functools.cache
def _dummy_hash(strength: Strength) -> str:
    """Make up what unknown accounts are checked against: it takes as long as any hash of the strength, fits none."""
    made = _context().handler("argon2", category=strength)(use_defaults=True)
    made.checksum = secrets.token_bytes(made.checksum_size)
    return str(made.to_string())


@functools.cache
def _common() -> frozenset[str]:
    """Give what is guessed first: the passwords, words and names that zxcvbn counts, and what it lacks."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 2 MB, for who sets a password

    lines = _LIST.read_text(encoding="utf-8").splitlines()
    lacked = (line for line in lines if line and not line.startswith("#"))
    return frozenset(chain(lacked, *FREQUENCY_LISTS.values()))


def _is_common(plain: str) -> bool:
    stem = _ENDING.sub("", plain)
    return plain in _common() or stem in _common() or _is_repeated(plain) or _is_run(plain)


def _is_repeated(plain: str) -> bool:
    """Tell whether at most four characters, or a common password, repeat to the end: `abcabca`, `changemechangeme`."""
    return any(
        plain == (plain[:n] * len(plain))[: len(plain)] and (n < 5 or plain[:n] in _common())
        for n in range(1, len(plain))
    )


def _is_run(plain: str) -> bool:
    """Tell whether it runs along the alphabet, the digits or the keyboard, forwards or backwards, around if need be."""
    return any(plain in run * 3 or plain[::-1] in run * 3 for run in _RUNS)


def _is_about(plain: str, words: Iterable[str]) -> bool:
    for word in words:
        whole = word.casefold()
        for part in (whole, whole.partition("@")[0]):
            if len(part) >= 4 and part in plain and len(plain.replace(part, "")) < MIN_LENGTH["user"]:
                return True
    return False

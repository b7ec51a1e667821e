"""Which passwords are refused, and how the others are hashed and checked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.auth import passwords as module
from app.auth.passwords import PasswordRefused, Passwords, PasswordsBusy, Strength, check_new_password
from tests.conftest import real_hashes


@pytest.fixture(scope="module", autouse=True)
def costs() -> Iterator[None]:
    with real_hashes():
        yield


@pytest.fixture(scope="module")
def passwords(costs: None) -> Iterator[Passwords]:
    held = Passwords(workers=2)
    yield held
    held.close()


def refusal(password: str, strength: Strength = "user", *about: str) -> str:
    with pytest.raises(PasswordRefused) as caught:
        check_new_password(password, strength, about=about)
    error = caught.value
    assert (error.status, error.code, error.errors[0].loc) == (422, "auth.password_refused", ("body", "password"))
    return error.errors[0].code


@pytest.mark.parametrize(("password", "strength"), [("", "user"), ("hg7Tq2x", "user"), ("jR4wq8Zt2mVb6k", "admin")])
def test_a_short_password_is_refused(password: str, strength: Strength) -> None:
    assert refusal(password, strength) == "password.too_short"


@pytest.mark.parametrize("password", ["a1" * 513, "é" * 513, "\U0001d15e" * 200, "x" * 1_000_000])
def test_a_password_over_1024_bytes_is_refused(password: str) -> None:
    assert refusal(password) == "password.too_long"


def test_a_lone_surrogate_is_refused() -> None:
    assert refusal("abc\ud800defgh") == "password.not_text"


def test_a_refusal_never_repeats_the_password() -> None:
    for password in ("hg7Tq2x", "1q2w3e4r", "planted" * 300):
        with pytest.raises(PasswordRefused) as caught:
            check_new_password(password)
        assert password not in f"{caught.value.detail}{caught.value.errors}"


COMMON = ["password", "PASSWORD", "Password123!", "qwertyuiop", "iloveyou", "12345678", "1q2w3e4r", "letmein2024"]
PATTERNS = ["aaaaaaaa", "abababab", "abcabcabc", "hgfedcba", "34567890", "poiuytrewq", "89012345"]


@pytest.mark.parametrize("password", [*COMMON, *PATTERNS, "contraseña", "rowgate-2026", "my RowGate pass"])
def test_a08_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    assert refusal(password) == "password.common"


def test_a08_every_listed_password_that_is_long_enough_is_refused() -> None:
    ours = [line for line in module._LIST.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert ours == sorted({line.casefold() for line in ours})
    leaked = FREQUENCY_LISTS["passwords"]
    assert len(leaked) == 30_000
    long_enough = [line for line in [*ours, *leaked] if len(line) >= 8]
    assert len(long_enough) > 11_000
    assert {refusal(password) for password in long_enough} == {"password.common"}


def test_a08_a_long_common_one_is_refused_to_admins() -> None:
    assert refusal("passwordpassword", "admin") == "password.common"
    assert refusal("correcthorsebatterystaple", "admin") == "password.common"
    assert refusal("changemechangeme", "admin") == "password.common"


@pytest.mark.parametrize("password", ["alice.liddell", "alice.liddell1", "xAlice.Liddell@wonder.land"])
def test_a_password_built_on_the_address_is_refused(password: str) -> None:
    assert refusal(password, "user", "alice.liddell@wonder.land") == "password.personal"


@pytest.mark.parametrize("password", ["kvmwxhtrqbznpjdgslcy", "tulip anvil copper moth", "дивный новый", "xxxxxxx7q"])
def test_a09_no_composition_is_asked_for(password: str) -> None:
    check_new_password(password, about=("ann@x.test", "alice.liddell@wonder.land"))


def test_a_long_password_may_hold_a_name() -> None:
    check_new_password("alice walks through the glass", "admin", about=("alice@x.test",))


@pytest.mark.parametrize("length", [64, 128, 1024])
async def test_a05_no_password_is_cut(passwords: Passwords, length: int) -> None:
    password = ("correct tulip anvil " * 60)[: length - 1] + "A"
    check_new_password(password)
    stored = await passwords.hash(password)
    assert (await passwords.verify(password, stored)).matches
    assert not (await passwords.verify(password[:-1] + "B", stored)).matches
    assert not (await passwords.verify(password[:-1], stored)).matches


async def test_a_nul_ends_no_password(passwords: Passwords) -> None:
    stored = await passwords.hash("tulip\x00anvil")
    assert not (await passwords.verify("tulip\x00other", stored)).matches
    assert not (await passwords.verify("tulip", stored)).matches


async def test_a06_a_megabyte_is_refused_before_any_hash(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_context", None)  # a hash would fail for want of it
    for stored in ("$argon2id$", None):
        with pytest.raises(PasswordRefused):
            await passwords.verify("x" * 1_000_000, stored)
    with pytest.raises(PasswordRefused):
        await passwords.hash("x" * 1_000_000)


@pytest.mark.parametrize("stored", [None, "", "junk", "$argon2id$v=19$m=1$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_no_account_and_no_hash_match_nothing(passwords: Passwords, stored: str | None) -> None:
    assert not (await passwords.verify("tulip anvil", stored)).matches


@pytest.mark.parametrize("strength", ["user", "admin"])
async def test_an_unknown_account_costs_one_hash_of_the_same_cost(
    passwords: Passwords, strength: Strength, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = module._context().verify

    def spy(text: str, stored: str) -> bool:
        matches = bool(verify(text, stored))
        checked.append(stored)  # only a hash that was really computed: a cut one raises before
        return matches

    stored = await passwords.hash("tulip anvil copper", strength)
    monkeypatch.setattr(module._context(), "verify", spy)
    for held in (stored, None, "junk", "$argon2id$v=19$m=1$"):
        assert not (await passwords.verify("wrong", held, strength)).matches
    assert len(checked) == 4
    assert len({text.split("$")[3] for text in checked}) == 1


async def test_hashes_carry_the_promised_costs_and_a_salt(passwords: Passwords) -> None:
    user, again = await asyncio.gather(passwords.hash("tulip anvil"), passwords.hash("tulip anvil"))
    admin = await passwords.hash("tulip anvil", "admin")
    assert user.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert admin.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert user != again


async def test_a_hash_below_the_cost_asks_for_another_only_when_it_matched(passwords: Passwords) -> None:
    stored = await passwords.hash("tulip anvil")
    assert not (await passwords.verify("tulip anvil", stored)).needs_rehash
    assert (await passwords.verify("tulip anvil", stored, "admin")).needs_rehash
    assert not (await passwords.verify("wrong", stored, "admin")).needs_rehash


async def test_two_spellings_of_one_letter_are_one_password(passwords: Passwords) -> None:
    stored = await passwords.hash("caf\u00e9 anvil")
    assert (await passwords.verify("cafe\u0301 anvil", stored)).matches


async def test_a_full_queue_refuses_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    held, gate = Passwords(workers=1, queue=2), threading.Event()
    monkeypatch.setattr(module, "_hash", lambda text, _: gate.wait(5) and text)
    try:
        waiting = [asyncio.create_task(held.hash(f"tulip {n}")) for n in range(3)]
        await asyncio.sleep(0.01)
        with pytest.raises(PasswordsBusy) as caught:
            await held.hash("one too many")
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
        gate.set()
        assert await asyncio.gather(*waiting) == ["tulip 0", "tulip 1", "tulip 2"]
        assert await held.hash("welcome again") == "welcome again"
    finally:
        gate.set()
        held.close()


async def test_callers_who_hang_up_free_no_place_early_and_cost_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    held, gate, hashed = Passwords(workers=1, queue=1), threading.Event(), []

    def slow(text: str, _: Strength) -> str:
        hashed.append(text)
        gate.wait(5)
        return text

    monkeypatch.setattr(module, "_hash", slow)
    try:
        tasks = [asyncio.create_task(held.hash(text)) for text in ("running", "waiting")]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(PasswordsBusy):
            await held.hash("too early")
        gate.set()
        await asyncio.sleep(0.05)
        assert await held.hash("later") == "later"
        assert hashed == ["running", "later"]
    finally:
        gate.set()
        held.close()


async def test_a_closed_pool_refuses_and_keeps_its_count() -> None:
    held = Passwords(workers=1, queue=0)
    held.close()
    for _ in range(3):
        with pytest.raises(PasswordsBusy):
            await held.hash("tulip anvil")


async def test_the_event_loop_runs_on_while_a_password_is_hashed(passwords: Passwords) -> None:
    hashing, turns = asyncio.create_task(passwords.hash("tulip anvil copper", "admin")), 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5


@pytest.mark.parametrize("strength", ["user", "admin"])
async def test_an_unknown_account_is_checked_against_a_hash_that_took_none(
    strength: Strength, costs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = module._hash("any password", strength)
    module._dummy_hash.cache_clear()
    monkeypatch.setattr(module, "_hash", lambda *_: pytest.fail("a start hashes nothing"))
    made_up = module._dummy_hash(strength)
    module._dummy_hash.cache_clear()
    assert made_up.split("$")[:4] == hashed.split("$")[:4]
    assert [len(part) for part in made_up.split("$")] == [len(part) for part in hashed.split("$")]
    assert not module._verify("any password", None, made_up, strength).matches

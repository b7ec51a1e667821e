"""A secret key that can be guessed stops the start; one that was drawn never does."""

import base64
import random
import secrets
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys.strength import HOW, weakness
from app.settings import SettingsInvalid, load_settings

URL = "postgresql://rowgate@127.0.0.1/rowgate"
GUESSABLE = {
    "should be at least 32 bytes": ["short", "9f2c41d07be85a36c1d94ef7028b6a5"],
    "fewer than 8 different": ["a" * 32, "changeme" * 4, "ab" * 20, "0" * 31 + "1", "rowgate" * 5, "1234567" * 6],
    "repeats a short piece": [
        "0123456789" * 4, "changeme1changeme2changeme3changeme4", "password1" * 4, "Pa$$w0rd!" * 4,
        "d3b07384d113edec49eaa6238ad5ff00" * 2, "supersecretsupersecretsupersecret1",
    ],
    "known words or runs": [
        "qwertyuiopasdfghjklzxcvbnm123456", "abcdefghijklmnopqrstuvwxyz0123456789", "0123456789abcdefghijklmnopqrstuv",
        "11112222333344445555666677778888", "zyxwvutsrqponmlkjihgfedcba9876543210",
        "my-super-secret-key-for-rowgate-production", "your-secret-key-here-at-least-32-characters-long",
        "super-secret-jwt-token-with-at-least-32-characters-long", "please_change_this_default_example_test_key",
        "CHANGEME-secret-PASSWORD-example-rowgate-default-test", "this.is.a.very.long.secret.key.that.is.long.enough",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "key"), [(wrong, key) for wrong, keys in GUESSABLE.items() for key in keys])
def test_a_key_that_can_be_guessed_stops_the_start_with_how_to_make_one(
    wrong: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROWGATE_SECRET_KEY", key)
    with pytest.raises(SettingsInvalid, match=f"ROWGATE_SECRET_KEY: .*{wrong}") as refused:
        load_settings(database_url=URL)
    assert "openssl rand -base64 48" in refused.value.detail
    assert key not in refused.value.detail
    # The one that is kept for the embedded database is held to the same.
    monkeypatch.delenv("ROWGATE_SECRET_KEY")
    kept = tmp_path / ".rowgate/secret_key"
    kept.parent.mkdir()
    kept.touch(0o600)
    kept.write_text(key)
    with pytest.raises(SettingsInvalid, match=wrong):
        load_settings()


@given(st.sampled_from(GUESSABLE["known words or runs"]), st.text("-_. !", max_size=6))
def test_other_capitals_and_signs_around_it_make_it_no_better(key: str, ends: str) -> None:
    assert weakness(ends + key.swapcase() + ends) is not None


def test_no_drawn_key_of_32_bytes_is_ever_refused() -> None:
    drawn = random.Random(20)
    for _ in range(5000):
        raw = drawn.randbytes(32)
        assert (weakness(raw.hex()), weakness(base64.b64encode(raw).decode())) == (None, None), raw.hex()


def test_a_drawn_key_with_a_word_in_it_is_a_drawn_key() -> None:
    letters = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))
    assert weakness(f"{letters[:20]}secret{letters[20:]}") is None


def test_what_the_sentence_says_makes_a_good_one() -> None:
    said = HOW.partition("'")[2].partition("'")[0]
    made = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert weakness(made.stdout.strip()) is None

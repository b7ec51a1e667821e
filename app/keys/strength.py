"""Whether a secret key can be guessed: without words, runs and repeats, enough of it has to be left."""

import re

MIN_BYTES = 32
HOW = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))' or openssl rand -base64 48"
# Sixteen hexadecimal digits are 64 bits: the least that nobody tries all of.
_LEAST_LEFT = 16
_LEAST_DIFFERENT = 8
_PIECE = 6
_RUN = 4
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "01234567890", "abcdefghijklmnopqrstuvwxyz")
_RUNS = {line[at : at + _RUN] for row in _ROWS for line in (row, row[::-1]) for at in range(len(row) - _RUN + 1)}
# What stands in examples, and what people write when they are asked for a secret; nothing below three letters, since
# those stand in what was drawn, too.
_WORDS = """
    access admin and api app application backend bar baz bytes change characters code compose container correct database
    default demo dev development docker dummy enough env example fake fill first foo for foobar generate generated
    github goes hello here insecure jwt key keep kept least letmein local localhost long master minimum must
    mypassword never not only password passw0rd passwort phrase placeholder please postgres private prod production
    put qwerty random redis replace rowgate safe sample secret secrets secure server session set should sign signing
    some something stage staging strong super supabase temp temporary test tester testing the this todo token top unsafe
    used user value very welcome with word world your
"""
_KNOWN = re.compile("|".join(sorted(_WORDS.split(), key=len, reverse=True)))


def weakness(secret: str) -> str | None:
    """Say what is wrong with a secret key and how to make a good one; None for one that can't be guessed.

    A key of 32 random bytes, as hexadecimal or base64, is never refused.
    """
    if len(secret.encode()) < MIN_BYTES:
        return f"should be at least {MIN_BYTES} bytes long; {HOW}"
    if len(set(secret)) < _LEAST_DIFFERENT:
        return f"has fewer than {_LEAST_DIFFERENT} different characters and can be guessed; {HOW}"
    if _repeats(secret):
        return f"repeats a short piece and can be guessed; {HOW}"
    left = _left(secret.lower())
    if len(left) < _LEAST_LEFT or len(set(left)) < _LEAST_DIFFERENT:
        return f"is little more than known words or runs of letters and can be guessed; {HOW}"
    return None


def _repeats(secret: str) -> bool:
    """Tell whether a quarter of its pieces of six characters stand in it before: in what was drawn hardly any does."""
    pieces = [secret[at : at + _PIECE] for at in range(len(secret) - _PIECE + 1)]
    return len(set(pieces)) < 0.75 * len(pieces)


def _left(plain: str) -> str:
    """Give what is left without known words, one character again and again, runs, and signs between words."""
    run = [False] * len(plain)
    for at in range(len(plain) - _RUN + 1):
        piece = plain[at : at + _RUN]
        if piece in _RUNS or len(set(piece)) == 1:
            run[at : at + _RUN] = [True] * _RUN
    kept = "".join(" " if inside else character for character, inside in zip(plain, run, strict=True))
    return re.sub(r"[\s_.-]", "", _KNOWN.sub(" ", kept))

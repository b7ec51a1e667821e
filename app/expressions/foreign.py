"""What people bring from SQL and JavaScript, and how the language says it."""

import re

_WORDS = {
    "and": "write && for AND",
    "or": "write || for OR",
    "not": "write ! for NOT: !(a == b), and !(x in [1, 2]) for NOT IN",
    "is": "write x == null for IS NULL, and x != null for IS NOT NULL",
    "in": "write x in [1, 2]: in small letters, and the list in brackets",
    "like": 'write x.startsWith("a"), x.endsWith("a"), x.contains("a") or x.matches("^a.*z$") for LIKE',
    "between": "write x >= 1 && x <= 2 for BETWEEN",
    "select": "ask for related rows by name: table.exists(r, r.id == x); for a value, in a step before (fetch, exists)",
    "null": "write null in small letters",
    "true": "write true in small letters",
    "false": "write false in small letters",
    "none": "write null",
    "undefined": "write null",
    "current_user": "the caller is auth.user, and its id auth.user.id",
}
_WORDS |= {"ilike": _WORDS["like"], "exists": _WORDS["select"], "current_timestamp": "the time is now"}
_SIGNS = {
    "<>": "write != for <>",
    "===": "write == for ===",
    "!==": "write != for !==",
    "=": "write == to compare",
    "&": "write && for and",
    "|": "write || for or",
    "??": "write x == null ? y : x",
    "::": "write string(x), int(x), uuid(x) and so on for a cast",
    ":=": "write == to compare",
    "=>": "a loop names its variable so: list.exists(x, x > 1)",
    "''": "write \\' for a quote in a text, or put the text in double quotes",
    ";": "an expression is one value: leave the ; out",
    "$": "write auth, row, input and so on by their names",
    "--": "a remark begins with //",
}
_SIGN = re.compile("|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True)))
_FUNCTIONS = {
    **dict.fromkeys(("uid", "current_user_id"), "the caller's id is auth.user.id"),
    **dict.fromkeys(("jwt", "role"), "what is known of the caller is auth.user, and its roles auth.user.roles"),
    **dict.fromkeys(
        ("now", "current_timestamp", "current_date"), "the time is now, without brackets; date(now) its day"
    ),
    **dict.fromkeys(("length", "len", "char_length", "count"), "write size(x)"),
    **dict.fromkeys(("coalesce", "ifnull", "nvl"), "write x == null ? y : x"),
    **dict.fromkeys(("isnull", "is_null"), "write x == null"),
    "concat": "write a + b",
    "includes": "write x.contains(y), or y in x of a list",
    "any": "write x in list",
    "some": "write list.exists(x, x > 1)",
    "every": "write list.all(x, x > 1)",
    **dict.fromkeys(("tolowercase", "tolower"), "write lower(x), or x.lowerAscii()"),
    **dict.fromkeys(("touppercase", "toupper"), "write upper(x), or x.upperAscii()"),
}


def word_hint(word: str) -> str | None:
    """Say how a word that is none here is written; None where nobody brings it from elsewhere."""
    return _WORDS.get(word.lower())


def sign_hint(text: str, offset: int) -> str | None:
    """Say how the sign that stands at an offset, or runs over it, is written."""
    for found in _SIGN.finditer(text):
        begun = found.start() < offset or found.group() != "''"  # a text that is empty is no quote in one
        if begun and found.start() <= offset < found.end():
            return _SIGNS[found.group()]
    return None


def function_hint(name: str) -> str | None:
    """Say how a function that is none here is written."""
    return _FUNCTIONS.get(name.lower()) or (word_hint(name) if name.lower() != "in" else None)

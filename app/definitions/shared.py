"""Definitions that say the very same are one object, for as long as anybody holds it: what is unchanged is itself."""

import hashlib
from sys import intern
from typing import Any
from weakref import WeakValueDictionary, ref

from app.definitions.names import Definition

# By the kind and what it was read from: digests of texts, since to Python 1, 1.0 and true are equal, and the texts are
# as large as the definitions.
_KNOWN: WeakValueDictionary[tuple[str, bytes], Definition] = WeakValueDictionary()
# By the kind and the name, since only what has both may say the same.
_NAMED: dict[tuple[str, str | None], list[ref[Definition]]] = {}


def known(section: str, said: Any) -> Any:
    """Give the definition that was read from the same, else a copy of what is said, which nobody else can change."""
    text = _text(said)
    found = None if text is None else _KNOWN.get((section, text))
    return _copied(said) if found is None else found


def shared(section: str, said: object, definition: Definition) -> Definition:
    """Give the one object for a definition that was read from what is said."""
    text = _text(said)
    if text is not None and (found := _KNOWN.get((section, text))) is not None:
        return found
    one = _alike(section, definition)
    if text is not None:
        _KNOWN[section, text] = one
    return one


def _alike(section: str, definition: Definition) -> Definition:
    """Give the one that says the same and was read from something else, or this one."""
    key = section, getattr(definition, "name", None)
    others = [one for known in _NAMED.get(key, ()) if (one := known()) is not None]
    for one in others:
        if one == definition and repr(one) == repr(definition):
            return one
    _NAMED[key] = [*map(ref, others), ref(definition)]
    return definition


def _text(said: Any) -> bytes | None:
    """Tell what is said from all else, if it is what a document holds: then no two that differ are written the same."""
    if not isinstance(said, dict):
        return None
    try:
        return _digest(repr(said))
    except RecursionError:
        return None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _copied(said: object) -> object:
    if type(said) is str:
        return intern(said)  # a project says few words, each of them often
    if type(said) is dict:
        return {_copied(key): _copied(item) for key, item in said.items()}
    return [_copied(item) for item in said] if type(said) is list else said

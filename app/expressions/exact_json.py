"""JSON of a rule's or a row's values without a digit lost, where the writers of libraries would lose one or refuse."""

import json
from collections.abc import Callable


def exact_json(value: object, scalar: Callable[[object], str]) -> str:
    """Write objects and lists; `scalar` writes what stands in them."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{exact_json(item, scalar)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(exact_json(item, scalar) for item in value) + "]"
    return scalar(value)

"""What an expression field takes: text; YAML's own true and its numbers are told how they are written here."""

from typing import Annotated, Any

from pydantic import BeforeValidator


def _text(value: Any) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple):
        msg = "an expression is a text: put it in quotes"
        raise ValueError(msg)
    said = str(value).lower() if isinstance(value, bool) else str(value)
    msg = f'an expression is a text: write "{said}" in quotes'
    raise ValueError(msg)


def _text_if_any(value: object) -> object:
    if value is True:
        msg = 'an expression is a text: write "true" in quotes, or leave it out'
        raise ValueError(msg)
    return _text(value)


ExpressionText = Annotated[str, BeforeValidator(_text)]
OptionalExpression = Annotated[str | None, BeforeValidator(_text_if_any)]

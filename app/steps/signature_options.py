"""What is said of a signature beside its scheme: the secret, the header, how it is written and how old it may be."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from app.definitions.secret_names import NAMED_LIKE

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _like(pattern: str, words: str) -> tuple[FieldInfo, BeforeValidator]:
    """Give the parts of the type of a text like this."""

    def check(said: object) -> object:
        if isinstance(said, str) and not re.fullmatch(pattern, said):
            raise ValueError(words)
        return said

    return Field(pattern=pattern), BeforeValidator(check)


Encoding = Literal["hex", "base64"]
SecretName = Annotated[str, *_like(NAMED_LIKE, "name the secret by its name alone, such as WEBHOOK_KEY")]
HeaderName = Annotated[str, *_like(r"^[A-Za-z0-9-]{1,100}$", "a header has letters, digits and -, such as X-Signature")]
ShortTime = Annotated[str, *_like(r"^[1-9][0-9]{0,3}[smh]$", "a time is a number with s, m or h behind it, such as 5m")]


def seconds_of(time: str) -> int:
    """Give the seconds of a time such as 5m."""
    return int(time[:-1]) * _SECONDS[time[-1]]


@dataclass(frozen=True, slots=True)
class SignatureOptions:
    """What `hmac` has to be told: the header, what stands in it before the signature, and how that is written."""

    header: str
    prefix: str
    encoding: Encoding

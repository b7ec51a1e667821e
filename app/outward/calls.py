"""A call to another service, and what came back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.outward.failures import AnswerRefused, SecretAstray
from app.outward.urls import Target, read_url
from app.secrets.sealed import Secret


@dataclass(frozen=True, slots=True)
class OutwardCall:
    """One call. `allow` are the hosts and ports beside the public internet, `bound` where each secret in it may go."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 5.0
    retries: int = 0
    allow: tuple[str, ...] = ()
    bound: tuple[tuple[str, ...], ...] = ()

    def target(self) -> Target:
        """Give where it goes; raises Denied, or SecretAstray where a secret may not go there."""
        target = read_url(self.url)
        if self.bound and target.scheme != "https" and not target.is_named(self.allow):
            raise SecretAstray
        if not all(target.is_named(hosts) for hosts in self.bound):
            raise SecretAstray
        return target


@dataclass(frozen=True, slots=True)
class OutwardAnswer:
    """What came back: JSON where the other side says that it is, else text; null for none."""

    status: int
    headers: Mapping[str, str]
    body: Any


def bound_hosts(secrets: Mapping[str, Secret]) -> tuple[tuple[str, ...], ...]:
    """Give the hosts of each secret that a call carries."""
    return tuple(secret.hosts for secret in secrets.values())


def refuse_bad_status(answer: OutwardAnswer) -> None:
    """Raise AnswerRefused for an answer of 400 or above."""
    if answer.status >= 400:
        raise AnswerRefused

"""`http`: calls another service, and binds its answer; no database connection is held meanwhile."""

import dataclasses
import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from app.database.connection import Connection
from app.expressions.types import DYN, INT, STRING, MapOf, Record
from app.http.json_answer import to_json
from app.outward.calls import OutwardAnswer, OutwardCall, bound_hosts, refuse_bad_status
from app.outward.failures import CallFailed
from app.outward.outbox import Letter, add
from app.relations.values import Value
from app.secrets.sealed import Secret
from app.steps.context import Context, Step
from app.steps.kind import Asks, Does, Fields, Kind, MayBind, Means, Pause, Rows, StepBody, never
from app.steps.opened_secrets import opened_secrets
from app.steps.running import Call

ANSWER = Record("answer", {"status": INT, "headers": MapOf(STRING, STRING), "body": DYN, "error": STRING})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_BODILESS = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# What frames the call, or says where it goes, is not an admin's to set.
_KEPT = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


class HttpBody(StepBody):
    """`method`, `url`, `headers`, `json` or `form`, `timeout`, `retries`, `on_error`, `as`, `after: commit`, `sign`."""

    method: Annotated[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], Means.VALUE]
    url: Annotated[Any, Means.ADDRESS]
    headers: Annotated[dict[str, Any], Means.VALUE] = Field(default_factory=dict)
    json_: Annotated[Any, Means.VALUE] = Field(default=None, alias="json")
    form: Annotated[dict[str, Any] | None, Means.VALUE] = None
    timeout: Annotated[float, Means.LOOKS] = Field(default=5, gt=0, le=60)
    retries: Annotated[int, Means.LOOKS] = Field(default=0, ge=0, le=5)
    on_error: Annotated[Literal["fail", "bind"], Means.VALUE] = "fail"
    as_: MayBind = Field(default=None, alias="as")
    after: Annotated[Literal["commit"] | None, Means.VALUE] = None
    sign: Annotated[str | None, Means.VALUE] = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        has_json = "json_" in self.model_fields_set
        if has_json and self.form is not None:
            msg = "say either json or form"
            raise ValueError(msg)
        if (has_json or self.form is not None) and self.method in _BODILESS:
            msg = f"{self.method} sends no body"
            raise ValueError(msg)
        if self.retries and self.method not in _REPEATABLE:
            msg = f"{self.method} isn't safe to repeat: leave retries out"
            raise ValueError(msg)
        if self.after is not None and (self.as_ is not None or self.on_error == "bind" or self.retries):
            msg = "a call after the commit has no result here: leave as, on_error and retries out"
            raise ValueError(msg)
        if self.sign is not None and self.after is None:
            msg = "sign goes with after: commit"
            raise ValueError(msg)
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class _Said:
    """What a call is made of, compiled."""

    body: HttpBody
    url: Value
    headers: tuple[tuple[str, Value], ...]
    content: Value | None
    allow: tuple[str, ...]

    @property
    def secrets(self) -> frozenset[str]:
        """Name the secrets that it reads."""
        values = [self.url, *(value for _, value in self.headers), *([self.content] if self.content else [])]
        paths = frozenset[str]().union(*(value.reads for value in values))
        return frozenset(path.split(".")[1] for path in paths if path.startswith("secrets."))

    @property
    def needed(self) -> frozenset[str]:
        """Name these, and the one that signs."""
        return self.secrets | ({self.body.sign} if self.body.sign is not None else set())

    def made(self, env: Mapping[str, Any], secrets: Mapping[str, Secret]) -> OutwardCall:
        """Give the call for a request."""
        known = {**env, "secrets": {name: secret.value for name, secret in secrets.items()}}
        headers = [(name, _text(value.evaluate(known))) for name, value in self.headers if value.is_sent(known)]
        content, media_type = self._content(known)
        if media_type is not None and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", media_type))
        return OutwardCall(
            self.body.method,
            self.url.evaluate(known) or "",
            tuple(headers),
            content,
            self.body.timeout,
            self.body.retries,
            self.allow,
            bound_hosts(secrets),
        )

    def _content(self, env: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
        if self.content is None:
            return None, None
        value = self.content.evaluate(env)
        if self.body.form is None:
            return to_json(value), "application/json"
        pairs = [(name, _text(one)) for name, item in value.items() for one in _several(item)]
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"


def _several(value: Any) -> list[object]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """Write a header's or a field's value; what could end a header's line becomes a space."""
    if value is None:
        return ""
    return _CONTROL.sub(" ", str(value).lower() if isinstance(value, bool) else str(value)).strip()


def _compile(body: HttpBody, context: Context) -> Step | None:
    said = _said(body, context)
    if said is None:
        return None
    context.findings.secrets += said.needed
    if body.after is not None:
        return _after_commit(said, context.place)
    name, place, needed, binds = body.as_, context.place, said.secrets, body.on_error == "bind"

    async def http(call: Call) -> None:
        secrets: Mapping[str, Secret] = {}
        if needed:
            secrets = await call.db.use(partial(opened_secrets, call, needed, place))
        await call.db.confirm()
        await call.db.pause()
        made = said.made(call.env, secrets)
        call.outside.add(place)
        answer, error = None, None
        try:
            answer = await call.outward.send(made)
            refuse_bad_status(answer)
        except CallFailed as failure:
            if not binds:
                raise
            error = failure.code
        if name is not None:
            call.env[name] = _bound(answer, error)

    return Step(http, {name: ANSWER} if name is not None else {})


def _after_commit(said: _Said, place: str) -> Step:
    """Write the call into the outbox, in the request's transaction."""
    sign, needed = said.body.sign, said.needed

    async def later(call: Call) -> None:
        key = call.outward.key

        async def keep(connection: Connection) -> None:
            secrets = await opened_secrets(call, needed, place, connection) if needed else {}
            sent = {name: secret for name, secret in secrets.items() if name in said.secrets}
            letter = Letter(said.made(call.env, sent), secrets[sign].value if sign is not None else None)
            await add(connection, key, place, letter)

        await call.db.use(keep, writes=True)

    return Step(later, statements=2, writes=True)


def _bound(answer: OutwardAnswer | None, error: str | None) -> dict[str, Any]:
    if answer is None:
        return {"status": 0, "headers": {}, "body": None, "error": error}
    return {"status": answer.status, "headers": dict(answer.headers), "body": answer.body, "error": error}


def _said(body: HttpBody, context: Context) -> _Said | None:
    inside = context.but(scope=context.scope.but(secrets=True))
    url = inside.value("url", body.url, STRING)
    headers = [(name, _header(name, item, inside)) for name, item in body.headers.items()]
    known = tuple((name, value) for name, value in headers if value is not None)
    content, wanted = None, "json_" in body.model_fields_set or body.form is not None
    if wanted:
        content = inside.value("form", body.form) if body.form is not None else inside.value("json", body.json_)
    if url is None or len(known) < len(headers) or (wanted and content is None):
        return None
    return _Said(body, url, known, content, context.http_allow)


def _header(name: str, said: Any, context: Context) -> Value | None:
    if not _TOKEN.fullmatch(name) or name.lower() in _KEPT or name.lower().startswith("proxy-"):
        context.report(f"headers.{name}", "this header can't be set")
        return None
    return context.value(f"headers.{name}", said)


def _at_once(said: Fields) -> bool:
    """Say whether the call is made when the step runs: then the transaction has ended before it."""
    return said.get("after") is None


def _seconds(said: Fields) -> float:
    timeout = said.get("timeout")
    return timeout if _at_once(said) and isinstance(timeout, int | float) else 0.0


HTTP = Kind(
    body=HttpBody,
    compile=_compile,
    refuses=lambda said: _at_once(said) and said.get("on_error") != "bind",
    asks=Asks.FAILS,
    rules=None,
    does=Does(
        words="calls another service", rows=Rows.NONE, lasts=_at_once, picks=never, is_beyond=True, waits=_seconds
    ),
    answers=False,
    pauses=Pause(
        applies=_at_once,
        write=("a call can't come after a step that writes", "call before the first step that writes"),
        lock=(
            "a call can't come after lock: true or a quota, whose lock it would end",
            "fetch without lock before the call; what a later step writes is checked again behind it",
        ),
    ),
)

"""`verify_signature`: goes on if the body is signed by a secret; it sees the bytes, before anything of them is read."""

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field

from app.expressions.trees import term
from app.steps.context import Context, Step
from app.steps.deliveries import InboundDelivery
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.opened_secrets import opened_secrets
from app.steps.running import Answer, Call
from app.steps.signature_options import Encoding, HeaderName, SecretName, ShortTime, SignatureOptions, seconds_of
from app.steps.signatures import SCHEMES, SchemeName, SignatureInvalid, delivery_of, is_in_time, is_signed

_FITTED = ("header", "algorithm", "encoding", "prefix", "tolerance")  # what only some schemes take
_CAME_BEFORE = Answer(HTTPStatus.OK, b'{"duplicate":true}')


class VerifySignatureBody(StepBody):
    """`scheme`, `secret`, `once`, and what the scheme leaves open: `tolerance`, or `header`, `encoding`, `prefix`."""

    scheme: Annotated[SchemeName, Means.VALUE]
    secret: Annotated[SecretName, Means.VALUE]
    header: Annotated[HeaderName | None, Means.VALUE] = None
    algorithm: Annotated[Literal["sha256"], Means.VALUE] = "sha256"
    encoding: Annotated[Encoding, Means.VALUE] = "hex"
    prefix: Annotated[str, Means.VALUE] = Field(default="", max_length=100)
    tolerance: Annotated[ShortTime, Means.VALUE] = "5m"
    once: Annotated[bool, Means.VALUE] = False


def _compile(body: VerifySignatureBody, context: Context) -> Step | None:
    if not _fits(body, context):
        return None
    scheme, options = SCHEMES[body.scheme], SignatureOptions(body.header or "", body.prefix, body.encoding)
    tolerance = seconds_of(body.tolerance)
    context.findings.secrets.append(body.secret)
    place, name, owner, once = context.place, body.secret, context.owner, body.once

    async def verify_signature(call: Call) -> None:
        claimed = scheme.read(call.received, options)
        if not is_in_time(claimed, call.env["now"].timestamp(), tolerance):
            raise SignatureInvalid("The signature is too old, or of a time that has not come.")
        secrets = await call.db.use(partial(opened_secrets, call, frozenset({name}), place))
        if not is_signed(claimed, scheme.key(secrets[name].value)):
            raise SignatureInvalid("The signature is not that of the body.")
        if once and call.trace is None:  # what only looks is no delivery
            await _once(call, InboundDelivery.of(owner, name, delivery_of(claimed)), place)

    return Step(verify_signature, statements=2, undoes=True)


async def _once(call: Call, delivery: InboundDelivery, place: str) -> None:
    """Answer a delivery that was carried out as senders want it; another one is kept when all of it has been."""
    if await call.db.use(delivery.came_before):
        call.answer = _CAME_BEFORE
        return

    async def keep() -> None:
        if call.answer is None or call.answer.status < HTTPStatus.BAD_REQUEST:
            await call.db.use(delivery.keep, writes=True)

    call.at_end[place, "once"] = keep


def _fits(body: VerifySignatureBody, context: Context) -> bool:
    """Report options that the scheme doesn't take, and the header that `hmac` can't do without."""
    takes = SCHEMES[body.scheme].takes
    unfit = [key for key in _FITTED if key in body.model_fields_set and key not in takes]
    for key in unfit:
        context.report(key, f"{body.scheme} says itself what this is", "leave it out")
    if "header" in takes and body.header is None:
        hint = "add header: the header in which the signature comes, such as X-Signature"
        context.report("header", f"{body.scheme} needs to know the header of the signature", hint)
        return False
    return not unfit


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    yield Stated(term("signed", read.value(dict(said))), f"verify_signature {said['scheme']} by {said['secret']}")


VERIFY_SIGNATURE = Kind(
    body=VerifySignatureBody,
    compile=_compile,
    refuses=always,
    asks=Asks.RULE,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
    first=True,
)

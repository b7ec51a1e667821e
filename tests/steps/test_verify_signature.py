"""Webhooks that come in are believed only as their sender signed them, before anything of them is read."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.audit.writing import chain_under
from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.review.doubts import doubts
from app.review.effects import effects
from app.steps.signature_options import SignatureOptions
from app.steps.signatures import SCHEMES, SchemeName, SignatureInvalid, is_in_time, is_signed
from tests.backend import SECRET_KEY, Backend, serving
from tests.databases import cloned

pytestmark = pytest.mark.asyncio(loop_scope="module")

STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = "It's a Secret to Everybody"
NOTHING = SignatureOptions("", "", "hex")
SIGNED: dict[str, dict[str, Any]] = {
    "standard": {"do": "verify_signature", "scheme": "standard-webhooks", "secret": "STANDARD", "once": True},
    "stripe": {"do": "verify_signature", "scheme": "stripe", "secret": "SHARED", "tolerance": "1h", "once": True},
    "github": {"do": "verify_signature", "scheme": "github", "secret": "SHARED", "once": True},
    "hmac": {
        "do": "verify_signature", "scheme": "hmac", "header": "X-Signature", "encoding": "base64", "prefix": "v0=",
        "secret": "SHARED",
    },
    "unfit": {"do": "verify_signature", "scheme": "standard-webhooks", "secret": "SHARED"},
    "nowhere": {"do": "verify_signature", "scheme": "github", "secret": "NOT_THERE"},
}  # fmt: skip
NOTE: dict[str, Any] = {"do": "insert", "table": "notes", "set": {"text": "=input.text"}}
INPUT = {"body": {"id": {"type": "text"}, "text": {"type": "text", "required": True}}}


def endpoint(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    way = {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "input": INPUT, "body_limit": 100}
    return {**way, "steps": list(steps), **more}


def document(*endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    notes = {"name": "notes", "columns": [{"name": "text", "type": "text", "max_length": 20}]}
    return {"rowgate": 1, "tables": [notes], "endpoints": list(endpoints), **more}


REFUSE = {"do": "fail", "status": 409, "when": 'input.text == "refuse"'}
ANSWER = {"do": "respond", "status": 500, "when": 'input.text == "answer 500"'}
DOCUMENT = document(
    *(endpoint(name, step, NOTE, REFUSE, ANSWER) for name, step in SIGNED.items()),
    endpoint("guarded", NOTE, middleware=["signed"]),
    middleware=[{"name": "signed", "steps": [SIGNED["standard"]]}],
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def instances(embedded_server: Any, migrated_template: str) -> AsyncIterator[tuple[Backend, Backend]]:
    """Two instances on one database, which has the secrets."""
    chain_under(SECRET_KEY)
    database = cloned(embedded_server, migrated_template)
    url = await asyncio.to_thread(next, database)
    async with serving(url, DOCUMENT) as one, serving(url, DOCUMENT) as other:
        root = await one.admin()
        for name, value in (("STANDARD", STANDARD), ("SHARED", SECRET)):
            body = {"name": name, "value": value, "hosts": ["sender.example"]}
            assert (await one.client.post("/admin/v1/secrets", json=body, headers=root)).status_code == 201
        yield one, other
    await asyncio.to_thread(next, database, None)


@pytest_asyncio.fixture(loop_scope="module")
async def backend(instances: tuple[Backend, Backend]) -> Backend:
    await instances[0].sql("TRUNCATE data.notes, rowgate.deliveries")
    return instances[0]


def mac(secret: bytes, *parts: bytes) -> bytes:
    return hmac.new(secret, b"".join(parts), hashlib.sha256).digest()


def standard(body: bytes, id_: str = "msg_1", at: int | None = None) -> dict[str, str]:
    moment = str(int(time.time()) if at is None else at)
    key = base64.b64decode(STANDARD.removeprefix("whsec_"))
    signature = base64.b64encode(mac(key, f"{id_}.{moment}.".encode(), body)).decode()
    return {"webhook-id": id_, "webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}


def stripe(body: bytes, at: int | None = None) -> dict[str, str]:
    moment = int(time.time()) if at is None else at
    return {"Stripe-Signature": f"t={moment},v1={mac(SECRET.encode(), f'{moment}.'.encode(), body).hex()},v0=00"}


def github(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={mac(SECRET.encode(), body).hex()}"}


def by_hmac(body: bytes) -> dict[str, str]:
    return {"X-Signature": f"v0={base64.b64encode(mac(SECRET.encode(), body)).decode()}"}


SIGN: dict[str, Any] = {"standard": standard, "stripe": stripe, "github": github, "hmac": by_hmac, "guarded": standard}
BODY = b'{"id": "evt_1",  "text": "hello"}'


async def send(backend: Backend, name: str, body: bytes, headers: Any) -> httpx.Response:
    listed = [("content-type", "application/json"), *(headers.items() if isinstance(headers, dict) else headers)]
    return await backend.client.post(f"/api/{name}", content=body, headers=listed)


async def notes(backend: Backend) -> list[str]:
    return [row["text"] for row in await backend.sql("SELECT text FROM data.notes ORDER BY ctid")]


# ---- The schemes by themselves ----


class Came:
    """A request as it came, with a header for each pair."""

    address = "127.0.0.1"

    def __init__(self, sent: bytes, *headers: tuple[str, str]) -> None:
        self.sent, self.headers = sent, [(name.lower().encode(), value) for name, value in headers]

    def header(self, name: bytes) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def header_count(self, name: bytes) -> int:
        return sum(key == name for key, _ in self.headers)


OFFICIAL: list[tuple[SchemeName, str, Came, SignatureOptions]] = [
    (
        "standard-webhooks", STANDARD, Came(
            b'{"test": 2432232314}', ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ), NOTHING,
    ),
    (
        "github", SECRET, Came(b"Hello, World!", (
            "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        )), NOTHING,
    ),
    (  # RFC 4231, test case 2
        "hmac", "Jefe", Came(b"what do ya want for nothing?", (
            "X-Sig", "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843",
        )), SignatureOptions("X-Sig", "", "hex"),
    ),
    (  # made with `openssl dgst -sha256 -hmac`
        "stripe", "whsec_test_secret", Came(b'{"id": "evt_test_webhook"}', (
            "Stripe-Signature", "t=1614265330,v1=f11a78c19826eaea51b67132dcfcbb8b24cb86c345dbf8a3bd30e9ec9cca3365",
        )), NOTHING,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "secret", "came", "options"), OFFICIAL, ids=lambda one: str(one)[:20])
async def test_vectors_that_others_have_published_hold_and_no_byte_may_differ(
    scheme: SchemeName, secret: str, came: Came, options: SignatureOptions
) -> None:
    known = SCHEMES[scheme]
    assert is_signed(known.read(came, options), known.key(secret))
    assert not is_signed(known.read(came, options), known.key("c29tZXRoaW5nIGVsc2U="))
    for sent in (came.sent + b"\n", came.sent[:-1], b""):
        assert not is_signed(
            known.read(Came(sent, *((n.decode(), v) for n, v in came.headers)), options), known.key(secret)
        )


async def test_one_of_several_signatures_is_enough_and_their_time_is_bounded_both_ways() -> None:
    _, secret, came, options = OFFICIAL[0]
    known = SCHEMES["standard-webhooks"]
    headers = {name.decode(): value for name, value in came.headers}
    headers["webhook-signature"] = f"v1,AAAA v2,xx {headers['webhook-signature']} v1a,yy"
    claimed = known.read(Came(came.sent, *headers.items()), options)
    assert is_signed(claimed, known.key(secret))
    assert [is_in_time(claimed, 1614265330 + off, 300) for off in (-301, -300, 300, 301)] == [False, True, True, False]
    assert known.key(secret) == known.key(secret.removeprefix("whsec_"))


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v2,{}"}, {"webhook-signature": "{}"}, {"webhook-signature": ""},
        {"webhook-signature": "v1,{}=="}, {"webhook-signature": "v1a,{}"}, {"webhook-id": "msg_2"},
    ],
)  # fmt: skip
async def test_what_is_said_of_a_signature_otherwise_is_none(change: dict[str, str]) -> None:
    _, secret, came, options = OFFICIAL[0]
    known = SCHEMES["standard-webhooks"]
    headers = {name.decode(): value for name, value in came.headers}
    right = headers["webhook-signature"].removeprefix("v1,")
    headers |= {name: text.replace("{}", right) for name, text in change.items()}
    assert not is_signed(known.read(Came(came.sent, *headers.items()), options), known.key(secret))


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("standard-webhooks", {"webhook-id": "a.b", "webhook-timestamp": "1", "webhook-signature": "v1,x"}),
        ("standard-webhooks", {"webhook-id": "", "webhook-timestamp": "1", "webhook-signature": "v1,x"}),
        ("standard-webhooks", {"webhook-id": "a", "webhook-timestamp": "1e3", "webhook-signature": "v1,x"}),
        ("standard-webhooks", {"webhook-id": "a", "webhook-timestamp": "-1", "webhook-signature": "v1,x"}),
        ("standard-webhooks", {"webhook-id": "a", "webhook-timestamp": "1"}),
        ("stripe", {"Stripe-Signature": "v1=00"}),
        ("stripe", {"Stripe-Signature": "t=1,t=2,v1=00"}),
        ("stripe", {"Stripe-Signature": "t=now,v1=00"}),
        ("github", {"X-Hub-Signature-256": "sha1=00"}),
        ("github", {"X-Hub-Signature": "sha1=00"}),
    ],
)
async def test_headers_that_no_sender_writes_are_refused(scheme: SchemeName, headers: dict[str, str]) -> None:
    with pytest.raises(SignatureInvalid):
        SCHEMES[scheme].read(Came(b"{}", *headers.items()), NOTHING)


# ---- In a server ----


@pytest.mark.parametrize("name", SIGN)
async def test_what_is_signed_is_carried_out(backend: Backend, name: str) -> None:
    done = await send(backend, name, BODY, SIGN[name](BODY))
    assert (done.status_code, await notes(backend)) == (204, ["hello"])


@pytest.mark.parametrize("name", SIGN)
async def test_what_is_not_signed_so_is_refused_before_it_is_parsed(backend: Backend, name: str) -> None:
    right = SIGN[name](BODY)
    header = list(right)[-1]
    cut = {**right, header: right[header][:-9]}
    twice = [*right.items(), (header, right[header])]
    junk = b'{"id": "evt_1", "id": "no JSON that is taken'
    for body, headers in (
        (BODY + b" ", right), (BODY.replace(b"hello", b"hullo"), right), (junk, right), (b"", right), (BODY, {}),
        (BODY, cut), (BODY, twice), (BODY, {**right, header: ""}), (BODY, {**right, header: "\xff"}),
    ):  # fmt: skip
        listed = headers.items() if isinstance(headers, dict) else headers
        sent = [(key.encode(), value.encode("latin-1")) for key, value in listed]
        refused = await send(backend, name, body, sent or {})
        assert (refused.status_code, refused.json()["code"]) == (401, "step.signature_invalid"), (body, headers)
    assert await notes(backend) == []
    # Signed, it is read as strictly as any.
    refused = await send(backend, name, junk, SIGN[name](junk))
    assert (refused.status_code, refused.json()["code"]) == (400, "input.bad_json")


@pytest.mark.parametrize("off", [-3700, 3700])
async def test_what_is_too_old_or_not_yet_is_refused(backend: Backend, off: int) -> None:
    at = int(time.time()) + off
    for name, headers in (("standard", standard(BODY, at=at)), ("stripe", stripe(BODY, at=at))):
        assert (await send(backend, name, BODY, headers)).json()["code"] == "step.signature_invalid"
    # Each by its own tolerance.
    at = int(time.time()) - 1800
    assert (await send(backend, "standard", BODY, standard(BODY, at=at))).status_code == 401
    assert (await send(backend, "stripe", BODY, stripe(BODY, at=at))).status_code == 204


async def test_a_body_over_the_limit_is_read_no_further(backend: Backend) -> None:
    body = json.dumps({"text": "x" * 100}).encode()
    refused = await send(backend, "github", body, github(body))
    assert (refused.status_code, refused.json()["code"]) == (413, "input.too_large")


async def test_secrets_that_are_not_there_or_none_of_the_scheme_are_the_servers_fault(backend: Backend) -> None:
    refused = await send(backend, "nowhere", BODY, github(BODY))
    assert (refused.status_code, refused.json()["code"]) == (503, "secrets.missing")
    refused = await send(backend, "unfit", BODY, standard(BODY))
    assert (refused.status_code, refused.json()["code"]) == (503, "step.secret_unfit")
    assert SECRET not in refused.text


async def test_a_use_of_its_secret_is_in_the_audit_log(backend: Backend) -> None:
    await send(backend, "hmac", BODY, by_hmac(BODY))
    rows = await backend.sql("SELECT target, detail->>'by' AS by FROM rowgate.audit WHERE action = 'secret.use'")
    assert ("SHARED", "endpoints/hmac.steps/0") in {(row["target"], row["by"]) for row in rows}


async def test_a_simulation_shows_it_in_the_stage_where_it_runs_and_is_no_delivery(backend: Backend) -> None:
    body = {"email": "root@example.com", "password": "a much longer horse battery"}
    token = (await backend.client.post("/admin/v1/sign-in", json=body)).json()["access_token"]
    said = {"text": "hello"}
    # A simulation sends compact JSON.
    sent = json.dumps(said, separators=(",", ":")).encode()
    for headers, status in ((standard(sent), 204), ({}, 401)):
        asked = {"method": "POST", "path": "/api/standard", "body": said, "headers": headers}
        answer = await backend.client.post(
            "/admin/v1/simulate", json=asked, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == status, answer.json()
        bind = answer.json()["trace"][3]
        assert (bind["stage"], [step["step"] for step in bind["steps"]]) == ("bind", ["verify_signature"])
        assert bind["steps"][0]["decision"] == ("passed" if status == 204 else "refused")
    assert await backend.sql("SELECT 1 FROM rowgate.deliveries") == []


# ---- once ----


@pytest.mark.parametrize("name", ["standard", "stripe", "github"])
async def test_a_delivery_that_comes_again_is_answered_and_not_carried_out(
    instances: tuple[Backend, Backend], backend: Backend, name: str
) -> None:
    assert (await send(backend, name, BODY, SIGN[name](BODY))).status_code == 204
    for instance in instances:
        again = await send(instance, name, BODY, SIGN[name](BODY))
        assert (again.status_code, again.json()) == (200, {"duplicate": True})
    assert await notes(backend) == ["hello"]
    # Another endpoint is told of it too.
    if name == "standard":
        assert (await send(backend, "guarded", BODY, standard(BODY))).status_code == 204


async def test_the_id_is_what_counts_where_it_is_signed(backend: Backend) -> None:
    other = BODY.replace(b"hello", b"again")
    await send(backend, "standard", BODY, standard(BODY))
    assert (await send(backend, "standard", other, standard(other))).json() == {"duplicate": True}
    assert (await send(backend, "standard", BODY, standard(BODY, "msg_2"))).status_code == 204
    await send(backend, "stripe", BODY, stripe(BODY, at=int(time.time()) - 9))
    assert (await send(backend, "stripe", other, stripe(other))).json() == {"duplicate": True}
    # GitHub's id isn't signed: whoever has seen a delivery could give it another.
    await send(backend, "github", BODY, {**github(BODY), "X-GitHub-Delivery": "1"})
    again = await send(backend, "github", BODY, {**github(BODY), "X-GitHub-Delivery": "2"})
    assert again.json() == {"duplicate": True}


async def test_without_once_the_same_comes_as_often_as_it_comes(backend: Backend) -> None:
    for _ in range(2):
        assert (await send(backend, "hmac", BODY, by_hmac(BODY))).status_code == 204
    assert await notes(backend) == ["hello", "hello"]


async def test_of_many_at_once_at_two_instances_one_has_an_effect(
    instances: tuple[Backend, Backend], backend: Backend
) -> None:
    headers = standard(BODY)
    answers = await asyncio.gather(*(send(instances[n % 2], "standard", BODY, headers) for n in range(30)))
    assert await notes(backend) == ["hello"]
    told = {(answer.status_code, answer.json().get("code") if answer.content else None) for answer in answers}
    assert told <= {(204, None), (200, None), (409, "step.delivery_running")}
    assert [answer.status_code for answer in answers].count(204) == 1


@pytest.mark.parametrize(("text", "status"), [("refuse", 409), ("answer 500", 500), ("x" * 30, 422)])
async def test_one_that_was_not_carried_out_may_come_again(backend: Backend, text: str, status: int) -> None:
    body = json.dumps({"text": text}).encode()
    for _ in range(2):
        assert (await send(backend, "standard", body, standard(body))).status_code == status
    assert await backend.sql("SELECT 1 FROM rowgate.deliveries") == []


async def test_after_thirty_days_an_id_is_new_and_forgotten_ones_go(backend: Backend) -> None:
    for id_ in ("msg_1", "msg_2"):
        await send(backend, "standard", BODY, standard(BODY, id_))
    await backend.sql("UPDATE rowgate.deliveries SET created_at = now() - interval '31 days'")
    assert (await send(backend, "standard", BODY, standard(BODY))).status_code == 204
    assert len(await backend.sql("SELECT 1 FROM rowgate.deliveries")) == 1


# ---- What is found when it is saved ----


def parsed(said: dict[str, Any]) -> Project:
    project, findings = parse_project(said)
    assert project is not None, findings
    return project


def found(*endpoints: dict[str, Any], **more: Any) -> list[str]:
    return [f"{one.place}: {one.message}" for one in check_project(parsed(document(*endpoints, **more)))]


FIRST = "verify_signature has to be the first step of an endpoint's chain"
GATE = SIGNED["github"]


async def test_where_it_is_not_first_is_found() -> None:
    signed, slow = {"name": "signed", "steps": [GATE]}, {"name": "slow", "steps": [NOTE | {"set": {"text": "x"}}]}
    inside = {"do": "if", "when": "true", "then": [GATE]}
    assert found(endpoint("a", NOTE, GATE)) == [f"endpoints/a.steps/1: {FIRST}"]
    assert found(endpoint("a", GATE | {"when": "true"}, NOTE)) == [f"endpoints/a.steps/0: {FIRST}"]
    assert found(endpoint("a", inside)) == [f"endpoints/a.steps/0.then.steps/0: {FIRST}"]
    assert found(endpoint("a", GATE, GATE)) == [f"endpoints/a.steps/1: {FIRST}"]
    assert found(endpoint("a", {"do": "call", "use": "signed"}), middleware=[signed]) == [
        f"endpoints/a.steps/0(signed).steps/0: {FIRST}"
    ]
    behind = endpoint("a", NOTE, middleware=["slow", "signed"])
    assert found(behind, middleware=[signed, slow]) == [f"endpoints/a.middleware/signed(signed).steps/0: {FIRST}"]
    assert found(endpoint("a", NOTE, middleware=["signed", "slow"]), middleware=[signed, slow]) == []
    everywhere = {"middleware": [slow], "project": {"middleware": ["slow"]}}
    assert found(endpoint("a", GATE, NOTE), **everywhere) == [f"endpoints/a.steps/0: {FIRST}"]
    assert found(endpoint("a", GATE, NOTE, skip=["slow"]), **everywhere) == []
    view = {"name": "v", "table": "notes", "columns": ["id"], "access": "public", "middleware": ["signed"]}
    assert found(middleware=[signed], views=[view]) == [f"views/v.middleware/signed(signed).steps/0: {FIRST}"]


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"header": "X-A"}, "header", "github says itself what this is"),
        ({"prefix": "a"}, "prefix", "github says itself what this is"),
        ({"encoding": "hex"}, "encoding", "github says itself what this is"),
        ({"tolerance": "5m"}, "tolerance", "github says itself what this is"),
        ({"scheme": "hmac"}, "header", "hmac needs to know the header of the signature"),
        ({"scheme": "hmac", "header": "X-A", "tolerance": "5m"}, "tolerance", "hmac says itself what this is"),
        ({"scheme": "hmac", "header": "X A"}, "header", "a header has letters"),
        ({"scheme": "stripe", "tolerance": "5 minutes"}, "tolerance", "a time is a number with s, m or h"),
        ({"scheme": "paddle"}, "scheme", ""),
        ({"scheme": "hmac", "header": "X-A", "algorithm": "sha1"}, "algorithm", ""),
        ({"secret": "=secrets.A"}, "secret", "name the secret by its name alone"),
    ],
)
async def test_options_that_do_not_fit_are_found(change: dict[str, Any], where: str, said: str) -> None:
    (only,) = found(endpoint("a", {**GATE, **change}))
    assert only.startswith(f"endpoints/a.steps/0.{where}: {said}"), only


async def test_it_counts_as_a_check_and_to_weaken_it_lets_somebody_in() -> None:
    before = document(endpoint("a", SIGNED["standard"], NOTE))

    def wider(step: dict[str, Any] | None) -> bool:
        after = document(endpoint("a", *([] if step is None else [step]), NOTE))
        return any(one.wider for one in effects(parsed(before), parsed(after)))

    assert not wider(SIGNED["standard"])
    for step in (
        None,
        *({**SIGNED["standard"], **more} for more in ({"once": False}, {"tolerance": "2h"}, {"secret": "B"})),
    ):
        assert wider(step), step
    public = [{one.code for one in doubts(parsed(said))} for said in (before, document(endpoint("a", NOTE)))]
    assert ["access.public_write" in codes for codes in public] == [False, True]

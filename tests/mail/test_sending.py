"""Mail on its way: a server that refuses, hangs, dies or isn't who it says; nothing is lost, and nothing is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from app.database.pool import connect
from app.outward import emptying, smtp
from app.outward.smtp import SmtpServer
from app.secrets.rotation import rotate
from app.settings import SettingsInvalid
from tests.backend import OTHER_SECRET_KEY, PASSWORD, SECRET_KEY, Backend, apply, serving
from tests.mail.conftest import ALICE, DOCUMENT, LINK, code_of, post
from tests.mail.smtp import certificate, smtp_server
from tests.outward.test_killed import server

API = "https://api.example.com"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(emptying, "_FIRST_WAIT", 0.01)


@asynccontextmanager
async def sending(url: str, port: int, scheme: str = "smtp", host: str = "127.0.0.1") -> AsyncIterator[Backend]:
    async with serving(url, DOCUMENT, smtp_url=f"{scheme}://{host}:{port}", public_url=API) as backend:
        yield backend


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def row(backend: Backend, column: str) -> Any:
    """Wait until the one mail has something in a column; gives the mail's row."""
    async with asyncio.timeout(30):
        while True:
            (found,) = await backend.sql("SELECT * FROM rowgate.mail")
            if found[column] is not None:
                return found
            await asyncio.sleep(0.01)


def is_wiped(found: Any) -> bool:
    return all(found[name] is None for name in ("recipient", "key_id", "nonce", "ciphertext"))


def text_of(message: Message) -> str:
    body = message.get_body(("plain",))  # type: ignore[attr-defined]  # an EmailMessage, by its policy
    return str(body.get_content())


async def ask(backend: Backend) -> None:
    assert (await post(backend, "/signup", email=ALICE, password=PASSWORD)).status_code == 200


async def test_a_mail_goes_out_by_tls_once_and_is_wiped(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    context, trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with smtp_server(context) as (office, port):
        async with sending(migrated_url, port, "smtps", "localhost") as backend:
            await ask(backend)
            found = await row(backend, "sent_at")
            assert is_wiped(found)
            (message,) = office.came
            assert office.secure == [True]
            assert (message["To"], message["From"]) == (ALICE, "no-reply@app.example.com")
            assert message["Message-ID"].startswith(f"<{found['id']}@")
            link = LINK.search(text_of(message))
            assert link is not None
            assert link[0].startswith(f"{API}/auth/v1/verify?token=")
            code = code_of({"text": text_of(message)})
            assert (await post(backend, "/verify", type="signup", email=ALICE, token=code)).status_code == 200
            hidden = await backend.client.get("/admin/v1/mail", headers=await backend.admin())
            assert (hidden.status_code, hidden.json()["code"]) == (404, "mail.not_shown")
            assert code not in caplog.text


async def test_a_server_that_nobody_vouches_for_gets_nothing(migrated_url: str, tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with smtp_server(context) as (office, port):
        async with sending(migrated_url, port, "smtps", "localhost") as backend:
            await ask(backend)
            found = await row(backend, "last_error")
            assert "can't be asked" in found["last_error"]
            assert (office.asked, found["sent_at"], found["dead_at"]) == (0, None, None)


@pytest.mark.parametrize("trouble", ["451 later", "hang", "die"])
async def test_what_a_server_doesnt_take_now_it_gets_again_once(
    migrated_url: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trouble == "hang":  # a busy server, which is no trouble, answers the other tries as late
        monkeypatch.setattr(smtp, "SECONDS", 2.0)
    with smtp_server() as (office, port):
        office.answers = [trouble, trouble]
        async with sending(migrated_url, port) as backend:
            await ask(backend)
            found = await row(backend, "sent_at")
            assert is_wiped(found)
            assert (found["attempts"], len(office.came)) == (3, 1)


async def test_what_a_server_never_takes_is_given_up_and_wiped(migrated_url: str) -> None:
    with smtp_server() as (office, port):
        office.answers = ["550 nobody here"]
        async with sending(migrated_url, port) as backend:
            await ask(backend)
            found = await row(backend, "dead_at")
            assert is_wiped(found)
            assert (found["last_error"], office.came) == ("the mail server answers 550", [])


async def test_a_mail_dies_with_its_link(migrated_url: str) -> None:
    async with sending(migrated_url, 1) as backend:  # nobody listens there
        await ask(backend)
        await row(backend, "last_error")
        await backend.sql("UPDATE rowgate.mail SET expires_at = now(), next_at = now()")
        assert is_wiped(await row(backend, "dead_at"))


async def test_a_refused_request_leaves_no_mail(migrated_url: str) -> None:
    async with sending(migrated_url, 1) as backend:
        await backend.sql("ALTER TABLE rowgate.one_time_tokens ADD CHECK (email <> 'alice@example.com')")
        with pytest.raises(AssertionError):
            await ask(backend)
        assert await backend.sql("SELECT FROM rowgate.mail") == []


async def test_a_killed_server_loses_no_mail_and_sends_none_twice(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(migrated_url, DOCUMENT)
    with smtp_server() as (office, port):
        office.answers = ["hang"]
        monkeypatch.setenv("ROWGATE_SMTP_URL", f"smtp://127.0.0.1:{port}")
        async with server(migrated_url) as (client, process):
            body = {"email": ALICE, "password": PASSWORD}
            assert (await client.post("/auth/v1/signup", json=body)).status_code == 200
            await until(lambda: office.asked)
            process.kill()
        connection = await connect(migrated_url)
        try:
            await connection.execute("UPDATE rowgate.mail SET next_at = now()")  # the lease of whoever died is over
            async with server(migrated_url):
                await until(lambda: office.came)
                async with asyncio.timeout(30):
                    while await connection.fetchval("SELECT sent_at FROM rowgate.mail") is None:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            assert len(office.came) == 1
            assert office.came[0]["To"] == ALICE
        finally:
            await connection.close()


async def test_waiting_mail_is_carried_over_to_another_key(migrated_url: str) -> None:
    async with sending(migrated_url, 1) as backend:
        await ask(backend)
        connection = await connect(migrated_url)
        try:
            assert await rotate(connection, SECRET_KEY, OTHER_SECRET_KEY) == 1
        finally:
            await connection.close()


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"confirm_email": True}, "ROWGATE_SMTP_URL"), ({"smtp_url": "smtps://mail.example.com"}, "ROWGATE_PUBLIC_URL")],
)
async def test_production_does_not_start_without_a_way_to_send_what_it_has_to(
    migrated_url: str, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        async with serving(migrated_url, {"rowgate": 1}, env="production", **settings):
            pass


async def test_without_a_server_production_takes_no_document_that_needs_one_and_sends_nothing(
    migrated_url: str,
) -> None:
    async with serving(migrated_url, {"rowgate": 1}, env="production") as backend:
        admin = await backend.admin()
        asked = {**admin, "If-Match": "*"}
        for method, path in (("PUT", "/config"), ("POST", "/config/plan")):
            refused = await backend.client.request(method, f"/admin/v1{path}", json=DOCUMENT, headers=asked)
            (error,) = refused.json()["errors"]
            assert (refused.status_code, error["loc"]) == (422, ["auth.confirm_email"])
            assert "ROWGATE_SMTP_URL" in error["hint"]
        unsent = await post(backend, "/recover", email=ALICE)
        assert (unsent.status_code, unsent.json()["code"]) == (503, "mail.unavailable")


@pytest.mark.parametrize(
    ("url", "tls", "port"),
    [
        ("smtp://mail.example.com", "after STARTTLS", 587), ("smtp://10.0.0.1:25", "after STARTTLS", 25),
        ("smtps://mail.example.com", "at once", 465), ("smtp://127.0.0.1:25", None, 25), ("smtp://[::1]:25", None, 25),
        ("smtps://localhost", "at once", 465), ("smtp://localhost.example.com", "after STARTTLS", 587),
    ],
)  # fmt: skip
def test_off_this_machine_there_is_no_way_without_tls(url: str, tls: str | None, port: int) -> None:
    found = SmtpServer.of(url)
    assert (found.tls, found.port) == (tls, port)


def test_a_user_and_a_password_are_read_of_the_url_and_shown_nowhere() -> None:
    found = SmtpServer.of("smtps://shop%40a:p%2Fw@mail.example.com")
    assert (found.username, found.password) == ("shop@a", "p/w")
    assert "p/w" not in repr(found)

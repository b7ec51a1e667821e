"""What the published suite of supabase_auth asks of a server, by the same calls, with the client unmodified."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from supabase import AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthApiError, AuthError, AuthSessionMissingError, AuthWeakPasswordError

from tests.backend import PASSWORD, Backend
from tests.clients.test_auth_admin import editor
from tests.clients.test_auth_suites import DOCUMENT, TO
from tests.clients.test_supabase_js import listening
from tests.turns import Turns

__all__ = ["DOCUMENT"]
# The clients give timeouts to one another in a way that they have deprecated themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
EMAIL, OTHER = "ann@example.com", "bob@example.com"
NOBODY = "83fd9e20-7a80-46e4-bf29-a86e3d6bbf66"
BOTH = {"email": EMAIL, "password": PASSWORD}


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest_asyncio.fixture(loop_scope="module")
async def client(backend: Backend) -> AsyncIterator[Any]:
    async with listening(backend) as url, httpx.AsyncClient() as http:
        options = AsyncClientOptions(httpx_client=http, auto_refresh_token=False)
        made: Any = await acreate_client(url, backend.app.server.auth.publishable_key, options)
        made.other = lambda key=made.supabase_key: acreate_client(
            url, key, AsyncClientOptions(httpx_client=http, auto_refresh_token=False)
        )
        yield made


async def refused(asked: Awaitable[Any], code: str) -> None:
    with pytest.raises(AuthApiError) as raised:
        await asked
    assert raised.value.code == code, raised.value


async def test_sessions_are_set_kept_and_refreshed(client: Any) -> None:
    auth = client.auth
    first = (await auth.sign_up(BOTH)).session
    other = (await client.other()).auth
    held = await other.set_session(first.access_token, first.refresh_token)
    assert (held.session.access_token, held.user.email) == (first.access_token, EMAIL)
    fresh = (await other.refresh_session()).session
    assert fresh.refresh_token != first.refresh_token
    over = first.model_copy(update={"expires_at": int(time.time()) - 60, "refresh_token": fresh.refresh_token})
    await other._storage.set_item(other._storage_key, over.model_dump_json())
    assert (await other.get_session()).refresh_token not in {first.refresh_token, fresh.refresh_token}
    with pytest.raises(AuthError):
        await other.set_session("invalid.token.here", "junk")
    await refused(other.refresh_session("junk"), "refresh_token_not_found")


async def test_a_client_that_refreshes_by_itself_does_so_before_its_token_is_over(client: Any) -> None:
    auth = client.auth
    told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    session = (await auth.sign_up(BOTH)).session
    auth.on_auth_state_change(lambda event, now: told.put_nowait((event, now)))
    auth._auto_refresh_token = True
    # It looks ten seconds ahead.
    await auth._save_session(session.model_copy(update={"expires_at": round(time.time()) + 11}))
    event, fresh = await asyncio.wait_for(told.get(), timeout=60)
    assert event == "TOKEN_REFRESHED"
    assert fresh.refresh_token != session.refresh_token
    await auth.sign_out()  # ends its timer


async def test_events_are_told_of_until_one_unsubscribes(client: Any) -> None:
    events: list[str] = []
    auth = client.auth
    subscription = auth.on_auth_state_change(lambda event, _session: events.append(event))
    await auth.sign_up(BOTH)
    await auth.refresh_session()
    await auth.update_user({"data": {"hello": "world"}})
    await auth.sign_out()
    await auth.sign_in_with_password(BOTH)
    subscription.unsubscribe()
    await auth.sign_out()
    assert events == ["SIGNED_IN", "TOKEN_REFRESHED", "USER_UPDATED", "SIGNED_OUT", "SIGNED_IN"]


@pytest.mark.parametrize(("scope", "ends"), [
    ("local", (True, False)), ("others", (False, True)), ("global", (True, True)),
])  # fmt: skip
async def test_signing_out_ends_the_sessions_of_its_scope(client: Any, scope: str, ends: tuple[bool, bool]) -> None:
    here = (await client.auth.sign_up(BOTH)).session
    there = (await (await client.other()).auth.sign_in_with_password(BOTH)).session
    await client.auth.sign_out({"scope": scope})
    assert (await client.auth.get_session() is None) is (scope != "others")
    fresh = (await client.other()).auth
    for session, ended in zip((here, there), ends, strict=True):
        if ended:
            await refused(fresh.get_user(session.access_token), "session_not_found")
        else:
            assert (await fresh.get_user(session.access_token)).user.email == EMAIL


async def test_the_person_is_told_and_changed(client: Any) -> None:
    auth = client.auth
    assert await auth.get_claims() is None
    assert await auth.get_user() is None
    user = (await auth.sign_up({**BOTH, "options": {"data": {"info": "x"}, "email_redirect_to": TO}})).user
    assert (user.user_metadata["info"], user.app_metadata["provider"]) == ("x", "email")
    assert (await auth.get_user()).user.id == user.id
    assert (await auth.get_claims())["claims"]["email"] == EMAIL
    assert [one.provider for one in (await auth.get_user_identities()).identities] == ["email"]
    assert (await auth.update_user({"data": {"hello": "world"}})).user.user_metadata["hello"] == "world"
    await auth.update_user({"password": "another horse battery"})
    await refused(auth.sign_in_with_password(BOTH), "invalid_credentials")
    assert (await auth.sign_in_with_password({**BOTH, "password": "another horse battery"})).user.id == user.id
    await auth.reauthenticate()


async def test_what_is_refused_has_its_code(client: Any) -> None:
    auth = client.auth
    with pytest.raises(AuthWeakPasswordError) as weak:
        await auth.sign_up({"email": EMAIL, "password": "123"})
    assert weak.value.reasons == ["length"]
    await auth.sign_up(BOTH)
    await refused(auth.sign_up(BOTH), "user_already_exists")
    await auth.sign_out()
    await refused(auth.sign_in_with_password({**BOTH, "password": "junk"}), "invalid_credentials")
    await refused(auth.verify_otp({"email": EMAIL, "token": "123456", "type": "email"}), "otp_expired")
    await refused(auth.sign_in_with_id_token({"provider": "google", "token": "junk"}), "validation_failed")
    for asked in (auth.update_user({"data": {}}), auth.link_identity({"provider": "google"})):
        with pytest.raises(AuthSessionMissingError):
            await asked
    for by_phone in (
        auth.sign_in_with_password({"phone": "+123456789", "password": PASSWORD}),
        auth.sign_in_with_otp({"phone": "+123456789"}),
        auth.verify_otp({"phone": "+123456789", "token": "123456", "type": "sms"}),
        auth.sign_in_with_sso({"domain": "example.com"}),
    ):
        with pytest.raises(AuthApiError):
            await by_phone


async def test_mails_are_asked_for_alike_for_whoever_it_is(client: Any) -> None:
    auth = client.auth
    await auth.sign_up(BOTH)
    for email in (EMAIL, OTHER):
        await auth.reset_password_email(email, {"redirect_to": TO})
        await auth.resend({"type": "signup", "email": email})
        answer = await auth.sign_in_with_otp({"email": email, "options": {"should_create_user": False}})
        assert (answer.user, answer.session) == (None, None)
    anonymous = await auth.sign_in_anonymously({"options": {"data": {"info": "x"}}})
    assert anonymous.user.is_anonymous
    address = await auth.sign_in_with_oauth({"provider": "github", "options": {"redirect_to": TO}})
    assert "/auth/v1/authorize?" in address.url
    assert "provider=github" in address.url


async def test_an_editor_invites_links_and_takes_away(backend: Backend, client: Any) -> None:
    editors = await client.other(await editor(backend))
    admin = editors.auth.admin
    assert (await admin.invite_user_by_email(OTHER, {"data": {"info": "x"}, "redirect_to": TO})).user.invited_at
    made = await admin.create_user({**BOTH, "user_metadata": {"info": "x"}, "app_metadata": {"roles": ["support"]}})
    assert (made.user.app_metadata["roles"], made.user.user_metadata["info"]) == (["support"], "x")
    options = {"redirect_to": TO}
    link = await admin.generate_link({"type": "recovery", "email": EMAIL, "options": options})
    assert link.properties.redirect_to == TO
    back = await client.auth.verify_otp({"token_hash": link.properties.hashed_token, "type": "recovery"})
    assert back.user.id == made.user.id
    change = {"type": "email_change_current", "email": EMAIL, "new_email": "new@example.com", "options": options}
    assert (await admin.generate_link(change)).user.new_email == "new@example.com"
    factor = await client.auth.mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
    assert (await admin.mfa.delete_factor({"user_id": made.user.id, "id": factor.id})).id == factor.id
    session = (await client.auth.sign_in_with_password(BOTH)).session
    await admin.sign_out(session.access_token)
    await refused(client.auth.get_user(session.access_token), "session_not_found")
    await refused(admin.sign_out("junk"), "bad_jwt")
    for asked in (
        admin.get_user_by_id(NOBODY),
        admin.update_user_by_id(NOBODY, {"email": OTHER}),
        admin.delete_user(NOBODY),
        admin.mfa.list_factors({"user_id": NOBODY}),
    ):
        await refused(asked, "user_not_found")


async def test_views_and_functions_are_asked_for_as_who_is_signed_in(client: Any) -> None:
    await client.auth.sign_up(BOTH)
    assert (await client.table("me").select("email").execute()).data == [{"email": EMAIL}]
    found = await client.functions.invoke("whoami", {"method": "GET", "responseType": "json"})
    assert found == {"email": EMAIL}

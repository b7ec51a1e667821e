"""Second factors: what is refused first, then what a code opens; and that `required` can't be walked around."""

import asyncio
import json
import re
import uuid
from dataclasses import replace
from typing import Any

import pyotp
import pytest
import pytest_asyncio
from fastapi.routing import iter_route_contexts

from app.auth.factors import SecondFactorNeeded, hold_required
from app.auth.identity import ANONYMOUS, SignIn, foreign_identity, user_identity
from app.auth.route_limits import RouteLimits
from app.auth.routes.mounted import auth_router
from app.definitions.auth import AuthDef
from app.secrets.rotation import rotate
from app.secrets.sealing import SealingKey
from tests.auth.authenticator import shown_code, step_of
from tests.auth.conftest import bearer, refresh, sign_in, told
from tests.backend import OTHER_SECRET_KEY, PASSWORD, SECRET_KEY, Backend, Person
from tests.turns import Turns

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "users": {"columns": [{"name": "display_name", "type": "text", "self_editable": True}]},
    "tables": [{"name": "notes", "columns": [{"name": "text", "type": "text"}]}],
    "views": [
        {"name": "kept", "table": "notes", "access": "authenticated", "filter": "auth.aal == 'aal2'"},
        {"name": "seen", "table": "notes", "access": "public"},
    ],
    "endpoints": [
        {"name": "how", "method": "GET", "path": "/how", "access": "public",
         "steps": [{"do": "respond", "body": {"aal": "=auth.aal", "amr": "=auth.amr"}}]},
        {"name": "safe", "method": "POST", "path": "/safe", "access": "authenticated",
         "steps": [{"do": "require", "that": "'totp' in auth.amr"}]},
    ],
}  # fmt: skip
REQUIRED = {**DOCUMENT, "auth": {"second_factor": "required"}}
OFF = {**DOCUMENT, "auth": {"second_factor": "off"}}


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


class Authenticator:
    """Somebody's app that shows codes; each asking shows that of a later step, as time would."""

    def __init__(self, backend: Backend, person: Person, factor: dict[str, Any]) -> None:
        self.backend, self.person, self.factor = backend, person, factor
        self.ahead = -1

    async def code(self, ahead: int | None = None) -> str:
        if ahead is None:
            ahead, self.ahead = self.ahead, self.ahead + 1
        return await shown_code(self.backend, self.factor, ahead)

    async def verify(self, code: str | None = None, person: Person | None = None) -> Any:
        """Send a code; one that is refused since its step went by on the way is shown again for the step that came."""
        if code is not None:
            return await self.sent(code, person or self.person)
        ahead, self.ahead = self.ahead, self.ahead + 1
        while True:
            step = await step_of(self.backend)
            answer = await self.sent(await self.code(ahead), person or self.person)
            if answer.status_code != 422 or await step_of(self.backend) == step:
                return answer

    async def sent(self, code: str, who: Person) -> Any:
        path = f"/auth/v1/factors/{self.factor['id']}"
        challenge = (await who.post(f"{path}/challenge", {})).json()
        body = {"challenge_id": challenge.get("id", self.factor["id"]), "code": code}
        return await who.post(f"{path}/verify", body)


async def enrolled(backend: Backend, person: Person, name: str = "") -> Authenticator:
    answer = await person.post("/auth/v1/factors", {"factor_type": "totp", "friendly_name": name})
    assert answer.status_code == 200, answer.text
    return Authenticator(backend, person, answer.json())


async def stepped_up(backend: Backend, name: str = "alice") -> tuple[Person, Authenticator]:
    """Sign somebody up who has a factor, and is signed in by both."""
    person = await backend.sign_up(name)
    app = await enrolled(backend, person, "phone")
    answer = await app.verify()
    assert answer.status_code == 200, answer.text
    app.person = replace(person, session=answer.json())
    return app.person, app


async def again(backend: Backend, person: Person) -> Person:
    """Sign in by the password alone."""
    answer = await sign_in(backend, f"{person.session['user']['email']}", PASSWORD)
    return replace(person, session=answer.json())


async def level(person: Person) -> Any:
    return (await person.get("/api/how")).json()


async def test_what_is_no_code_of_this_factor_opens_nothing(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    app, other = await enrolled(backend, alice), await enrolled(backend, bob)
    assert told(await app.verify("000000")) == (422, "auth.factor_code_wrong")
    assert told(await app.verify(await other.code())) == (422, "auth.factor_code_wrong")
    assert told(await app.verify(await app.code(-2))) == (422, "auth.factor_code_wrong")
    assert told(await app.verify(await app.code(3))) == (422, "auth.factor_code_wrong")
    assert told(await app.verify(person=bob)) == (404, "auth.factor_not_found")
    path = f"/auth/v1/factors/{app.factor['id']}"
    for challenge in (other.factor["id"], "x"):
        refused = await alice.post(f"{path}/verify", {"challenge_id": challenge, "code": await app.code(0)})
        assert told(refused)[1] in {"auth.challenge_expired", "auth.too_many_failures"}
    assert (await backend.client.post("/auth/v1/factors", json={"factor_type": "totp"})).status_code == 401
    for kind in ("phone", "webauthn"):
        assert told(await bob.post("/auth/v1/factors", {"factor_type": kind})) == (422, "auth.factors_off")
    assert await level(alice) == {"aal": "aal1", "amr": ["password"]}


async def test_a_challenge_ends(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    app = await enrolled(backend, alice)
    path = f"/auth/v1/factors/{app.factor['id']}"
    challenge = (await alice.post(f"{path}/challenge", {})).json()
    await backend.sql("UPDATE rowgate.factor_challenges SET expires_at = now()")
    refused = await alice.post(f"{path}/verify", {"challenge_id": challenge["id"], "code": await app.code(0)})
    assert told(refused) == (422, "auth.challenge_expired")


async def test_a_code_counts_once_and_none_before_it_any_more(backend: Backend) -> None:
    alice, app = await stepped_up(backend)
    assert await level(alice) == {"aal": "aal2", "amr": ["totp", "password"]}
    bob = await again(backend, alice)
    # One wrong one and four at once are as many as may be tried, however they come.
    assert told(await app.verify(await app.code(-1), bob)) == (422, "auth.factor_code_wrong")
    code = await app.code(0)
    sessions = [await again(backend, alice) for _ in range(4)]
    answers = await asyncio.gather(*(app.verify(code, person) for person in sessions))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_tries_are_bounded_however_they_are_sent_and_a_right_one_forgives_them(backend: Backend) -> None:
    alice, app = await stepped_up(backend)
    alice = await again(backend, alice)
    for _ in range(4):
        assert told(await app.verify("000000", alice)) == (422, "auth.factor_code_wrong")
    assert (await app.verify(await app.code(0), alice)).status_code == 200
    alice = await again(backend, alice)
    answers = await asyncio.gather(*(app.verify(f"00000{n}", alice) for n in range(9)))
    assert sorted(answer.status_code for answer in answers) == [422] * 5 + [429] * 4
    refused = await app.verify(await app.code(1), alice)
    assert told(refused) == (429, "auth.too_many_failures")
    assert int(refused.headers["retry-after"]) == 900
    recovery = await alice.post("/auth/v1/factors/recovery-codes/verify", {"code": "a" * 24})
    assert told(recovery) == (429, "auth.too_many_failures")
    await backend.sql("UPDATE rowgate.factor_tries SET at = at - interval '16 minutes'")
    assert (await app.verify(await app.code(1), alice)).status_code == 200


async def test_a_session_by_two_factors_has_another_id_and_the_one_before_ends(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    elsewhere = await again(backend, alice)
    app = await enrolled(backend, alice)
    answer = await app.verify()
    both = replace(alice, session=answer.json())
    assert both.session["user"]["factors"] == [
        {"id": app.factor["id"], "friendly_name": "", "factor_type": "totp", "status": "verified",
         "created_at": both.session["user"]["factors"][0]["created_at"],
         "updated_at": both.session["user"]["factors"][0]["updated_at"]},
    ]  # fmt: skip
    for gone in (alice, elsewhere):  # the first factor of somebody ends what was begun without
        assert (await gone.get("/auth/v1/user")).status_code == 401
        assert (await refresh(backend, gone.session["refresh_token"])).status_code == 401
    later = replace(both, session=(await refresh(backend, both.session["refresh_token"])).json())
    assert await level(later) == {"aal": "aal2", "amr": ["totp", "password"]}
    password_alone, app.person = await again(backend, alice), later
    assert (await app.verify()).status_code == 200
    assert (await password_alone.get("/auth/v1/user")).status_code == 200  # a later one ends no other
    sql = "SELECT action FROM rowgate.audit WHERE actor = $1 AND action LIKE 'factor.%' ORDER BY id"
    actions = [row[0] for row in await backend.sql(sql, f"user:{alice.id}")]
    assert actions == ["factor.enroll", "factor.verify", "factor.verify"]


async def test_one_factor_changes_no_password_no_address_and_no_factor_where_there_are_two(backend: Backend) -> None:
    alice, app = await stepped_up(backend)
    one = await again(backend, alice)
    path = f"/auth/v1/factors/{app.factor['id']}"
    refused = (403, "auth.second_factor_needed")
    assert told(await one.call("PUT", "/auth/v1/user", json={"password": "another horse battery"})) == refused
    assert told(await one.call("PUT", "/auth/v1/user", json={"email": "eve@example.com"})) == refused
    assert told(await one.post("/auth/v1/factors", {"factor_type": "totp"})) == refused
    assert told(await one.call("DELETE", path)) == refused
    assert told(await one.call("POST", "/auth/v1/factors/recovery-codes")) == refused
    assert (await one.call("PUT", "/auth/v1/user", json={"data": {"display_name": "A"}})).status_code == 200
    assert (await sign_in(backend, "alice@example.com", PASSWORD)).status_code == 200
    assert (await one.post("/api/safe", {})).status_code == 403
    assert (await alice.post("/api/safe", {})).status_code == 204
    new = {"password": "another horse battery"}
    assert (await alice.call("PUT", "/auth/v1/user", json=new)).status_code == 200
    assert (await alice.call("DELETE", path)).json() == {"id": app.factor["id"]}
    assert told(await alice.call("DELETE", path)) == (404, "auth.factor_not_found")


async def test_what_was_enrolled_before_there_was_a_factor_takes_two_afterwards(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    early = await enrolled(backend, await again(backend, alice), "somebody else's")
    app = await enrolled(backend, alice, "phone")
    both = replace(alice, session=(await app.verify()).json())
    one, sql = await again(backend, alice), "SELECT name FROM rowgate.factors WHERE verified_at IS NOT NULL"
    refused = (403, "auth.second_factor_needed")
    assert told(await early.verify(person=one)) == refused
    assert [row["name"] for row in await backend.sql(sql)] == ["phone"]
    assert (await level(one))["aal"] == "aal1"
    assert len(await backend.sql("SELECT FROM rowgate.factor_tries")) == 1  # it forgave no wrong ones
    assert (await early.verify(person=both)).status_code == 200


async def test_rules_of_views_see_the_level(backend: Backend) -> None:
    alice, _ = await stepped_up(backend)
    await backend.sql("INSERT INTO data.notes (text) VALUES ('one')")
    one = await again(backend, alice)
    assert (await one.get("/rest/v1/kept?select=text")).json() == []
    assert (await alice.get("/rest/v1/kept?select=text")).json() == [{"text": "one"}]
    assert (await backend.client.get("/api/how")).json() == {"aal": "none", "amr": []}


async def test_a_recovery_code_stands_in_once_for_a_factor(backend: Backend) -> None:
    alice, app = await stepped_up(backend)
    path = "/auth/v1/factors/recovery-codes"
    first = (await alice.call("POST", path)).json()["codes"]
    codes = (await alice.call("POST", path)).json()["codes"]
    assert len({*first, *codes}) == 20
    assert (await alice.get(path)).json() == {"left": 10}
    one = await again(backend, alice)
    for wrong in (first[0], "x", ""):
        assert told(await one.post(f"{path}/verify", {"code": wrong})) == (422, "auth.factor_code_wrong")
    answer = await one.post(f"{path}/verify", {"code": codes[3].upper().replace("-", " ")})
    both = replace(one, session=answer.json())
    assert await level(both) == {"aal": "aal2", "amr": ["recovery_code", "password"]}
    used = await (await again(backend, alice)).post(f"{path}/verify", {"code": codes[3]})
    assert told(used) == (422, "auth.factor_code_wrong")
    assert (await both.get(path)).json() == {"left": 9}
    stored = await backend.sql("SELECT digest::text FROM rowgate.recovery_codes")
    assert not any(code in str(stored) for code in codes)
    assert (await both.call("DELETE", f"/auth/v1/factors/{app.factor['id']}")).status_code == 200
    assert (await both.get(path)).json() == {"left": 0}


async def test_names_and_numbers_of_factors_are_bounded_and_what_was_never_verified_makes_room(
    backend: Backend,
) -> None:
    alice, app = await stepped_up(backend)
    assert told(await alice.post("/auth/v1/factors", {"factor_type": "totp", "friendly_name": "phone"})) == (
        422, "auth.factor_name_taken",
    )  # fmt: skip
    first, second = await enrolled(backend, alice, "key"), await enrolled(backend, alice, "key")
    assert told(await first.verify()) == (404, "auth.factor_not_found")
    assert (await second.verify()).status_code == 200
    person = await _by_two(backend, app)
    for number in range(8):
        await enrolled(backend, person, f"n{number}")
    full = await (await _by_two(backend, app)).post("/auth/v1/factors", {"factor_type": "totp", "friendly_name": "z"})
    assert told(full) == (422, "auth.too_many_factors")


async def _by_two(backend: Backend, app: Authenticator) -> Person:
    """Sign in by two factors whatever codes have counted."""
    await backend.sql("UPDATE rowgate.factors SET last_step = NULL")
    person = await again(backend, app.person)
    answer = await app.verify(await app.code(0), person)
    assert answer.status_code == 200, answer.text
    return replace(person, session=answer.json())


async def test_the_secret_is_sealed_and_goes_along_with_a_new_master_key(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    app = await enrolled(backend, alice)
    before = await backend.sql("SELECT ciphertext FROM rowgate.factors")
    assert app.factor["totp"]["secret"].encode() not in before[0][0]
    async with backend.app.server.pool.lease() as connection:
        await rotate(connection, SECRET_KEY, OTHER_SECRET_KEY)
    backend.app.server.auth.sealing = SealingKey.of(OTHER_SECRET_KEY)
    try:
        assert (await app.verify()).status_code == 200
    finally:
        backend.app.server.auth.sealing = SealingKey.of(SECRET_KEY)


async def test_what_is_enrolled_shows_a_picture_that_a_data_url_can_hold(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    body = {"factor_type": "totp", "friendly_name": "p", "issuer": "Shop & Co"}
    made = (await alice.post("/auth/v1/factors", body)).json()["totp"]
    assert made["qr_code"].startswith("<svg ")
    assert "#" not in made["qr_code"]
    assert 'xmlns="http://www.w3.org/2000/svg"' in made["qr_code"]  # without it no page shows it as an image
    uri = pyotp.parse_uri(made["uri"])
    assert (uri.name, uri.issuer, uri.secret) == ("alice@example.com", "Shop & Co", made["secret"])


async def test_names_that_are_long_in_a_link_have_their_beginning_in_it(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await backend.sql(f"UPDATE data.users SET email = '{'é' * 242}@example.com'")
    answer = await alice.post("/auth/v1/factors", {"factor_type": "totp", "issuer": "\N{GRINNING FACE}" * 100})
    assert answer.status_code == 200, answer.text
    uri = pyotp.parse_uri(answer.json()["totp"]["uri"])
    assert (uri.name, uri.issuer) == ("é" * 150, "\N{GRINNING FACE}" * 50)


async def test_off_takes_no_factor(own_backend: Backend) -> None:
    alice, _ = await stepped_up(own_backend)
    one = await again(own_backend, alice)
    await own_backend.apply(OFF)
    assert told(await alice.post("/auth/v1/factors", {"factor_type": "totp"})) == (422, "auth.factors_off")
    changed = await one.call("PUT", "/auth/v1/user", json={"password": "another horse battery"})
    assert changed.status_code == 200  # where no factor is asked for, none keeps anything shut


# What a session by one factor reaches where two are required, and what each answers to one.
REACHED = {
    ("GET", "/auth/v1/user"): 200,
    ("POST", "/auth/v1/factors"): 422,
    ("POST", "/auth/v1/factors/{factor_id}/challenge"): 404,
    ("POST", "/auth/v1/factors/{factor_id}/verify"): 422,
    ("DELETE", "/auth/v1/factors/{factor_id}"): 404,
    ("GET", "/auth/v1/factors/recovery-codes"): 200,
    ("POST", "/auth/v1/factors/recovery-codes/verify"): 422,
    ("POST", "/auth/v1/logout"): 204,
}
# What asks nobody who they are; a session that one of these gives is by one factor.
OPEN = {
    ("POST", "/auth/v1/signup"), ("POST", "/auth/v1/token"), ("GET", "/auth/v1/settings"), ("GET", "/auth/v1/health"),
    ("GET", "/auth/v1/.well-known/jwks.json"), ("GET", "/auth/v1/.well-known/openid-configuration"),
    ("GET", "/auth/v1/authorize"), ("GET", "/auth/v1/callback"), ("POST", "/auth/v1/callback"),
    ("POST", "/auth/v1/passkeys/authentication/options"), ("POST", "/auth/v1/passkeys/authentication/verify"),
    ("POST", "/auth/v1/otp"), ("POST", "/auth/v1/magiclink"), ("POST", "/auth/v1/recover"), ("POST", "/auth/v1/resend"),
    ("GET", "/auth/v1/verify"), ("HEAD", "/auth/v1/verify"), ("POST", "/auth/v1/verify"),
}  # fmt: skip


async def test_required_is_walked_around_by_no_route_and_no_grant(own_backend: Backend) -> None:
    backend = own_backend
    before = await backend.sign_up("before")
    await backend.apply(REQUIRED)
    signed_up = await backend.sign_up("alice")
    refreshed = replace(before, session=(await refresh(backend, before.session["refresh_token"])).json())
    form = {"username": "alice@example.com", "password": PASSWORD}
    by_form = replace(signed_up, session=(await backend.client.post("/auth/v1/token", data=form)).json())
    for person in (before, signed_up, await again(backend, signed_up), refreshed, by_form):
        for path in ("/api/how", "/rest/v1/seen", "/rest/v1/kept", "/rest/v1/rpc/how"):
            refused = (await person.get(path)).json()
            assert refused.get("rowgate_code", refused["code"]) == "auth.second_factor_needed", path
        assert told(await person.post("/api/safe", {})) == (403, "auth.second_factor_needed")
        assert (await person.get("/admin/v1/users")).status_code == 401
    tried = set()
    for route in iter_route_contexts(auth_router(RouteLimits()).routes):
        for method in route.methods or ():
            tried.add((method, route.path))
            if (method, route.path) in OPEN:
                continue
            person = await again(backend, signed_up)
            path = re.sub(r"{[a-z]+_id}", before.id, str(route.path))
            answer = await person.call(method, path, **({} if method in {"GET", "DELETE"} else {"json": {}}))
            for_editors = "/admin/" in path or path == "/auth/v1/invite"
            expected = 401 if for_editors else REACHED.get((method, str(route.path)), 403)
            assert answer.status_code == expected, (method, path, answer.text)
    assert tried >= {*REACHED, *OPEN}
    app = await enrolled(backend, await again(backend, signed_up))
    both = replace(signed_up, session=(await app.verify()).json())
    assert await level(both) == {"aal": "aal2", "amr": ["totp", "password"]}
    assert (await both.post("/api/safe", {})).status_code == 204
    assert (await both.call("PUT", "/auth/v1/user", json={"data": {"display_name": "A"}})).status_code == 200
    assert (await backend.client.get("/api/how")).json() == {"aal": "none", "amr": []}
    key = await _key(backend)
    assert (await backend.client.get("/api/how", headers=bearer(key))).json() == {"aal": "none", "amr": []}


async def _key(backend: Backend) -> str:
    answer = await backend.client.post("/admin/v1/api-keys", json={"name": "k"}, headers=await backend.admin())
    return str(answer.json()["key"])


def test_another_issuers_token_by_one_factor_is_refused_where_two_are_required() -> None:
    user = user_identity(str(uuid.uuid4()), session_id=None, version=1)
    foreign = foreign_identity(user, [], SignIn(claims={"sub": "x"}))
    with pytest.raises(SecondFactorNeeded):
        hold_required(AuthDef(second_factor="required"), foreign)
    for said, identity in (("optional", foreign), ("required", user), ("required", ANONYMOUS)):
        hold_required(AuthDef.model_validate({"second_factor": said}), identity)


@pytest.mark.parametrize(("old", "new", "wider"), [
    ("required", "optional", True), ("optional", "off", True), ("off", "required", False),
])  # fmt: skip
async def test_what_becomes_of_it_is_told_before_it_is_applied(
    own_backend: Backend, old: str, new: str, wider: bool
) -> None:
    await own_backend.apply({**DOCUMENT, "auth": {"second_factor": old}})
    root = await own_backend.admin()
    document = json.dumps({**DOCUMENT, "auth": {"second_factor": new}})
    headers = {**root, "Content-Type": "application/json"}
    plan = (await own_backend.client.post("/admin/v1/config/plan", content=document, headers=headers)).json()
    assert [one["wider"] for one in plan["effects"]] == [wider]

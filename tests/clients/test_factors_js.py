"""Second factors by the official clients, unmodified: `mfa.*` of auth-js and of supabase_auth."""

from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from supabase import AsyncClientOptions, acreate_client

from tests.backend import PASSWORD, Backend, serving
from tests.clients.test_supabase_js import NODE, called, clients, listening

__all__ = ["clients"]
DOCUMENT: dict[str, Any] = {"rowgate": 1}
# RFC 6238 in the program's own language, which has no package for it.
TOTP = """async (secret, ahead) => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret].map((c) => letters.indexOf(c).toString(2).padStart(5, '0')).join('')
  const bytes = new Uint8Array(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const key = await crypto.subtle.importKey('raw', bytes, {name: 'HMAC', hash: 'SHA-1'}, false, ['sign'])
  const step = new DataView(new ArrayBuffer(8))
  step.setBigUint64(0, BigInt(Math.floor(Date.now() / 30000) + ahead))
  const mac = new DataView(await crypto.subtle.sign('HMAC', key, step.buffer))
  return String((mac.getUint32(mac.getUint8(19) & 15) & 0x7fffffff) % 1000000).padStart(6, '0')
}"""
CALLS: list[tuple[str, Any]] = [
    ("auth.mfa.getAuthenticatorAssuranceLevel().then(r => ({data: [r.data.currentLevel, r.data.nextLevel]}))",
     ["aal1", "aal1"]),
    (f"(globalThis.totp = {TOTP}, auth.mfa.enroll({{factorType: 'totp', friendlyName: 'phone'}}))"
     ".then(r => (globalThis.made = r.data, {data: [r.error, r.data.type, r.data.friendly_name,"
     " r.data.totp.qr_code.startsWith('data:image/svg+xml;utf-8,<svg')]}))",
     [None, "totp", "phone", True]),
    ("auth.mfa.listFactors().then(r => ({data: [r.data.totp.length, r.data.all[0].status]}))", [0, "unverified"]),
    ("auth.mfa.challenge({factorId: made.id}).then(r => (globalThis.asked = r.data, {data: [r.error, r.data.type]}))",
     [None, "totp"]),
    ("auth.mfa.verify({factorId: made.id, challengeId: asked.id, code: '000000'}).then(r => ({data: r.error.code}))",
     "mfa_verification_failed"),
    ("totp(made.totp.secret, -1).then(code => auth.mfa.verify({factorId: made.id, challengeId: asked.id, code}))"
     ".then(r => ({data: [r.error, r.data.user.factors.length]}))", [None, 1]),
    ("auth.mfa.getAuthenticatorAssuranceLevel().then(r => ({data: [r.data.currentLevel, r.data.nextLevel,"
     " r.data.currentAuthenticationMethods.map(one => one.method)]}))", ["aal2", "aal2", ["totp", "password"]]),
    ("auth.mfa.listFactors().then(r => ({data: r.data.totp.map(one => one.friendly_name)}))", ["phone"]),
    ("auth.refreshSession().then(r => ({data: r.error}))", None),
    ("auth.signInWithPassword({email: 'alice@example.com', password: '" + PASSWORD + "'})"
     ".then(r => ({data: r.error}))", None),
    ("auth.mfa.getAuthenticatorAssuranceLevel().then(r => ({data: [r.data.currentLevel, r.data.nextLevel]}))",
     ["aal1", "aal2"]),
    ("auth.updateUser({password: 'another horse battery'}).then(r => ({data: r.error.code}))", "insufficient_aal"),
    ("auth.mfa.unenroll({factorId: made.id}).then(r => ({data: r.error.code}))", "insufficient_aal"),
    ("totp(made.totp.secret, 1).then(code => auth.mfa.challengeAndVerify({factorId: made.id, code}))"
     ".then(r => ({data: r.error}))", None),
    ("auth.mfa.unenroll({factorId: made.id}).then(r => ({data: [r.error, r.data.id === made.id]}))", [None, True]),
    ("auth.mfa.listFactors().then(r => ({data: r.data.all}))", []),
]  # fmt: skip


@pytest.mark.skipif(NODE is None, reason="node and npm are not installed")
async def test_auth_js_enrolls_challenges_verifies_lists_and_unenrolls(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        await backend.sign_up("alice")
        key = backend.app.server.auth.publishable_key
        results = await called(url, key, [call for call, _ in CALLS], clients)
        for (call, expected), result in zip(CALLS, results, strict=True):
            assert result.get("data") == expected, (call, result)


async def code(backend: Backend, secret: str, ahead: int) -> str:
    (row,) = await backend.sql("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint / 30 AS step")
    return pyotp.TOTP(secret).generate_otp(row["step"] + ahead)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_supabase_auth_enrolls_challenges_verifies_lists_and_unenrolls(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url, httpx.AsyncClient() as http:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
        client = await acreate_client(url, backend.app.server.auth.publishable_key, options)
        await client.auth.sign_up({"email": "alice@example.com", "password": PASSWORD})
        mfa = client.auth.mfa
        made = await mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
        assert made.totp is not None
        asked = await mfa.challenge({"factor_id": made.id})
        shown = await code(backend, made.totp.secret, -1)
        await mfa.verify({"factor_id": made.id, "challenge_id": asked.id, "code": shown})
        level = await mfa.get_authenticator_assurance_level()
        assert (level.current_level, level.next_level) == ("aal2", "aal2")
        assert [one.friendly_name for one in (await mfa.list_factors()).totp] == ["phone"]
        await client.auth.refresh_session()
        shown = await code(backend, made.totp.secret, 0)
        await mfa.challenge_and_verify({"factor_id": made.id, "code": shown})
        assert (await mfa.unenroll({"factor_id": made.id})).id == made.id
        assert (await mfa.list_factors()).all == []

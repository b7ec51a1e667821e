// What the published suites of auth-js ask of a server, asked in the same order of things; prints what failed of which.
import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'

const { url, key, adminKey, part, to } = JSON.parse(await new Response(process.stdin).text())
const realtime = { transport: globalThis.WebSocket ?? class {} }
const password = 'correct horse battery'
const nobody = '83fd9e20-7a80-46e4-bf29-a86e3d6bbf66'
const results = []
let number = 0

function stored() {
  const kept = new Map()
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  }
}

function made(more = {}) {
  const auth = { storage: stored(), persistSession: true, autoRefreshToken: false, detectSessionInUrl: false, ...more }
  return createClient(url, key, { realtime, auth })
}

const address = () => `n${(number += 1)}.${part}@example.com`
const admin = createClient(url, adminKey, { realtime, auth: { persistSession: false, autoRefreshToken: false } }).auth.admin

function good({ data, error }) {
  assert.equal(error, null, error && `${error.code}: ${error.message}`)
  return data
}

function refused({ data, error }, said = {}) {
  assert.ok(error, 'nothing was refused')
  for (const one of Object.values(data ?? {})) assert.ok(one === null || one.length === 0, JSON.stringify(data))
  for (const [name, wanted] of Object.entries(said)) {
    if (wanted instanceof RegExp) assert.match(String(error[name]), wanted)
    else assert.equal(error[name], wanted)
  }
  return error
}

async function signedUp(more) {
  const client = made(more)
  const email = address()
  const data = good(await client.auth.signUp({ email, password }))
  return { client, auth: client.auth, email, data, session: data.session, id: data.user.id }
}

// What the suites want of every user and every session.
function isUser(user, email) {
  for (const name of ['id', 'email', 'phone', 'aud', 'email_confirmed_at', 'last_sign_in_at', 'created_at', 'updated_at']) {
    assert.equal(typeof user[name], 'string', name)
  }
  assert.equal(user.email, email)
  assert.equal(user.app_metadata.provider, 'email')
}

function isSession(session, email) {
  for (const name of ['access_token', 'refresh_token']) assert.equal(typeof session[name], 'string', name)
  for (const name of ['expires_in', 'expires_at']) assert.equal(typeof session[name], 'number', name)
  assert.equal(session.token_type, 'bearer')
  isUser(session.user, email)
}

// Puts another session where the client keeps its own.
async function replaced(client, change) {
  const { storage, storageKey } = client.auth
  const kept = JSON.parse(await storage.getItem(storageKey))
  await storage.setItem(storageKey, JSON.stringify({ ...kept, ...change }))
}

const past = () => Math.floor(Date.now() / 1000) - 3600
const unsigned = (claims) =>
  [{ alg: 'HS256', typ: 'JWT' }, claims].map((one) => Buffer.from(JSON.stringify(one)).toString('base64url')).join('.')
const expired = `${unsigned({ sub: nobody, exp: past(), iat: past() - 60 })}.c2lnbmF0dXJl`

const open = {
  async 'a session is refreshed by a token that is given'() {
    const { auth, session, email } = await signedUp()
    const fresh = good(await auth.refreshSession({ refresh_token: session.refresh_token })).session
    isSession(fresh, email)
    assert.notEqual(fresh.refresh_token, session.refresh_token)
  },
  async 'a session is refreshed by the token that is kept'() {
    const { auth, session, email } = await signedUp()
    const fresh = good(await auth.refreshSession()).session
    isSession(fresh, email)
    assert.notEqual(fresh.refresh_token, session.refresh_token)
  },
  async 'a session that is set is kept and used'() {
    const { session, email } = await signedUp()
    const { auth } = made()
    isSession(good(await auth.setSession(session)).session, email)
    isSession(good(await auth.getSession()).session, email)
    assert.equal(good(await auth.updateUser({ data: { hello: 'world' } })).user.user_metadata.hello, 'world')
  },
  async 'a session of junk, or of tokens that are none, is not set'() {
    const { auth, session } = await signedUp()
    refused(await auth.setSession({ ...session, access_token: 'junk' }), { message: /Invalid JWT structure/ })
    refused(await auth.setSession({ access_token: expired, refresh_token: 'junk' }), {
      message: 'Invalid Refresh Token: Refresh Token Not Found', code: 'refresh_token_not_found',
    })
    refused(await auth.setSession({ access_token: 'junk' }), { message: 'Auth session missing!' })
    refused(await auth.refreshSession({ refresh_token: 'junk' }), { code: 'refresh_token_not_found' })
  },
  async 'one whose access token is over is refreshed when it is asked for'() {
    const { client, auth, session, email } = await signedUp()
    await replaced(client, { expires_at: past() })
    const fresh = good(await auth.getSession()).session
    isSession(fresh, email)
    assert.notEqual(fresh.refresh_token, session.refresh_token)
  },
  async 'one with a refresh token that is none is gone'() {
    const { client, auth } = await signedUp()
    await replaced(client, { expires_at: past(), refresh_token: 'junk' })
    refused(await auth.getSession(), { message: /^Invalid Refresh Token/ })
    assert.equal(good(await auth.getSession()).session, null)
  },
  async 'two who refresh at once get one session'() {
    const { client, auth } = await signedUp()
    await replaced(client, { expires_at: past() })
    const [one, other] = await Promise.all([auth.getSession(), auth.getSession()])
    assert.equal(good(one).session.access_token, good(other).session.access_token)
  },
  async 'a code of a flow that never was is refused'() {
    const { auth } = made({ flowType: 'pkce' })
    await auth.signInWithOtp({ email: address() })
    refused(await auth.exchangeCodeForSession('junk'), { code: 'flow_state_not_found' })
  },
  async 'a sign-up gives a user and a session, under PKCE too, with the data that came along'() {
    for (const flowType of ['implicit', 'pkce']) {
      const email = address()
      const sent = { email, password, options: { data: { info: 'some info' }, emailRedirectTo: to } }
      const data = good(await made({ flowType }).auth.signUp(sent))
      isSession(data.session, email)
      assert.equal(data.user.user_metadata.info, 'some info')
    }
  },
  async 'a sign-up with a short password, a text that is no address, or neither is refused'() {
    const { auth } = made()
    const weak = refused(await auth.signUp({ email: address(), password: '123' }), {
      message: 'Password should be at least 8 characters.', code: 'weak_password', name: 'AuthWeakPasswordError',
    })
    assert.deepEqual(weak.reasons, ['length'])
    refused(await auth.signUp({ email: 'a', password }), {
      message: 'Unable to validate email address: invalid format', code: 'validation_failed',
    })
    refused(await auth.signUp({ password }), { message: /provide either an email or phone number and a password/ })
    refused(await auth.signInWithPassword({ password }), { message: /provide either an email or phone number/ })
    refused(await auth.signInWithOtp({}), { message: /provide either an email or phone number/ })
    refused(await auth.resend({}), { message: /provide either an email or phone number/ })
  },
  async 'a second sign-up with the same address is refused'() {
    const { email } = await signedUp()
    refused(await made().auth.signUp({ email, password }), { message: 'User already registered' })
  },
  async 'a mail is sent again, and of an unknown address too'() {
    for (const options of [{ emailRedirectTo: to }, {}]) {
      good(await made().auth.resend({ type: 'signup', email: address(), options }))
    }
    good(await made().auth.resend({ type: 'email_change', email: address() }))
  },
  async 'a code is mailed, and neither user nor session is told'() {
    for (const options of [{ data: { hello: 'world' } }, {}, { shouldCreateUser: false, captchaToken: 'a' }]) {
      assert.deepEqual(good(await made().auth.signInWithOtp({ email: address(), options })), { user: null, session: null })
    }
    refused(await made().auth.signInWithOtp({ email: 'junk' }), { code: 'validation_failed' })
  },
  async 'a code that is none is refused'() {
    refused(await made().auth.verifyOtp({ email: address(), token: '123456', type: 'email' }), {
      message: 'Token has expired or is invalid', code: 'otp_expired', status: 403,
    })
  },
  async 'nothing goes by telephone'() {
    const phone = '+15555551212'
    const { auth } = made()
    for (const asked of [
      auth.signUp({ phone, password }), auth.signInWithPassword({ phone, password }), auth.signInWithOtp({ phone }),
      auth.verifyOtp({ phone, token: '123456', type: 'sms' }), auth.resend({ phone, type: 'sms' }),
    ]) assert.equal(Math.floor(refused(await asked).status / 100), 4)
  },
  async 'a password signs in, and a wrong one does not'() {
    const { email, id } = await signedUp()
    const { auth } = made()
    refused(await auth.signInWithPassword({ email, password: `${password}-` }), {
      message: 'Invalid login credentials', code: 'invalid_credentials',
    })
    refused(await auth.signInWithPassword({ email: address(), password }), { code: 'invalid_credentials' })
    const data = good(await auth.signInWithPassword({ email, password, options: { captchaToken: 'some' } }))
    isSession(data.session, email)
    assert.equal(data.user.id, id)
    isSession(good(await auth.getSession()).session, email)
  },
  async 'who is told of by events: signed in, refreshed, changed, signed out, and no more after unsubscribing'() {
    const email = address()
    const { auth } = made()
    const events = []
    const { data } = auth.onAuthStateChange((event, session) => void events.push([event, session?.user.email ?? null]))
    await auth.getSession()
    good(await auth.signUp({ email, password }))
    good(await auth.refreshSession())
    good(await auth.updateUser({ data: { hello: 'you' } }))
    good(await auth.signOut())
    good(await auth.signInWithPassword({ email, password }))
    data.subscription.unsubscribe()
    good(await auth.signOut())
    assert.deepEqual(events, [
      ['INITIAL_SESSION', null], ['SIGNED_IN', email], ['TOKEN_REFRESHED', email], ['USER_UPDATED', email],
      ['SIGNED_OUT', null], ['SIGNED_IN', email],
    ])
  },
  async 'a recovery by its code is told of as one'() {
    const { email } = await signedUp()
    const { email_otp: token } = good(await admin.generateLink({ type: 'recovery', email })).properties
    const { auth } = made()
    const events = []
    auth.onAuthStateChange((event) => void events.push(event))
    await auth.getSession()
    isUser(good(await auth.verifyOtp({ email, token, type: 'recovery' })).user, email)
    assert.deepEqual(events.at(-1), 'PASSWORD_RECOVERY')
  },
  async 'a client that refreshes by itself does so before its token is over, and stops when it is told to'() {
    const { client, auth, session } = await signedUp()
    await replaced(client, { expires_at: Math.floor(Date.now() / 1000) + 30 }) // of the 90 seconds that it looks ahead
    const refreshed = new Promise((told) => auth.onAuthStateChange((event, now) => event === 'TOKEN_REFRESHED' && told(now)))
    await auth.startAutoRefresh()
    await auth.startAutoRefresh()
    const fresh = await refreshed
    assert.notEqual(fresh.refresh_token, session.refresh_token)
    isSession(good(await auth.getSession()).session, session.user.email)
    await auth.stopAutoRefresh()
    await auth.stopAutoRefresh()
  },
  async 'signing out here, elsewhere and everywhere ends those sessions and no others'() {
    for (const [scope, ends] of [['local', [true, false]], ['others', [false, true]], ['global', [true, true]]]) {
      const { auth, email, session } = await signedUp()
      const other = made()
      good(await other.auth.signInWithPassword({ email, password }))
      const there = good(await other.auth.getSession()).session
      good(await auth.signOut({ scope }))
      assert.equal(good(await auth.getSession()).session === null, scope !== 'others', scope)
      const fresh = made().auth // asks the server, where the clients' own copies say nothing
      const found = [session, there].map((one) => fresh.getUser(one.access_token))
      assert.deepEqual((await Promise.all(found)).map(({ error }) => error?.name === 'AuthSessionMissingError'), ends, scope)
    }
  },
  async 'signing out is no error when the account is gone'() {
    const { auth, id } = await signedUp()
    good(await admin.deleteUser(id))
    good(await auth.signOut())
    assert.equal((await auth.getUser()).data.user, null)
  },
  async 'without a session nothing of the person is told or changed'() {
    const { auth } = made()
    assert.equal(good(await auth.getSession()).session, null)
    for (const asked of [auth.getUser(), auth.updateUser({ data: {} }), auth.getUserIdentities()]) {
      refused(await asked, { message: /Auth session missing!/ })
    }
    assert.deepEqual(await auth.getClaims(), { data: null, error: null })
    refused(await auth.reauthenticate(), { message: /session missing/ })
    for (const asked of [
      auth.mfa.enroll({ factorType: 'totp' }), auth.mfa.challenge({ factorId: nobody }),
      auth.mfa.verify({ factorId: nobody, challengeId: nobody, code: '123456' }), auth.mfa.unenroll({ factorId: nobody }),
    ]) refused(await asked)
  },
  async 'the person is told, changed, and told anew'() {
    const { auth, email, data } = await signedUp()
    isUser(data.user, email)
    const { user } = good(await auth.updateUser({ data: { hello: 'world' } }))
    isUser(user, email)
    assert.equal(user.user_metadata.hello, 'world')
    assert.equal(good(await auth.getUser()).user.user_metadata.hello, 'world')
    assert.equal(good(await made().auth.getUser((await auth.getSession()).data.session.access_token)).user.email, email)
    refused(await made().auth.getUser('junk'), { status: 401, code: 'bad_jwt' })
    good(await auth.updateUser({ password: 'another horse battery' }))
    refused(await made().auth.signInWithPassword({ email, password }), { code: 'invalid_credentials' })
    good(await made().auth.signInWithPassword({ email, password: 'another horse battery' }))
  },
  async 'a recovery says the same of every address'() {
    const { email } = await signedUp()
    for (const one of [email, address()]) {
      assert.deepEqual(good(await made().auth.resetPasswordForEmail(one, { redirectTo: to, captchaToken: 'a' })), {})
    }
  },
  async 'where a sign-in at a provider begins is told without asking'() {
    const { auth } = made({ flowType: 'pkce' })
    const options = { redirectTo: to, scopes: 'repo', queryParams: { prompt: 'consent' }, skipBrowserRedirect: true }
    const data = good(await auth.signInWithOAuth({ provider: 'github', options }))
    const found = new URL(data.url)
    assert.equal(found.pathname, '/auth/v1/authorize')
    for (const name of ['provider', 'redirect_to', 'code_challenge']) assert.ok(found.searchParams.get(name), name)
  },
  async 'a provider that the document does not name, a wallet and single sign-on are refused'() {
    const { auth } = made({ flowType: 'pkce' })
    refused(await auth.signInWithIdToken({ provider: 'google', token: 'junk', nonce: 'junk' }), { code: 'validation_failed' })
    const signature = new Uint8Array([1, 2, 3])
    for (const chain of ['solana', 'ethereum']) refused(await auth.signInWithWeb3({ chain, message: 'hello', signature }))
    refused(await auth.signInWithSSO({ domain: 'example.com' }), { status: 404 })
    const signedIn = (await signedUp()).auth
    assert.ok((await signedIn.linkIdentity({ provider: 'google', options: { skipBrowserRedirect: true } })).error)
  },
  async 'a second factor is enrolled, asked for, refused by a wrong code, listed and gone'() {
    const { auth } = await signedUp()
    const { id, totp } = good(await auth.mfa.enroll({ factorType: 'totp' }))
    assert.ok(totp.qr_code && totp.secret && totp.uri)
    const challenge = good(await auth.mfa.challenge({ factorId: id }))
    assert.equal(typeof challenge.expires_at, 'number')
    const wrong = { message: /Invalid TOTP code/, code: 'mfa_verification_failed' }
    refused(await auth.mfa.verify({ factorId: id, challengeId: challenge.id, code: '000000' }), wrong)
    refused(await auth.mfa.challengeAndVerify({ factorId: id, code: '000000' }), wrong)
    assert.equal(good(await auth.mfa.listFactors()).all.length, 1)
    assert.equal(good(await auth.mfa.getAuthenticatorAssuranceLevel()).currentLevel, 'aal1')
    good(await auth.mfa.unenroll({ factorId: id }))
    assert.deepEqual(good(await auth.mfa.listFactors()).all, [])
  },
  async 'claims are those of the person, refreshed where the session is over'() {
    const { client, auth, email } = await signedUp()
    assert.equal(good(await auth.getClaims()).claims.email, email)
    await replaced(client, { expires_at: past() })
    assert.equal(good(await auth.getClaims()).claims.email, email)
    await replaced(client, { access_token: `${unsigned({ sub: nobody, exp: Date.now() })}.c2lnbmF0dXJl` })
    refused(await auth.getClaims(), { message: /unable to parse or verify signature/, code: 'bad_jwt' })
  },
  async 'who gives no name is signed in anonymously'() {
    const { auth } = made()
    const { user, session } = good(await auth.signInAnonymously({ options: { data: { info: 'some info' } } }))
    assert.equal(user.is_anonymous, true)
    assert.equal(user.user_metadata.info, 'some info')
    assert.equal(good(await auth.getSession()).session.access_token, session.access_token)
  },
  async 'who shows once more who it is gets a code, and no session by asking'() {
    const { auth } = await signedUp()
    assert.deepEqual(good(await auth.reauthenticate()), { user: null, session: null })
  },
  async 'the address is an identity, the last, and stays'() {
    const { auth, email } = await signedUp()
    const { identities } = good(await auth.getUserIdentities())
    assert.deepEqual(identities.map((one) => [one.provider, one.identity_data.email]), [['email', email]])
    refused(await auth.unlinkIdentity(identities[0]))
  },
  async 'an editor makes people, with their data and their roles'() {
    const email = address()
    const sent = { email, password, user_metadata: { info: 'x' }, app_metadata: { roles: ['publisher'] } }
    const { user } = good(await admin.createUser(sent))
    assert.equal(user.email, email)
    assert.equal(user.user_metadata.info, 'x')
    assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'], roles: ['publisher'] })
    const invalid = { message: /Unable to validate email address: invalid format/ }
    refused(await admin.createUser({ email: 'xx:;x@x.x', password }), invalid)
    refused(await admin.inviteUserByEmail('xx:;x@x.x'), invalid)
    refused(await admin.generateLink({ type: 'signup', email: 'xx:;x@x.x', password }), invalid)
    refused(await admin.createUser({ email, password }), { code: 'email_exists' })
  },
  async 'an editor lists, reads, changes and deletes them, and nobody who is not there'() {
    const email = address()
    const { id } = good(await admin.createUser({ email, password, email_confirm: false })).user
    const listed = good(await admin.listUsers())
    assert.ok(listed.aud)
    assert.ok(listed.users.some((one) => one.email === email))
    assert.deepEqual(refused(await admin.listUsers({ page: -1, perPage: 10 })).status, 422)
    const read = good(await admin.getUserById(id)).user
    assert.equal(read.email, email)
    assert.ok(!read.email_confirmed_at)
    const renamed = `new.${email}`
    assert.equal(good(await admin.updateUserById(id, { email: renamed })).user.email, renamed)
    assert.ok(good(await admin.updateUserById(id, { email_confirm: true })).user.email_confirmed_at)
    assert.equal(good(await admin.updateUserById(id, { user_metadata: { info: 'y' } })).user.user_metadata.info, 'y')
    const { user } = good(await admin.updateUserById(id, { app_metadata: { roles: ['publisher', 'support'] } }))
    assert.deepEqual(user.app_metadata.roles, ['publisher', 'support'])
    good(await admin.deleteUser(id))
    assert.ok(!good(await admin.listUsers({ perPage: 1000 })).users.some((one) => one.email === renamed))
    for (const asked of [
      admin.getUserById(nobody), admin.updateUserById(nobody, { email: address() }), admin.deleteUser(nobody),
      admin.mfa.listFactors({ userId: nobody }), admin.mfa.deleteFactor({ userId: nobody, id: nobody }),
    ]) refused(await asked)
  },
  async 'an editor makes links that their owner uses'() {
    const options = { data: { info: 'alpha' }, redirectTo: to }
    const email = address()
    const { properties, user } = good(await admin.generateLink({ type: 'signup', email, password, options }))
    assert.equal(user.user_metadata.info, 'alpha')
    assert.match(properties.action_link, /verify\?token=.*type=signup/)
    assert.deepEqual([properties.redirect_to, properties.verification_type], [to, 'signup'])
    isUser(good(await made().auth.verifyOtp({ email, token: properties.email_otp, type: 'signup' })).user, email)
    const mine = await signedUp()
    const change = { type: 'email_change_current', email: mine.email, newEmail: address(), options: { redirectTo: to } }
    const changed = good(await admin.generateLink(change))
    assert.equal(changed.user.new_email, change.newEmail)
    assert.match(changed.properties.action_link, /type=email_change/)
    const by = good(await admin.generateLink({ type: 'magiclink', email: mine.email })).properties
    const used = await made().auth.verifyOtp({ token_hash: by.hashed_token, type: 'magiclink' })
    isUser(good(used).user, mine.email)
  },
  async 'an editor invites somebody'() {
    const { user } = good(await admin.inviteUserByEmail(address(), { data: { info: 'alpha' }, redirectTo: to }))
    assert.ok(user.invited_at)
  },
  async 'an editor ends sessions by their token, and takes factors away'() {
    const { auth, session, id } = await signedUp()
    good(await auth.mfa.enroll({ factorType: 'totp' }))
    const [factor] = good(await admin.mfa.listFactors({ userId: id })).factors
    good(await admin.mfa.deleteFactor({ userId: id, id: factor.id }))
    assert.deepEqual(good(await admin.mfa.listFactors({ userId: id })).factors, [])
    good(await admin.signOut((await signedUp()).session.access_token))
    refused(await admin.signOut('junk'), { message: /^invalid JWT/ })
    assert.ok(session)
  },
  async 'views and functions are asked for as who is signed in, with the token of the moment'() {
    const { client, email } = await signedUp()
    const asked = async () => [
      (await client.from('me').select('email')).data, (await client.functions.invoke('whoami', { method: 'GET' })).data,
    ]
    assert.deepEqual(await asked(), [[{ email }], { email }])
    await replaced(client, { expires_at: past() }) // supabase-js asks auth-js for the token each time
    assert.deepEqual(await asked(), [[{ email }], { email }])
    await client.auth.signOut()
    assert.equal((await client.from('me').select('email')).status, 401)
    assert.equal((await client.functions.invoke('whoami', { method: 'GET' })).error.context.status, 401)
  },
}

const confirming = {
  async 'a sign-up gives a user who is to confirm the address, and no session; an address that is taken looks alike'() {
    const email = address()
    const first = good(await made().auth.signUp({ email, password }))
    const again = good(await made({ flowType: 'pkce' }).auth.signUp({ email, password, options: { emailRedirectTo: to } }))
    for (const { user, session } of [first, again]) {
      assert.equal(session, null)
      assert.deepEqual([user.email, user.email_confirmed_at, user.identities.length], [email, null, 1])
    }
    refused(await made().auth.signInWithPassword({ email, password }), { code: 'email_not_confirmed' })
    good(await admin.updateUserById(first.user.id, { email_confirm: true }))
    good(await made().auth.resend({ type: 'signup', email }))
  },
}

const closed = {
  async 'nobody signs up, with an address or without one'() {
    refused(await made().auth.signUp({ email: address(), password }), { message: 'Signups not allowed for this instance' })
    refused(await made().auth.signInAnonymously(), { message: 'Anonymous sign-ins are disabled' })
  },
}

for (const [name, check] of Object.entries({ open, confirming, closed }[part])) {
  try {
    await check()
    results.push([name, null])
  } catch (error) {
    results.push([name, String(error.stack)])
  }
}
console.log(JSON.stringify(results))
process.exit(0)

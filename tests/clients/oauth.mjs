// Signs in through the browser's way with supabase-js: redirects are followed by hand, with the cookies of one browser.
import { createClient } from '@supabase/supabase-js'

const { url, key, provider, redirectTo, flowType, subjects } = JSON.parse(await new Response(process.stdin).text())
const realtime = { transport: globalThis.WebSocket ?? class {} }
const jar = new Map()

async function visit(address, options = {}) {
  const headers = { ...options.headers, cookie: jar.get(new URL(address).host) ?? '' }
  const answer = await fetch(address, { ...options, headers, redirect: 'manual' })
  for (const one of answer.headers.getSetCookie()) jar.set(new URL(address).host, one.split(';')[0])
  return answer
}

// Goes where a browser would, signs in at the provider's form, and gives the address that the sign-in ends at.
async function through(address, sub) {
  for (let steps = 0; steps < 8 && !address.startsWith(redirectTo); steps++) {
    const form = { method: 'POST', body: new URLSearchParams(sub === null ? { action: 'deny' } : { sub }) }
    const answer = await visit(address, address.includes('/oauth2/authorize') ? form : {})
    const next = answer.headers.get('location')
    if (!next) throw new Error(`${answer.status} ${await answer.text()}`)
    address = new URL(next, address).href
  }
  return new URL(address)
}

const kept = new Map()
const storage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => void kept.set(name, value),
  removeItem: (name) => void kept.delete(name),
}
const auth = createClient(url, key, {
  realtime, auth: { flowType, storage, persistSession: true, autoRefreshToken: false, detectSessionInUrl: false },
}).auth

async function ended(at) {
  const told = new URLSearchParams(at.hash.slice(1))
  if (told.get('error')) return { error: told.get('error'), code: told.get('error_code') }
  if (flowType === 'pkce') return auth.exchangeCodeForSession(at.searchParams.get('code'))
  return auth.setSession({ access_token: told.get('access_token'), refresh_token: told.get('refresh_token') })
}

const results = []
const options = { redirectTo, skipBrowserRedirect: true }
for (const sub of subjects) {
  const { data } = await auth.signInWithOAuth({ provider, options })
  const found = await ended(await through(data.url, sub))
  results.push(found.data ? { email: found.data.user?.email, error: found.error?.code } : found)
}
if (flowType === 'pkce') {
  const { data, error } = await auth.linkIdentity({ provider, options })
  if (error) throw error
  const found = await ended(await through(data.url, 'second'))
  const identities = await auth.getUserIdentities()
  results.push({ linked: identities.data.identities.length, error: found.error?.code })
}
console.log(JSON.stringify(results))

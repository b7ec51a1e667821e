// Runs calls of supabase-js that stand on standard input as JSON, one after the other, and prints what each gave.
import { createClient } from '@supabase/supabase-js'
import { PostgrestClient } from '@supabase/postgrest-js'
import { fetchLong } from './fetch_long.mjs'

const { url, key, email, password, calls } = JSON.parse(await new Response(process.stdin).text())
// Node has no WebSocket before 22, and realtime is not asked for here.
const realtime = { transport: globalThis.WebSocket ?? class {} }
const client = createClient(url, key, { realtime, auth: { persistSession: false, autoRefreshToken: false } })
const signedIn = await client.auth.signInWithPassword({ email, password })
if (signedIn.error) throw signedIn.error
const token = signedIn.data.session.access_token
const rest = new PostgrestClient(`${url}/rest/v1`, { headers: { Authorization: `Bearer ${token}` } })
const long = new PostgrestClient(`${url}/rest/v1`, { headers: { Authorization: `Bearer ${token}` }, fetch: fetchLong })
const names = { client, rest, long, auth: client.auth, from: client.from.bind(client) }
const run = (text) => new Function(...Object.keys(names), `return ${text}`)(...Object.values(names))

const results = []
for (const text of calls) {
  try {
    const { data, error, status, count } = await run(text)
    results.push({ data, error: error && { code: error.code, message: error.message }, status, count })
  } catch (error) {
    results.push({ thrown: String(error) })
  }
}
console.log(JSON.stringify(results))

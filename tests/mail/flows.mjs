// Runs blocks of a page that stand on standard input as JSON, one after the other, each with the newest mail at hand.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const { url, key, adminKey, from, blocks } = JSON.parse(await new Response(process.stdin).text())
const { createClient } = await import(pathToFileURL(createRequire(`${from}/`).resolve('@supabase/supabase-js')))
const realtime = { transport: globalThis.WebSocket ?? class {} }
const auth = { persistSession: false, autoRefreshToken: false, flowType: 'pkce' }
const supabase = createClient(url, key, { realtime, auth })
const admin = createClient(url, adminKey, { realtime, auth })
const AsyncFunction = (async () => {}).constructor

async function read() {
  const shown = await (await fetch(`${url}/admin/v1/mail`, { headers: { Authorization: `Bearer ${adminKey}` } })).json()
  return shown.map(({ text }) => {
    const link = text.match(/http\S+\/auth\/v1\/verify\?\S+/)?.[0]
    return { link, code: text.match(/\b\d{6}\b/)?.[0], tokenHash: link && new URL(link).searchParams.get('token') }
  })
}

for (const block of blocks) {
  const mails = await read()
  const { link, code, tokenHash } = mails[0] ?? {}
  const opened = link && (await fetch(link, { redirect: 'manual' })).headers.get('location')
  const names = { supabase, admin, mails, link, code, tokenHash, location: { href: opened } }
  try {
    await new AsyncFunction(...Object.keys(names), block)(...Object.values(names))
  } catch (error) {
    console.log(JSON.stringify({ block, error: `${error.code}: ${error.message ?? error}` }))
    process.exit(1)
  }
}
console.log(JSON.stringify({ ran: blocks.length }))

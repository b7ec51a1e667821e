// What docs/views.md gives to clients whose queries are too long for an address.
export const fetchLong = (input, init = {}) => {
  const url = new URL(input)
  if (url.href.length < 16_000 || (init.method ?? 'GET') !== 'GET') return fetch(input, init)
  const headers = new Headers(init.headers)
  headers.set('Content-Type', 'application/x-www-form-urlencoded')
  const body = url.search.slice(1)
  url.search = ''
  return fetch(`${url}/query`, { ...init, method: 'POST', headers, body })
}

// Requests to the page's own server. A refusal is an Error with the server's words, its kind and what changed.

const csrf = () => document.querySelector('meta[name="csrf"]').content

const MAX_KEPT = 60_000 // a browser sends so many bytes on although their page is left (64 KiB in all, by the fetch standard)

// A browser has words of its own for a server that does not answer, such as “Failed to fetch”.
const ask = (address, request) => fetch(address, request).catch(() => {
  throw new Error('The server does not answer; try again in a moment.')
})

async function answer(response) {
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
    return new Promise(() => {}) // the login page comes
  }
  const content = await response.json().catch(() => {
    throw new Error(`The server answers with an error (${response.status}); try again in a moment.`)
  })
  if (!response.ok) throw Object.assign(new Error(content.error), { kind: content.kind, changes: content.changes ?? [] })
  return content
}

export async function post(address, content = {}) {
  const body = JSON.stringify(content)
  return answer(await ask(address, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf() },
    body,
    keepalive: body.length < MAX_KEPT / 3, // a character has up to three bytes
  }))
}

export async function get(address) {
  return answer(await ask(address))
}

// Another page as a document without scripts; null where it is not the one that was asked for, such as the login.
export async function page(address) {
  const response = await fetch(address)
  if (!response.ok || response.redirected) return null
  const found = new DOMParser().parseFromString(await response.text(), 'text/html')
  document.querySelector('meta[name="csrf"]').content = found.querySelector('meta[name="csrf"]').content
  return found
}

// Requests to the page's own server. A refusal is an Error with the server's words, its kind and what changed.

const csrf = document.querySelector('meta[name="csrf"]').content

async function answer(response) {
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
    return new Promise(() => {}) // the login page comes
  }
  const content = await response.json()
  if (!response.ok) throw Object.assign(new Error(content.error), { kind: content.kind, changes: content.changes ?? [] })
  return content
}

export async function post(address, content = {}) {
  return answer(await fetch(address, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf },
    body: JSON.stringify(content),
  }))
}

export async function get(address) {
  return answer(await fetch(address))
}

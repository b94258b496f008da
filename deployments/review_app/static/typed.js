// What was typed and not decided, kept by the browser's tab: so that it can be put back after a session has ended,
// after a reload, or when the person comes back from another page. Logging out clears it.

const KEY = 'winnow-typed', MOST = 20 // items
const person = () => document.querySelector('.who .name').textContent

// Of every item; nothing where somebody else has typed it, or where the browser keeps nothing.
function kept() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? '{}')
    return found.by === person() ? found.items : []
  } catch {
    return []
  }
}

// Values and places by field.
export function typedBefore(id) {
  return kept().find(item => item.id === id)?.typed ?? {}
}

export function keepTyped(id, typed) {
  const others = kept().filter(item => item.id !== id)
  const items = Object.keys(typed).length ? [{ id, typed }, ...others].slice(0, MOST) : others
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ by: person(), items }))
  } catch {
    // the tab's store is full or switched off: then nothing can be offered again
  }
}

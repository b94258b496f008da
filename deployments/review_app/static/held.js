// A key that decides counts once, however long it is held: something that lies on Enter must not clear the queue.
// Arrows and other keys that only move may repeat, and so may what is typed.

function decides(event) {
  if (event.key === 'Enter') return true
  return /^[\p{L}\p{N}?]$/u.test(event.key) && !event.target.matches('input, textarea, select')
}

document.addEventListener('keydown', event => {
  if (!event.repeat || !decides(event)) return
  event.preventDefault()
  event.stopImmediatePropagation()
}, { capture: true })

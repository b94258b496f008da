// Keys of the choice of strips: arrows move through the fields, Q opens the queue.

const links = [...document.querySelectorAll('.strips .chip')]
links[0]?.focus()

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const at = links.indexOf(document.activeElement)
  if (event.key === 'ArrowRight' || event.key === 'ArrowDown') links[Math.min(at + 1, links.length - 1)]?.focus()
  else if (event.key === 'ArrowLeft' || event.key === 'ArrowUp') links[Math.max(at - 1, 0)]?.focus()
  else if (event.key === 'q') location.assign('/')
  else return
  event.preventDefault()
})

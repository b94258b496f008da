// Keys of the history: Esc opens the document, Q the queue.

const back = document.getElementById('history').dataset.back

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === 'Escape') location.assign(back)
  else if (event.key === 'q') location.assign('/')
})

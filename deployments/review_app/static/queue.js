// Keys of the queue: arrows move through the rows, H opens the history, / searches, Z takes the last decision back,
// Enter takes the next item (the button has the focus).

import './held.js'
import { offerUndo, takeBack, toast } from './toast.js'

const undo = () => takeBack().then(found => { if (found) location.assign(found.to) }, error => toast(error.message))
const links = [...document.querySelectorAll('.list .name a')]

document.addEventListener('keydown', event => {
  if (event.target.matches('input, select') || event.ctrlKey || event.metaKey || event.altKey) return
  const at = links.indexOf(document.activeElement)
  if (event.key === 'ArrowDown' || event.key === 'j') links[Math.min(at + 1, links.length - 1)]?.focus()
  else if (event.key === 'ArrowUp' || event.key === 'k') (links[at - 1] ?? document.getElementById('start'))?.focus()
  else if (event.key === 'h' && at >= 0) location.assign(links[at].closest('tr').querySelector('a[href*="/history"]').href)
  else if (event.key === 'z') undo()
  else if (event.key === '/') document.getElementById('search').focus()
  else return
  event.preventDefault()
})

offerUndo(undo)

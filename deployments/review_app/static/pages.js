// The document's pages: evidence of the field that is looked at, size, and words that are clicked.

import { get } from './api.js'

let scale = Number(localStorage.getItem('winnow-scale')) || 100 // the same for every document

// `take` gets the words that are clicked, as evidence.
export function pagesOf(root, id, take) {
  const area = root.querySelector('#pages'), scroller = root.querySelector('#document')
  const all = [...area.querySelectorAll('.page')]

  function show(field) {
    for (const mark of area.querySelectorAll('.on')) mark.classList.remove('on')
    const marks = [...area.querySelectorAll(`[data-field~="${CSS.escape(field)}"]`)]
    marks.forEach(mark => mark.classList.add('on'))
    if (marks.length) reveal(marks[0])
  }

  function reveal(mark) {
    const box = mark.getBoundingClientRect(), view = scroller.getBoundingClientRect()
    const isSeen = box.top > view.top + 60 && box.bottom < view.bottom - 40 && box.left > view.left && box.right < view.right
    if (!isSeen) scroller.scrollBy({ top: box.top - view.top - view.height * 0.35, left: box.left - view.left - 60 })
  }

  function zoom(step) {
    scale = Math.min(300, Math.max(40, scale + step))
    localStorage.setItem('winnow-scale', scale)
    area.style.width = `${scale}%`
  }

  function turn(step) {
    const top = scroller.getBoundingClientRect().top
    const at = all.findLastIndex(page => page.getBoundingClientRect().top - top < 80)
    all[Math.min(all.length - 1, Math.max(0, at + step))]?.scrollIntoView({ block: 'start' })
  }

  for (const page of all) page.querySelector('svg') ? drawn(page, id, take) : text(page, take)
  for (const image of area.querySelectorAll('img')) watch(image)
  return { show, zoom, turn }
}

function drawn(page, id, take) {
  const number = Number(page.dataset.page), svg = page.querySelector('svg'), drag = svg.querySelector('.drag')
  let from = null, words = null
  const point = event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse())
    return [at.x, at.y]
  }
  page.addEventListener('pointerdown', event => {
    if (event.button === 0 && event.target.closest('svg, img')) { from = point(event); page.setPointerCapture(event.pointerId); event.preventDefault() }
  })
  page.addEventListener('pointercancel', () => { from = null; outline(drag, [0, 0], [0, 0]) }) // a tablet scrolls instead
  page.addEventListener('pointermove', event => { if (from) outline(drag, from, point(event)) })
  page.addEventListener('pointerup', async event => {
    if (!from) return
    const start = from, end = point(event)
    from = null
    outline(drag, [0, 0], [0, 0])
    words ??= get(`/items/${id}/words/${number}`).catch(() => { words = null }) // the next click asks again
    const found = pick((await words)?.words ?? [], start, end)
    if (found.length) take(evidence(number, found))
  })
}

function outline(drag, [x0, y0], [x1, y1]) {
  drag.setAttribute('x', Math.min(x0, x1))
  drag.setAttribute('y', Math.min(y0, y1))
  drag.setAttribute('width', Math.abs(x1 - x0))
  drag.setAttribute('height', Math.abs(y1 - y0))
}

// The words under a click, or those whose middle a dragged rectangle covers.
function pick(all, [x0, y0], [x1, y1]) {
  const isClick = Math.abs(x1 - x0) < 3 && Math.abs(y1 - y0) < 3
  if (isClick) return all.filter(([, a, b, c, d]) => x0 >= a - 1 && x0 <= c + 1 && y0 >= b - 1 && y0 <= d + 1).slice(0, 1)
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)], [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)]
  return all.filter(([, a, b, c, d]) => {
    const x = (a + c) / 2, y = (b + d) / 2
    return x >= left && x <= right && y >= top && y <= bottom
  })
}

function evidence(page, found) {
  const edge = (index, choose) => choose(...found.map(word => word[index]))
  return {
    page,
    quote: found.map(word => word[0]).join(' '),
    box: [edge(1, Math.min), edge(2, Math.min), edge(3, Math.max), edge(4, Math.max)],
  }
}

function text(page, take) {
  page.addEventListener('click', event => {
    const chosen = String(getSelection()).trim()
    const quote = chosen || wordAt(event)
    if (quote) take({ page: Number(page.dataset.page), quote, box: null })
  })
}

function wordAt(event) {
  const at = document.caretPositionFromPoint?.(event.clientX, event.clientY)
  if (at?.offsetNode?.nodeType !== Node.TEXT_NODE) return ''
  const line = at.offsetNode.data
  const start = line.slice(0, at.offset).search(/\S*$/), end = at.offset + line.slice(at.offset).search(/\s|$/)
  return line.slice(start, end).replace(/^[^\p{L}\p{N}€$£+-]+|[^\p{L}\p{N}%€$£]+$/gu, '')
}

// A page whose file is gone says why, and opens its text.
function watch(image) {
  const missing = async () => {
    const page = image.closest('.page')
    if (page.classList.contains('missing')) return
    page.classList.add('missing')
    page.querySelector('details').open = true
    const note = document.createElement('p')
    note.className = 'alert'
    note.textContent = await get(image.src).then(() => 'The page cannot be drawn.', error => `The page cannot be drawn: ${error.message}`)
    page.prepend(note)
  }
  image.addEventListener('error', missing)
  if (image.ownerDocument === document && image.complete && image.currentSrc && !image.naturalWidth) missing()
}

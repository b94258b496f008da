// The item page: Enter walks the doubtful fields, one key accepts the rest. The server decides; this only asks it.

import { get, post } from './api.js'
import { grid } from './grid.js'
import { onWords, show, turn, zoom } from './pages.js'

const root = document.getElementById('item'), state = JSON.parse(root.dataset.state), query = root.dataset.query
const rows = [...document.querySelectorAll('.field')], doubtful = rows.filter(row => row.classList.contains('doubtful'))
const mayDecide = root.dataset.mayDecide === '1' && state.is_open
const done = new Set(), corrections = {}, looks = {}, grids = {}
const acceptButton = document.querySelector('[data-action="accept"]')
const openedAt = performance.now()
let current = null, currentSince = 0, isBusy = false, isMine = mayDecide

const name = row => row.dataset.field
const control = row => row.querySelector('.value')
const offers = row => [...row.querySelectorAll('[data-rival]')]
const address = path => `/items/${state.id}/${path}${query}`

// ---- which field is looked at, and for how long

function look(row) {
  const at = performance.now()
  if (current) {
    const known = looks[name(current)] ??= { shown_ms: 0, is_touched: false }
    known.shown_ms += Math.round(at - currentSince)
    current.classList.remove('current')
  }
  current = row
  currentSince = at
  if (row) { row.classList.add('current'); show(name(row)) }
}

function select(row) {
  look(row)
  if (!row) return
  row.scrollIntoView({ block: 'nearest' })
  const empty = control(row)?.matches('input, textarea') && !control(row).value && mayDecide && !offers(row).length
  empty ? control(row).focus() : row.focus({ preventScroll: true })
}

function next() {
  const left = doubtful.filter(row => !done.has(row))
  report(left.length)
  if (left.length) select(left[0])
  else if (acceptButton) { look(null); acceptButton.focus() }
  else document.querySelector('.actions button').focus()
}

function report(count) {
  document.getElementById('left').textContent = doubtful.length ? `${doubtful.length - count} of ${doubtful.length} doubtful` : ''
  if (acceptButton) {
    const changed = Object.keys(corrections).length
    const rest = count ? 'Accept the rest' : 'Accept'
    document.getElementById('accept-label').textContent = changed ? `${rest}, ${changed} corrected` : rest
  }
}

// ---- values

const typed = row => (grids[name(row)] ? grids[name(row)].value() : control(row).value.trim())
const before = row => (grids[name(row)] ? JSON.stringify(grids[name(row)].initial) : state.fields[name(row)].text)
const isChanged = row => (grids[name(row)] ? JSON.stringify(typed(row)) : typed(row)) !== before(row)

function problem(row, text) {
  const place = row.querySelector('.problem')
  place.textContent = text
  place.hidden = !text
}

function values() {
  return Object.fromEntries(Object.entries(corrections).map(([field, correction]) => [field, correction.typed]))
}

// Asks the server what was typed; resolves to whether it is a value of the field.
async function keep(row) {
  const field = name(row)
  problem(row, '')
  if (grids[field]?.isWrong()) { problem(row, 'A cell is no value of its column.'); return false }
  if (!isChanged(row) && !state.is_blind) { delete corrections[field]; mark(row); return true }
  try {
    const found = await post(address('check'), { field, value: typed(row), values: values() })
    if (!grids[field]) control(row).value = found.text
    const pointed = row.evidence ?? (grids[field] ? state.fields[field].evidence : [])
    corrections[field] = { value: found.value, evidence: pointed, typed: found.value }
    if (found.machine !== undefined && !found.is_equal) problem(row, `The machine read “${found.machine}”.`)
    else if (found.problems?.length) problem(row, `Does not agree: ${found.problems.join('; ')}`)
    if (state.is_blind && found.is_equal) row.classList.add('agrees')
    mark(row)
    return true
  } catch (error) {
    problem(row, error.message)
    return false
  }
}

function mark(row) {
  const isCorrected = name(row) in corrections
  row.classList.toggle('corrected', isCorrected)
  row.querySelector('.state').textContent = isCorrected ? 'corrected' : done.has(row) ? found(row) : ''
}

// A reading that is no value of its field is printed so, and the field stays empty.
function found(row) {
  if (control(row)?.dataset.raw === '1') return 'stays empty'
  return row.dataset.judged === 'right' ? `right, by ${row.dataset.judgedBy}` : 'right'
}

async function confirm(row) {
  if (!(await keep(row))) { (grids[name(row)] ?? control(row)).focus(); return }
  done.add(row)
  row.classList.add('done')
  ;(looks[name(row)] ??= { shown_ms: 0, is_touched: false }).is_touched = true
  mark(row)
  next()
}

// One of the values that are offered, by its key.
function take(row, offer) {
  if (!offer.dataset.shown) {
    control(row).value = offer.dataset.rival
    row.evidence = JSON.parse(offer.dataset.evidence)
  } else if (control(row).value !== state.fields[name(row)].text) restore(row)
  return confirm(row)
}

function edit(row) {
  if (!mayDecide) return
  grids[name(row)] ? grids[name(row)].focus() : control(row).focus()
  if (control(row)?.select) control(row).select()
}

function restore(row) {
  if (control(row)) control(row).value = state.fields[name(row)].text
  delete row.evidence
  delete corrections[name(row)]
  problem(row, '')
  mark(row)
  row.focus()
}

// ---- decisions

async function decide(action, content = {}) {
  if (!mayDecide || isBusy) return
  if (!isMine) { banner('Somebody else has this document.', 'claimed'); return }
  isBusy = true
  look(null)
  if (action === 'accept') {
    const unseen = rows.find(row => row.classList.contains('found-wrong') && !done.has(row) && !(name(row) in corrections))
    if (unseen) {
      isBusy = false
      select(unseen)
      return problem(unseen, `${unseen.dataset.judgedBy} found it ${unseen.dataset.judged}: correct it, or press Enter if it is right.`)
    }
    for (const row of rows) if (isChanged(row) && !(name(row) in corrections) && !(await keep(row))) { isBusy = false; return edit(row) }
    if (Object.keys(corrections).length) {
      action = 'correct'
      content.corrections = Object.fromEntries(Object.entries(corrections).map(([field, { value, evidence }]) => [field, { value, evidence }]))
    }
  }
  toast(`${PAST[action]}…`)
  try {
    const shown_ms = Math.round(performance.now() - openedAt)
    const found = await post(address('decide'), { version: state.version, action, shown_ms, looks, ...content })
    const title = document.querySelector('.document-name h1').textContent
    sessionStorage.setItem('winnow-last', JSON.stringify({ id: state.id, at: Date.now(), text: `${PAST[action]}: ${title}`, can_undo: found.can_undo }))
    location.assign(found.to)
  } catch (error) {
    isBusy = false
    toast('')
    refused(error)
  }
}

const PAST = { accept: 'Accepted', correct: 'Corrected', reject: 'Rejected', reclassify: 'Given another type', unreadable: 'Marked unreadable', escalate: 'Sent to a senior', return: 'Returned to the queue' }

function refused(error) {
  if (error.kind === 'review_item_replaced') replaced(error.changes)
  else if (['review_value_invalid', 'review_field_unread'].includes(error.kind)) {
    const row = rows.find(each => error.message.startsWith(name(each)))
    if (row) { problem(row, error.message); select(row) } else banner(error.message, error.kind)
  } else banner(error.message, error.kind)
}

function banner(text, kind) {
  const place = document.getElementById('banner')
  place.replaceChildren(text)
  place.dataset.kind = kind
  place.hidden = !text
  if (text && kind !== 'info') {
    const button = document.createElement('button')
    button.type = 'button'
    const isNew = kind === 'replaced'
    button.textContent = isNew ? 'Show the new version' : 'Take another one'
    button.addEventListener('click', () => (isNew ? location.reload() : skip()))
    place.append(' ', button)
  }
}

function replaced(changes) {
  isMine = false
  const what = changes.length ? changes.join('; ') : 'its reasons'
  banner(`A run has read this document again while you looked. Changed: ${what}.`, 'replaced')
}

// ---- the claim: taken when the page opens, and renewed while it is open

async function claim() {
  try {
    const found = await post(address('claim'), { version: state.version })
    if (found.version !== state.version) return replaced(found.changes)
    if (!isMine) banner('', 'info')
    isMine = true
    root.dataset.claim = 'mine'
  } catch (error) {
    isMine = false
    root.dataset.claim = 'refused'
    banner(error.message, error.kind ?? 'offline')
  }
}

async function skip() {
  isBusy = true
  if (isMine) await post(address('release')).catch(() => {})
  location.assign((await post(`/next${query}`, { after: state.id })).to)
}

async function undo() {
  const last = lastDecision()
  if (!last) return
  try {
    location.assign((await post(`/items/${last.id}/undo${query}`)).to)
    sessionStorage.removeItem('winnow-last')
  } catch (error) {
    toast(error.message, 4000)
  }
}

function lastDecision() {
  const last = JSON.parse(sessionStorage.getItem('winnow-last') ?? 'null')
  return last?.can_undo && Date.now() - last.at < root.dataset.undo * 1000 ? last : null
}

let toastEnds = 0
function toast(text, ms = 10000) {
  const place = document.getElementById('toast')
  place.replaceChildren(text)
  place.hidden = !text
  clearTimeout(toastEnds)
  toastEnds = setTimeout(() => { place.hidden = true }, ms)
  return place
}

function offerUndo() {
  const last = lastDecision()
  if (!last) return
  const place = toast(last.text, root.dataset.undo * 1000 - (Date.now() - last.at))
  const button = document.createElement('button')
  button.type = 'button'
  const key = document.createElement('kbd')
  key.textContent = 'Z'
  button.append('Undo ', key)
  button.addEventListener('click', undo)
  place.append(button)
}

// ---- dialogs

function ask(id, then) {
  const dialog = document.getElementById(id), form = dialog.querySelector('form')
  form.reset()
  dialog.returnValue = ''
  dialog.showModal()
  const choices = [...dialog.querySelectorAll('[data-choice]')]
  const choose = text => { dialog.close(''); then(text) }
  choices.forEach(button => { button.onclick = () => choose(button.dataset.choice) })
  dialog.onkeydown = event => {
    if (event.key === 'Enter' && !event.shiftKey && event.target.matches('textarea')) { event.preventDefault(); return dialog.close('ok') }
    if (event.target.matches('input, textarea') && event.target.value) return
    if (/^[1-9]$/.test(event.key) && choices[event.key - 1]) { event.preventDefault(); choose(choices[event.key - 1].dataset.choice) }
  }
  dialog.onclose = () => {
    current ? current.focus() : acceptButton?.focus()
    if (dialog.returnValue === 'ok') then(form.elements.reason.value)
  }
}

const ACTIONS = {
  accept: () => decide('accept'),
  reject: () => mayDecide && ask('reject', reason => decide('reject', { reason })),
  reclassify: () => mayDecide && ask('reclassify', document_type => decide('reclassify', { document_type })),
  unreadable: () => decide('unreadable'),
  escalate: () => mayDecide && ask('note', note => decide('escalate', { note })),
  return: () => mayDecide && ask('note', note => decide('return', { note })),
  skip,
  undo,
  help: () => ask('help', () => {}),
}
const KEYS = { a: 'accept', r: 'reject', t: 'reclassify', u: 'unreadable', n: 'skip', z: 'undo', '?': 'help' }

document.addEventListener('click', event => {
  const action = event.target.closest('[data-action]')?.dataset.action
  if (action) ACTIONS[action]()
})

document.addEventListener('keydown', event => {
  if (document.querySelector('dialog[open]')) return
  const isTyping = event.target.matches('input, textarea, select'), row = event.target.closest('.field')
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); return decide('accept') }
  if (isTyping) return typing(event, row)
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (command(event, row)) event.preventDefault()
})

function typing(event, row) {
  if (!row) return
  if (event.key === 'Enter' && !event.shiftKey && !event.altKey) { event.preventDefault(); confirm(row) }
  else if (event.key === 'Escape') { event.preventDefault(); restore(row) }
}

function command(event, row) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const at = rows.indexOf(row ?? current)
  if (key === 'Enter') {
    if (!row) return false // a button has the focus
    mayDecide ? confirm(row) : select(rows[at + 1])
  } else if (key === 'ArrowDown') select(rows[Math.min(at + 1, rows.length - 1)])
  else if (key === 'ArrowUp') select(rows[Math.max(at - 1, 0)])
  else if (key === 'c' && row) edit(row)
  else if (/^[1-9]$/.test(key) && row && state.fields[name(row)].options[key - 1]) {
    control(row).value = state.fields[name(row)].options[key - 1]
    keep(row)
  } else if (/^[1-9]$/.test(key) && row && mayDecide && offers(row)[key - 1]) take(row, offers(row)[key - 1])
  else if (key === 's') (document.querySelector('[data-action="return"], [data-action="escalate"]'))?.click()
  else if (key === '+' || key === '=') zoom(10)
  else if (key === '-') zoom(-10)
  else if (key === ']') turn(1)
  else if (key === '[') turn(-1)
  else if (key === 'h') location.assign(document.getElementById('history').href)
  else if (key === 'q') location.assign(`/${query}`)
  else if (key in KEYS) ACTIONS[KEYS[key]]()
  else return false
  return true
}

// ---- start

document.getElementById('smaller').addEventListener('click', () => zoom(-10))
document.getElementById('larger').addEventListener('click', () => zoom(10))

for (const row of rows) {
  const table = row.querySelector('.grid')
  if (table) {
    grids[name(row)] = grid(table, state.id, () => { row.classList.add('changed') })
    grids[name(row)].initial = grids[name(row)].value()
  }
  for (const offer of offers(row)) offer.addEventListener('click', () => mayDecide && take(row, offer))
  row.addEventListener('focusin', () => { if (current !== row) look(row) })
  row.addEventListener('click', event => { if (!event.target.closest('input, select, textarea, button')) select(row) })
  if (row.dataset.judged === 'right') { done.add(row); row.classList.add('done'); mark(row) }
  control(row)?.addEventListener('input', () => { done.delete(row); row.classList.remove('done'); problem(row, '') })
}

onWords(found => {
  if (!mayDecide) return
  const row = current ?? doubtful[0] ?? rows[0]
  if (!row) return
  const cell = document.activeElement?.closest?.('.grid input')
  if (cell) { cell.value = found.quote; cell.dispatchEvent(new Event('change', { bubbles: true })); return }
  if (grids[name(row)] || !control(row)) return
  row.evidence = [found]
  if (control(row).matches('select')) return keep(row)
  control(row).value = found.quote
  control(row).focus()
  keep(row)
})

async function ahead() {
  const found = await get(address('ahead'))
  for (const page of found.pages) new Image().src = `/items/${found.id}/pages/${page}`
}

if (mayDecide) {
  claim().then(ahead).catch(() => {}) // looking ahead is a courtesy: the next page opens without it too
  setInterval(claim, root.dataset.beat * 1000)
  document.addEventListener('visibilitychange', () => { if (!document.hidden) claim() })
}
offerUndo()
next()
root.dataset.ready = '1'

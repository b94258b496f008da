// The item page: Enter walks the doubtful fields, one key accepts the rest, and the next item takes the place of the
// one before without a new page. The server decides; this only asks it.

import { ahead, giveBack, isReady, load } from './ahead.js'
import { post } from './api.js'
import './held.js'
import { itemView } from './item_view.js'
import { whileSomebodyIsThere } from './presence.js'
import { offerUndo, remember, takeBack, toast } from './toast.js'

const PAST = { accept: 'Accepted', correct: 'Corrected', reject: 'Rejected', reclassify: 'Given another type', unreadable: 'Marked unreadable', escalate: 'Sent to a senior', return: 'Returned to the queue' }

let view = itemView({ root: document.getElementById('item'), heading: document.querySelector('.document-name'), title: document.title })
let coming = null // the item after this one
let isBusy = false
let sent = Promise.resolve() // decisions go one after the other
let here = location.pathname + location.search

// ---- from item to item

function show(next) {
  document.querySelector('dialog[open]')?.close('') // it was about the item before
  view.look(null)
  view.root.replaceWith(next.root)
  view.heading.replaceWith(next.heading)
  document.title = next.title
  view = next
  view.shown()
  const count = view.doubtful.length
  document.getElementById('announcement').textContent = `${view.heading.innerText}: ${count} doubtful ${count === 1 ? 'field' : 'fields'}`
}

// The server says where to go on. What was loaded ahead is shown already, unless somebody else
// was faster, or a run has replaced it.
async function arrive({ id, to, version }, next) {
  if (next?.id === id) await next?.loaded
  else giveBack(next)
  const isLoaded = id && next?.id === id && next.view?.state.version === version
  const arrived = isLoaded ? next.view : id && await load(to).catch(() => null) // the browser then opens it, or says why not
  if (!arrived) return location.assign(to)
  if (arrived !== view) show(arrived)
  if (to !== here) history.pushState(null, '', to)
  here = to
  offerUndo(undo)
}

// Takes the item, and loads the one after it.
async function begin() {
  const begun = view
  await begun.claim()
  if (begun === view && begun.mayDecide && begun.isMine) coming = ahead(begun)
}

// The next item is shown before the server has answered; where it refuses, the one before comes back.
async function leave(ask) {
  const left = view, next = coming
  isBusy = true
  await next?.asked
  coming = null
  if (isReady(next)) { show(next.view); isBusy = false }
  try {
    const found = await ask(next?.id ?? null)
    await arrive(found, next)
    if (view !== left) { view.claimed(); coming = ahead(view) } // the server has claimed it with its answer
  } catch (error) {
    coming = next
    if (view !== left) show(left)
    toast('')
    left.refused(error)
  }
  isBusy = false
}

async function decide(action, content = {}) {
  if (!view.mayDecide || isBusy) return
  const left = view
  isBusy = true
  const decision = await left.decision(action, content).finally(() => { isBusy = false })
  await sent
  if (!decision || view !== left || isBusy) return
  if (!left.isMine) await left.claim() // the server may be back, or who had it may have left it
  if (view !== left || isBusy || !left.isMine) return // the banner says who has it since when, or what changed
  sent = leave(async next => {
    toast(`${PAST[decision.action]}…`)
    const found = await post(left.address('decide'), { ...decision, next })
    if (found.can_undo) {
      const until = Date.now() + left.root.dataset.undo * 1_000
      const title = left.heading.querySelector('h1').textContent
      remember({ undo: left.address('undo'), until, text: `${PAST[decision.action]}: ${title}` })
    } else toast(PAST[decision.action])
    return found
  })
}

async function skip() {
  await sent
  if (isBusy || !view.maySkip) return
  const left = view
  sent = leave(async () => {
    if (left.isMine) await post(left.address('release')).catch(() => {}) // the claim lapses by itself
    return post(`/next${left.query}`, { after: left.state.id })
  })
}

async function undo() {
  await sent
  if (isBusy) return
  try {
    const found = await takeBack()
    if (!found) return
    giveBack(coming)
    coming = null
    await arrive(found, null)
    await begin()
  } catch (error) {
    toast(error.message)
  }
}

// Opens another page. The answer to a decision is waited for: a refusal must be seen.
async function goTo(to) {
  await sent
  location.assign(to)
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
    view.focus()
    if (dialog.returnValue === 'ok') then(form.elements.reason.value)
  }
}

// ---- keys and buttons

const ACTIONS = {
  accept: () => decide('accept'),
  reject: () => view.mayDecide && ask('reject', reason => decide('reject', { reason })),
  reclassify: () => view.mayDecide && ask('reclassify', document_type => decide('reclassify', { document_type })),
  unreadable: () => decide('unreadable'),
  escalate: () => view.mayDecide && ask('note', note => decide('escalate', { note })),
  return: () => view.mayDecide && ask('note', note => decide('return', { note })),
  skip,
  undo,
  help: () => ask('help', () => {}),
  smaller: () => view.pages.zoom(-10),
  larger: () => view.pages.zoom(10),
  reload: () => location.reload(),
  typed: () => view.putBack(),
}
const KEYS = { a: 'accept', r: 'reject', t: 'reclassify', u: 'unreadable', n: 'skip', z: 'undo', '?': 'help', '+': 'larger', '=': 'larger', '-': 'smaller' }

document.addEventListener('click', event => {
  const action = event.target.closest('[data-action]')?.dataset.action, link = event.target.closest('a[href]:not([download])')
  if (action) ACTIONS[action]()
  else if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); goTo(link.href) }
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
  if (!row || event.isComposing) return // Enter and Esc are the input method's own while it composes a character
  if (event.key === 'Enter' && !event.shiftKey && !event.altKey) { event.preventDefault(); view.confirm(row) }
  else if (event.key === 'Escape') { event.preventDefault(); view.restore(row) }
}

function command(event, row) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const rows = view.rows, at = rows.indexOf(row ?? view.current)
  if (key === 'Enter') {
    if (!row || event.target.closest('button, summary, a')) return false // it has its own meaning there
    view.mayDecide ? view.confirm(row) : view.select(rows[at + 1])
  } else if (key === 'ArrowDown') view.select(rows[Math.min(at + 1, rows.length - 1)])
  else if (key === 'ArrowUp') view.select(rows[Math.max(at - 1, 0)])
  else if (key === 'c' && row) view.edit(row)
  else if (/^[1-9]$/.test(key) && row) return view.choose(row, key)
  else if (key === 's') view.root.querySelector('[data-action="return"], [data-action="escalate"]')?.click()
  else if (key === ']') view.pages.turn(1)
  else if (key === '[') view.pages.turn(-1)
  else if (key === 'h') goTo(view.root.querySelector('#history').href)
  else if (key === 'q') goTo(`/${view.query}`)
  else if (key in KEYS) ACTIONS[KEYS[key]]()
  else return false
  return true
}

// ---- start

addEventListener('popstate', () => { if (location.pathname + location.search !== here) location.reload() })
addEventListener('pagehide', () => giveBack(coming))
addEventListener('pageshow', event => { if (event.persisted) location.reload() })
whileSomebodyIsThere(view.root.dataset.beat * 1_000, () => view.claim())

view.shown()
offerUndo(undo)
begin()

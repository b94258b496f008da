// A strip: the focus walks from cut-out to cut-out, one key judges each. The server records; this only asks it.

import { post } from './api.js'
import './held.js'
import { whileSomebodyIsThere } from './presence.js'
import { toast } from './toast.js'

const root = document.getElementById('strip'), field = root.dataset.field
const cards = [...document.querySelectorAll('.cut')], more = document.getElementById('more')
const mine = new Set(), judged = [], shown = new Map()
let current = null, since = 0, leftFor = null
let sent = Promise.resolve() // requests go one after the other, in the order of the keys

const id = card => Number(card.dataset.id)
const isOpen = card => !card.dataset.judgement && !card.classList.contains('taken')

// ---- the focus, and how long each cut-out was looked at

function look(card) {
  const at = performance.now()
  if (current) {
    shown.set(current, (shown.get(current) ?? 0) + at - since)
    current.classList.remove('current')
  }
  current = card
  since = at
  card?.classList.add('current')
}

function select(card) {
  look(card)
  if (!card) return more.focus()
  card.focus({ preventScroll: true })
  card.scrollIntoView({ block: 'center' })
}

function next() {
  const at = cards.indexOf(current)
  select([...cards.slice(at + 1), ...cards.slice(0, at + 1)].find(isOpen) ?? null)
}

// The card above or below: the nearest one of the next row.
function row(step) {
  const box = current.getBoundingClientRect()
  const away = card => (card.getBoundingClientRect().top - box.top) * step
  const others = cards.filter(card => away(card) > 1)
  const first = Math.min(...others.map(away))
  const near = others.filter(card => away(card) < first + 1)
  const aside = card => Math.abs(card.getBoundingClientRect().left - box.left)
  return near.sort((one, other) => aside(one) - aside(other))[0] ?? current
}

function count() {
  const left = cards.filter(isOpen).length
  document.getElementById('count').textContent = cards.length ? `${cards.length - left} of ${cards.length}` : ''
}

// ---- judgements

function mark(card, judgement) {
  if (judgement) card.dataset.judgement = judgement
  else delete card.dataset.judgement
  card.querySelector('.state').textContent = judgement ?? ''
  count()
}

function problem(card, text) {
  const place = card.querySelector('.problem')
  place.textContent = text
  place.hidden = !text
}

function take(card, why) {
  card.classList.add('taken')
  problem(card, why)
  mark(card, null)
}

function judge(judgement) {
  const card = current
  if (!card) return
  if (card.classList.contains('taken')) return next()
  if (card.classList.contains('undrawn')) return toast('The cut-out is being drawn: look at it first.')
  const before = card.dataset.judgement ?? null
  if (before === judgement) return next()
  look(card) // adds the time until now
  const content = { version: Number(card.dataset.version), field, judgement, shown_ms: Math.round(shown.get(card)) }
  shown.set(card, 0)
  problem(card, '')
  mark(card, judgement)
  const entry = { card, before }
  judged.push(entry)
  next()
  sent = sent.then(() => post(`/items/${id(card)}/judge`, content)).catch(error => {
    if (judged.includes(entry)) judged.splice(judged.indexOf(entry), 1) // it may have been taken back meanwhile
    refused(card, error, before)
  })
}

function undo() {
  const last = judged.pop()
  if (!last) return toast('There is nothing to take back.')
  mark(last.card, last.before)
  problem(last.card, '')
  select(last.card)
  const judgement = last.card.dataset.judgement
  sent = sent.then(() => post(`/items/${id(last.card)}/unjudge`, { field })).catch(error => refused(last.card, error, judgement))
}

function refused(card, error, before) {
  mark(card, before)
  if (['review_item_claimed', 'review_item_closed', 'review_item_replaced', 'review_second_look'].includes(error.kind)) take(card, error.message)
  else problem(card, error.message)
  toast(error.message)
}

// ---- claims: taken for the whole strip, renewed while it is open, given back when it is left

async function claim() {
  try {
    const { versions } = await post('/strip/claim', { ids: cards.map(id) })
    for (const card of cards) {
      const version = versions[id(card)]
      if (version === Number(card.dataset.version)) mine.add(id(card))
      else if (isOpen(card)) take(card, version ? 'A run has read this document again.' : 'Somebody else has this document now.')
    }
    root.dataset.claim = 'answered'
    if (current?.classList.contains('taken')) next()
  } catch (error) {
    root.dataset.claim = 'failed'
    toast(error.message)
  }
}

addEventListener('pagehide', () => {
  const ids = [...mine].filter(each => each !== leftFor)
  if (ids.length) post('/strip/release', { ids }).catch(() => {}) // the claims lapse by themselves
})
addEventListener('pageshow', event => { if (event.persisted) location.reload() })

// Leaves when everything is recorded. The document that is opened stays claimed.
async function leave(to, card = null) {
  leftFor = card ? id(card) : null
  await sent
  location.assign(to)
}

// ---- keys

const ACTIONS = {
  right: () => judge('right'),
  wrong: () => judge('wrong'),
  unreadable: () => judge('unreadable'),
  skip: () => next(),
  undo,
  help: () => {
    const dialog = document.getElementById('help')
    dialog.onclose = () => select(current)
    dialog.showModal()
  },
}
const KEYS = { w: 'wrong', u: 'unreadable', n: 'skip', z: 'undo', '?': 'help' }

document.addEventListener('click', event => {
  const action = event.target.closest('[data-action]')?.dataset.action
  const link = event.target.closest('a[href]'), card = event.target.closest('.cut')
  if (action) ACTIONS[action]()
  else if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); leave(link.href, card) }
  else if (card) select(card)
})

document.addEventListener('keydown', event => {
  if (document.querySelector('dialog[open]') || event.ctrlKey || event.metaKey || event.altKey) return
  if (command(event)) event.preventDefault()
})

function command(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, at = cards.indexOf(current)
  if (key === 'Enter') {
    if (!current || !event.target.closest('.cut, body, main, #scroll') || event.target.closest('a, button')) return false
    judge('right')
  } else if (key === 'ArrowRight') select(cards[Math.min(at + 1, cards.length - 1)] ?? null)
  else if (key === 'ArrowLeft') select(cards[Math.max(at < 0 ? cards.length - 1 : at - 1, 0)] ?? null)
  else if (key === 'ArrowDown' && current) select(row(1))
  else if (key === 'ArrowUp') select(current ? row(-1) : cards.at(-1) ?? null)
  else if (key === 'o' && current) leave(`/items/${id(current)}`, current)
  else if (key === 'h' && current) leave(`/items/${id(current)}/history`)
  else if (key === 'f') leave('/strip')
  else if (key === 'q') leave('/')
  else if (key in KEYS) ACTIONS[KEYS[key]]()
  else return false
  return true
}

// ---- cut-outs: three at once, those ahead of the focus first, so that judgements need not wait for pictures

const AT_ONCE = 3
const waiting = new Set(document.querySelectorAll('.cut image'))
let loading = 0

function load() {
  while (loading < AT_ONCE && waiting.size) {
    const at = cards.indexOf(current)
    const image = [...waiting].find(each => cards.indexOf(each.closest('.cut')) >= at) ?? [...waiting][0]
    waiting.delete(image)
    loading += 1
    const done = () => {
      const card = image.closest('.cut')
      card.classList.remove('undrawn')
      if (card === current) since = performance.now() // nobody looked at what was not there
      loading -= 1
      load()
    }
    image.addEventListener('load', done)
    image.addEventListener('error', () => { done(); instead(image) })
    image.setAttribute('href', image.dataset.href)
  }
}

// A cut-out that cannot be drawn shows the quote instead.
function instead(image) {
  const place = image.closest('.place')
  place.querySelector('svg').remove()
  place.querySelector('.quote').hidden = false
}

for (const card of cards) card.addEventListener('focusin', () => { if (current !== card) look(card) })

select(cards[0] ?? null)
count()
if (document.readyState === 'complete') load()
else addEventListener('load', load)
if (cards.length) {
  claim()
  whileSomebodyIsThere(root.dataset.beat * 1_000, claim)
}
root.dataset.ready = '1'

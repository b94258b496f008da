// An item as it is on the screen, or will be next: its fields, what was corrected in them, and its claim.
// It listens to nothing but its own elements, so that an item that was replaced leaves nothing behind.

import { post } from './api.js'
import { grid } from './grid.js'
import { pagesOf } from './pages.js'
import { keepTyped, typedBefore } from './typed.js'

const name = row => row.dataset.field
const control = row => row.querySelector('.value')
const BUTTONS = { replaced: ['reload', 'Show the new version'], typed: ['typed', 'Put it back'] }
const UNREAD = 'Read this field too: type what the document says, or press Enter if it says nothing. Nothing was decided.'
const offers = row => [...row.querySelectorAll('[data-rival]')]

function problem(row, text) {
  const place = row.querySelector('.problem')
  place.textContent = text
  place.hidden = !text
}

class ItemView {
  constructor({ root, heading, title }) {
    Object.assign(this, { root, heading, title })
    this.state = JSON.parse(root.dataset.state)
    this.query = root.dataset.query
    this.lease_ms = root.dataset.beat * 3_000 // a beat before the claim ends
    this.mayDecide = root.dataset.mayDecide === '1' && this.state.is_open
    this.maySkip = Boolean(root.querySelector('[data-action="skip"]'))
    this.isMine = this.mayDecide
    this.rows = [...root.querySelectorAll('.field')]
    this.doubtful = this.rows.filter(row => row.classList.contains('doubtful'))
    this.done = new Set()
    this.corrections = {}
    this.looks = {}
    this.grids = {}
    this.before = this.mayDecide ? typedBefore(this.state.id) : {} // typed here once, and not decided
    this.current = null
    this.acceptButton = root.querySelector('[data-action="accept"]')
    this.pages = pagesOf(root, this.state.id, found => this.point(found))
    this.rows.forEach(row => this.listen(row))
    for (const row of this.rows.filter(row => row.dataset.judged === 'right')) { // every table has its grid by now
      this.done.add(row)
      row.classList.add('done')
      this.mark(row)
    }
  }

  address(path) {
    return `/items/${this.state.id}/${path}${this.query}`
  }

  listen(row) {
    const table = row.querySelector('.grid')
    if (table) {
      const cells = grid(table, this.state.id, () => this.changed(row))
      this.grids[name(row)] = Object.assign(cells, { initial: JSON.stringify(cells.value()) })
    }
    for (const offer of offers(row)) offer.addEventListener('click', () => this.mayDecide && this.take(row, offer))
    for (const crop of row.querySelectorAll('.crop')) crop.addEventListener('click', () => this.select(row))
    row.addEventListener('focusin', () => { if (this.current !== row) this.look(row) })
    row.addEventListener('click', event => { if (!event.target.closest('input, select, textarea, button')) this.select(row) })
    row.addEventListener('input', () => this.changed(row))
  }

  // The item is on the screen from now on.
  shown() {
    this.openedAt ??= performance.now()
    this.pages.zoom(0)
    this.next()
    this.offerTyped()
    this.root.dataset.ready = '1'
  }

  // ---- which field is looked at, and for how long

  look(row) {
    const at = performance.now()
    if (this.current) {
      const known = this.looks[name(this.current)] ??= { shown_ms: 0, is_touched: false }
      known.shown_ms += Math.round(at - this.currentSince)
      this.current.classList.remove('current')
    }
    this.current = row
    this.currentSince = at
    if (row) { row.classList.add('current'); this.pages.show(name(row)) }
  }

  select(row) {
    this.look(row)
    if (!row) return
    row.scrollIntoView({ block: 'nearest' })
    const empty = control(row)?.matches('input, textarea') && !control(row).value && this.mayDecide && !offers(row).length
    empty ? control(row).focus() : row.focus({ preventScroll: true })
  }

  left() {
    return this.doubtful.filter(row => !this.done.has(row))
  }

  next() {
    const left = this.left()
    this.report()
    if (left.length) this.select(left[0])
    else { this.look(null); this.focus() }
  }

  focus() {
    (this.current ?? this.acceptButton ?? this.root.querySelector('.actions button')).focus()
  }

  report() {
    const all = this.doubtful.length, count = this.left().length
    this.root.querySelector('#left').textContent = all ? `${all - count} of ${all} doubtful` : ''
    if (this.acceptButton) {
      const changed = Object.keys(this.corrections).length
      const rest = count ? 'Accept the rest' : 'Accept'
      this.root.querySelector('#accept-label').textContent = changed ? `${rest}, ${changed} corrected` : rest
    }
  }

  // ---- values

  typed(row) {
    return this.grids[name(row)] ? this.grids[name(row)].value() : control(row).value.trim()
  }

  isChanged(row) {
    const cells = this.grids[name(row)]
    return cells ? JSON.stringify(cells.value()) !== cells.initial : this.typed(row) !== this.state.fields[name(row)].text
  }

  // Something else stands in the field: what was kept of it before counts no more.
  changed(row) {
    delete this.corrections[name(row)]
    this.done.delete(row)
    row.classList.remove('done')
    problem(row, '')
    this.mark(row)
    this.report()
  }

  // Asks the server what was typed; resolves to whether it is a value of the field.
  async keep(row) {
    const field = name(row), typed = this.typed(row)
    problem(row, '')
    delete this.corrections[field]
    if (this.grids[field]?.isWrong()) { problem(row, 'A cell is no value of its column.'); return false }
    if (!this.isChanged(row) && !this.state.is_blind) { this.mark(row); return true }
    try {
      const values = Object.fromEntries(Object.entries(this.corrections).map(([known, { value }]) => [known, value]))
      const found = await post(this.address('check'), { field, value: typed, values })
      if (JSON.stringify(this.typed(row)) !== JSON.stringify(typed)) return this.keep(row) // it was typed on meanwhile
      if (!this.grids[field]) control(row).value = found.text
      const pointed = row.evidence ?? (this.grids[field] ? this.state.fields[field].evidence : [])
      this.corrections[field] = { value: found.value, evidence: pointed }
      if (found.machine !== undefined && !found.is_equal) problem(row, `The machine read “${found.machine}”.`)
      else if (found.problems?.length) problem(row, `Does not agree: ${found.problems.join('; ')}`)
      if (this.state.is_blind && found.is_equal) row.classList.add('agrees')
      this.mark(row)
      return true
    } catch (error) {
      if (JSON.stringify(this.typed(row)) !== JSON.stringify(typed)) return this.keep(row)
      problem(row, error.message)
      return false
    }
  }

  mark(row) {
    const isCorrected = name(row) in this.corrections
    row.classList.toggle('corrected', isCorrected)
    row.querySelector('.state').textContent = isCorrected ? 'corrected' : this.done.has(row) ? this.found(row) : ''
    if (this.mayDecide) keepTyped(this.state.id, { ...this.before, ...this.unsent() })
  }

  // A reading that is no value of its field is printed so, and the field stays empty.
  found(row) {
    if (control(row)?.dataset.raw === '1') return 'stays empty'
    return row.dataset.judged === 'right' ? `right, by ${row.dataset.judgedBy}` : 'right'
  }

  async confirm(row) {
    if (!(await this.keep(row))) { this.edit(row); return }
    this.done.add(row)
    row.classList.add('done')
    ;(this.looks[name(row)] ??= { shown_ms: 0, is_touched: false }).is_touched = true
    this.mark(row)
    this.next()
  }

  // One of the values that are offered, by its key.
  take(row, offer) {
    if (!offer.dataset.shown) {
      control(row).value = offer.dataset.rival
      row.evidence = JSON.parse(offer.dataset.evidence)
    } else if (control(row).value !== this.state.fields[name(row)].text) this.restore(row)
    return this.confirm(row)
  }

  // The value with this number: one of an enum, or one that is offered. Returns whether there is one.
  choose(row, number) {
    const option = this.state.fields[name(row)].options[number - 1], offer = offers(row)[number - 1]
    if (!this.mayDecide) return false
    if (option) { control(row).value = option; this.keep(row) } else if (offer) this.take(row, offer)
    return Boolean(option || offer)
  }

  edit(row) {
    if (!this.mayDecide) return
    if (this.grids[name(row)]) return this.grids[name(row)].focus()
    control(row).focus()
    if (control(row).select) control(row).select()
  }

  restore(row) {
    if (this.grids[name(row)]) this.grids[name(row)].restore()
    else control(row).value = this.state.fields[name(row)].text
    delete row.evidence
    this.changed(row)
    row.focus()
  }

  // Words of the page that were clicked.
  point(found) {
    if (!this.mayDecide) return
    const row = this.current ?? this.doubtful[0] ?? this.rows[0]
    if (!row) return
    const cell = document.activeElement?.closest?.('.grid input')
    if (cell) { cell.value = found.quote; this.changed(row); cell.dispatchEvent(new Event('change', { bubbles: true })); return }
    if (this.grids[name(row)] || !control(row)) return
    row.evidence = [found]
    if (control(row).matches('select')) return this.keep(row)
    control(row).value = found.quote
    control(row).focus()
    this.keep(row)
  }

  // ---- what was typed before, and not decided

  unsent() {
    const changed = this.rows.filter(row => this.isChanged(row))
    return Object.fromEntries(changed.map(row => [name(row), { value: this.typed(row), evidence: row.evidence }]))
  }

  typedBefore() {
    return this.rows.filter(row => name(row) in this.before)
  }

  offerTyped() {
    const rows = this.typedBefore()
    if (!rows.length) return
    const labels = rows.map(row => row.getAttribute('aria-label')).join(', ')
    this.banner(`You typed here before, and did not decide: ${labels}.`, 'typed')
    this.root.querySelector('#banner button').focus()
  }

  async putBack() {
    const rows = this.typedBefore(), before = this.before
    this.before = {}
    this.banner('', '')
    for (const row of rows) {
      const { value, evidence } = before[name(row)]
      if (this.grids[name(row)]) this.grids[name(row)].set(value)
      else control(row).value = value
      row.evidence = evidence
    }
    for (const row of rows) { this.changed(row); await this.keep(row) }
    this.next()
  }

  // ---- decisions

  // What is sent for a decision; null where a field must be looked at first.
  async decision(action, content) {
    this.look(null)
    if (action === 'accept') {
      const unseen = this.rows.find(row => row.classList.contains('found-wrong') && !this.done.has(row) && !(name(row) in this.corrections))
      if (unseen) {
        this.select(unseen)
        problem(unseen, `${unseen.dataset.judgedBy} found it ${unseen.dataset.judged}: correct it, or press Enter if it is right.`)
        return null
      }
      for (const row of this.rows) {
        if (this.isChanged(row) && !(name(row) in this.corrections) && !(await this.keep(row))) { this.edit(row); return null }
      }
      if (Object.keys(this.corrections).length) { action = 'correct'; content = { ...content, corrections: this.corrections } }
    }
    const shown_ms = Math.round(performance.now() - this.openedAt)
    return { version: this.state.version, action, shown_ms, looks: this.looks, ...content }
  }

  refused(error) {
    if (error.kind === 'review_item_replaced') return this.replaced(error.changes)
    const isOfField = ['review_value_invalid', 'review_field_unread'].includes(error.kind)
    const named = this.rows.filter(each => isOfField && error.message.startsWith(name(each)))
    const row = named.sort((one, other) => name(other).length - name(one).length)[0] // "total_net" begins with "total"
    if (!row) return this.banner(error.message, error.kind ?? 'offline')
    problem(row, error.kind === 'review_field_unread' ? UNREAD : error.message)
    this.select(row)
  }

  // A message above the fields, with what the person can do about it: the page's script knows that by the action's name.
  banner(text, kind) {
    const place = this.root.querySelector('#banner')
    place.replaceChildren(text)
    place.dataset.kind = kind
    place.hidden = !text
    if (!text) return
    const button = document.createElement('button'), [action, label] = BUTTONS[kind] ?? ['skip', 'Take another one']
    button.type = 'button'
    button.dataset.action = action
    button.textContent = label
    place.append(' ', button)
  }

  replaced(changes) {
    this.isMine = false
    const what = changes.length ? changes.join('; ') : 'its reasons'
    this.banner(`A run has read this document again while you looked. Changed: ${what}.`, 'replaced')
  }

  // ---- the claim: taken when the item is shown, and renewed while it is on the screen

  claimed() {
    this.isMine = true
    this.root.dataset.claim = 'mine'
  }

  async claim() {
    if (!this.mayDecide) return
    try {
      const found = await post(this.address('claim'), { version: this.state.version })
      if (found.version !== this.state.version) return this.replaced(found.changes)
      if (!this.isMine) this.banner('', '')
      this.claimed()
    } catch (error) {
      this.isMine = false
      this.root.dataset.claim = 'refused'
      this.banner(error.message, error.kind ?? 'offline')
    }
  }
}

export const itemView = parts => new ItemView(parts)

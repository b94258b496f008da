// A table field as a grid: cells, arrow keys, running sums; rows are added, removed, merged and split.
// `changed` is called where rows change; what is typed into a cell is an event of its own.

import { post } from './api.js'

export function grid(table, id, changed) {
  const body = table.tBodies[0], field = table.dataset.field
  const columns = [...table.tHead.querySelectorAll('th')].length - 1
  const cells = row => [...row.querySelectorAll('input')]
  const initial = [...body.rows].map(row => row.cloneNode(true))

  function blank() {
    const row = document.createElement('tr')
    const heads = [...table.tHead.querySelectorAll('th')].slice(0, columns), feet = [...table.tFoot.rows[0].cells]
    heads.forEach((head, at) => {
      const cell = row.insertCell(), input = document.createElement('input')
      cell.className = feet[at].className
      input.dataset.column = table.dataset.columns.split(' ')[at]
      input.autocomplete = 'off'
      input.setAttribute('aria-label', head.textContent)
      cell.append(input)
    })
    const drop = document.createElement('button')
    Object.assign(drop, { type: 'button', className: 'quiet drop', textContent: '×', tabIndex: -1 })
    drop.setAttribute('aria-label', 'Remove this row')
    row.insertCell().append(drop)
    return row
  }

  function value() {
    return [...body.rows].map(row => Object.fromEntries(cells(row).map(cell => [cell.dataset.column, cell.value.trim() || null])))
  }

  function set(rows) {
    body.replaceChildren(...rows.map(values => {
      const row = blank()
      for (const cell of cells(row)) cell.value = values[cell.dataset.column] ?? ''
      return row
    }))
    sum()
  }

  // Numbers are the server's typed values: plain decimals. What was just typed is typed by the server first.
  function sum() {
    for (const foot of table.tFoot.querySelectorAll('[data-sum]')) {
      const numbers = [...body.querySelectorAll(`input[data-column="${foot.dataset.sum}"]`)].map(cell => cell.value.trim()).filter(Boolean)
      const isTyped = numbers.every(text => /^-?\d+(\.\d+)?$/.test(text))
      const places = Math.max(0, ...numbers.map(text => (text.split('.')[1] ?? '').length))
      foot.textContent = numbers.length && isTyped ? `Σ ${numbers.reduce((total, text) => total + Number(text), 0).toFixed(places)}` : ''
    }
  }

  const typed = (column, value) =>
    post(`/items/${id}/check`, { field, column, value }).catch(error => ({ why: error.message }))

  async function check(cell) {
    const given = cell.value
    const found = given.trim() ? await typed(cell.dataset.column, given) : { text: given }
    if (cell.value !== given) return // somebody typed on while the server answered: the next change asks again
    cell.classList.toggle('wrong', 'why' in found)
    cell.title = found.why ?? ''
    cell.value = found.text ?? given
    sum()
  }

  function add(after) {
    const row = blank()
    after ? after.after(row) : body.append(row)
    cells(row)[0].focus()
    changed()
  }

  function remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling
    row.remove()
    if (next) cells(next)[0].focus()
    sum()
    changed()
  }

  function merge(row) {
    const above = row.previousElementSibling
    if (!above) return
    cells(row).forEach((cell, at) => {
      const target = cells(above)[at]
      const isNumber = cell.closest('td').classList.contains('number')
      if (cell.value && !(isNumber && target.value)) target.value = [target.value, cell.value].filter(Boolean).join(' ')
    })
    remove(row)
    cells(above)[0].focus()
  }

  function split(cell) {
    const row = cell.closest('tr'), at = cells(row).indexOf(cell), rest = cell.value.slice(cell.selectionStart)
    cell.value = cell.value.slice(0, cell.selectionStart).trim()
    const next = blank()
    row.after(next)
    cells(next)[at].value = rest.trim()
    cells(next)[at].focus()
    changed()
  }

  function restore() {
    body.replaceChildren(...initial.map(row => row.cloneNode(true)))
    sum()
  }

  table.addEventListener('change', event => { if (event.target.matches('input')) check(event.target) })
  table.addEventListener('click', event => { if (event.target.matches('.drop')) remove(event.target.closest('tr')) })
  table.parentElement.parentElement.querySelector('.add').addEventListener('click', () => add())
  table.addEventListener('keydown', event => {
    const cell = event.target.closest('input'), row = cell?.closest('tr')
    if (!cell) return
    const at = cells(row).indexOf(cell)
    const moves = { ArrowUp: row.previousElementSibling, ArrowDown: row.nextElementSibling }
    if (event.key in moves) moves[event.key] && cells(moves[event.key])[at].focus()
    else if (event.key === 'ArrowLeft' && cell.selectionEnd === 0) cells(row)[at - 1]?.focus()
    else if (event.key === 'ArrowRight' && cell.selectionStart === cell.value.length) cells(row)[at + 1]?.focus()
    else if (event.altKey && event.key === 'Enter') add(row)
    else if (event.altKey && event.key === 'Backspace') remove(row)
    else if (event.altKey && event.key.toLowerCase() === 'm') merge(row)
    else if (event.altKey && event.key.toLowerCase() === 's') split(cell)
    else return
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') event.preventDefault()
    event.stopPropagation()
  })
  sum()
  return {
    value,
    restore,
    set,
    isWrong: () => table.querySelector('.wrong') !== null,
    focus: () => (cells(body.rows[0] ?? body)[0] ?? table.parentElement.parentElement.querySelector('.add')).focus(),
  }
}

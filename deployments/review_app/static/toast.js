// A short message above the buttons, and the last decision in it for as long as it can be taken back.

import { post } from './api.js'

const KEY = 'winnow-last'
let ends = 0

export function toast(text, ms = 5000) {
  const place = document.getElementById('toast')
  place.replaceChildren(text)
  place.hidden = !text
  clearTimeout(ends)
  ends = setTimeout(() => { place.hidden = true }, ms)
  return place
}

// The page that shows the next document may be another one.
export function remember(decision) {
  sessionStorage.setItem(KEY, JSON.stringify(decision))
}

function lastDecision() {
  const last = JSON.parse(sessionStorage.getItem(KEY) ?? 'null')
  return last && Date.now() < last.until ? last : null
}

export function offerUndo(undo) {
  const last = lastDecision()
  if (!last) return
  const place = toast(last.text, last.until - Date.now())
  const button = document.createElement('button'), key = document.createElement('kbd')
  button.type = 'button'
  key.textContent = 'Z'
  button.append('Undo ', key)
  button.addEventListener('click', undo)
  place.append(button)
}

// Takes the last decision back; resolves to where the page goes on, null where there is nothing to take back.
export async function takeBack() {
  const last = lastDecision()
  if (!last) return null
  const found = await post(last.undo)
  sessionStorage.removeItem(KEY)
  toast('')
  return found
}

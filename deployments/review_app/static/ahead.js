// The next item: claimed and loaded while a person looks at this one, so that the step to it waits for nothing.

import { page, post } from './api.js'
import { itemView } from './item_view.js'

const script = found => found.querySelector('script[type="module"]').getAttribute('src')

// The item at an address; null where the browser has to open it: it is no item, or of a later version of the scripts.
export async function load(to) {
  const found = await page(to)
  const root = found?.getElementById('item')
  if (!root || script(found) !== script(document)) return null
  const heading = found.querySelector('.document-name')
  const view = itemView({ root: document.adoptNode(root), heading: document.adoptNode(heading), title: found.title })
  root.querySelector('.page img')?.decode().catch(() => {}) // drawn in advance; one that cannot be drawn says so itself
  return view
}

// A claim on the item after this one. `asked` and `loaded` are promises; `id` and `view` are there when they are.
export function ahead(view) {
  const coming = { id: null, view: null, until: performance.now() + view.lease_ms }
  const asked = post(view.address('ahead'))
  coming.asked = asked.then(found => { coming.id = found.id }).catch(() => {}) // a courtesy: the step goes without it too
  coming.loaded = asked.then(found => (found.id ? load(found.to) : null)).then(loaded => { coming.view = loaded }).catch(() => {})
  return coming
}

// What can be shown at once. Where the claim has lapsed, somebody else may have the item.
export const isReady = coming => Boolean(coming?.view) && performance.now() < coming.until

export function giveBack(coming) {
  if (coming?.id) post(`/items/${coming.id}/release`).catch(() => {}) // the claim lapses by itself
}

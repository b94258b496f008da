// Whether somebody is at the page. Claims are renewed only then: a page that is left open must neither keep documents
// from others nor its session from ending.

const AWAY_MS = 10 * 60_000 // a person may read for so long without a key or the mouse
const SIGNS = ['keydown', 'pointerdown', 'pointermove', 'wheel', 'touchmove']

let seenAt = performance.now()
const isAway = () => performance.now() - seenAt > AWAY_MS

// Calls `claim` every `beat_ms` while somebody is there, and at once when they come back.
export function whileSomebodyIsThere(beat_ms, claim) {
  const sign = () => {
    const wasAway = isAway()
    seenAt = performance.now()
    if (wasAway) claim()
  }
  for (const kind of SIGNS) addEventListener(kind, sign, { capture: true, passive: true })
  setInterval(() => { if (!isAway()) claim() }, beat_ms)
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { seenAt = performance.now(); claim() } })
}

"""What a decision did, in words, as every door says it."""

from blocks.review.records import Event

_DONE = {
    Event.DECIDED: "decided",
    Event.SEEN_ONCE: "recorded; another person must decide on it too",
    Event.DISAGREED: "recorded; the two decisions differ, so a senior decides",
    Event.ESCALATED: "waits for a senior",
    Event.RETURNED: "is back in the queue",
}


def in_words(event: Event, *, is_repeated: bool) -> str:
    """What the event of a decision means for its item."""
    done = _DONE.get(event, str(event))
    return f"was decided so before: {done}" if is_repeated else done

"""What a decision did, in words, as every door says it."""

from collections.abc import Mapping

from pydantic import JsonValue

from blocks.review.records import Event
from blocks.values.given_values import text_of

_DONE = {
    Event.DECIDED: "decided",
    Event.SEEN_ONCE: "recorded; another person must decide on it too",
    Event.DISAGREED: "recorded; the two decisions differ, so a senior decides",
    Event.ESCALATED: "waits for a senior",
    Event.RETURNED: "is back in the queue",
}


def in_words(event: Event, corrected: Mapping[str, JsonValue], *, is_repeated: bool) -> str:
    """What the event of a decision means for its item, with the values that corrections became."""
    done = _DONE.get(event, str(event))
    values = ", ".join(f"{name} is {_shown(value)}" for name, value in corrected.items())
    done = f"{done}: {values}" if values else done
    return f"was decided so before: {done}" if is_repeated else done


def _shown(value: JsonValue) -> str:
    return text_of(value) or "empty"

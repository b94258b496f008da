"""Promises in words."""

from decimal import Decimal

from blocks.database.learning.learned import Learned, LearnedState
from blocks.document_types.review_rules import AcceptRules
from blocks.learning.promised import Promise


def aim_words(rules: AcceptRules) -> str:
    """What is promised."""
    of_what = "the accepted rows" if rules.per == "document" else "each deciding field of the accepted rows"
    return f"at most {percent(rules.error)} of {of_what} wrong, {percent(rules.certainty)} sure"


def percent(share: Decimal) -> str:
    """A share as 5%."""
    return f"{float(share) * 100:g}%"


def threshold_words(promise: Promise) -> str:
    """From which confidence on rows are accepted."""
    return "not proven" if promise.threshold is None else f"accepted from confidence {promise.threshold:.3f} on"


def state_words(look: Learned) -> str:
    """What became of a look at the labels."""
    promise = Promise.model_validate_json(look.content)
    return {
        LearnedState.USED: f"proven by {look.labels:,} labels, {threshold_words(promise)}",
        LearnedState.REFUSED: f"not proven by {look.labels:,} labels",
        LearnedState.CLOSED: "closed by the alarm: audits speak against it",
        LearnedState.ROLLED_BACK: f"taken back by {look.changed_by}",
    }[look.state]


def promise_sentence(look: Learned) -> str:
    """What a type promises, and what became of it since when."""
    rules = Promise.model_validate_json(look.content).rules
    return f"{look.document_type}: {aim_words(rules)}: {state_words(look)} (look of {look.made_at:%Y-%m-%d})."

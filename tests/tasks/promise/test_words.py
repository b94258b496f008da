"""Promises in words: what is promised, and what became of it."""

from decimal import Decimal

import pytest

from blocks.database.engine import now
from blocks.database.learning.learned import Learned, LearnedState, Part
from blocks.document_types.review_rules import AcceptRules
from blocks.learning import promise as proofs_of
from blocks.learning.promise import Proof
from blocks.learning.promised import WHOLE, Promise
from tasks.promise.words import aim_words, promise_sentence


def look(state: LearnedState, **proofs: float) -> Learned:
    promise = Promise(
        rules=AcceptRules(error=Decimal("0.05"), per="field" if proofs else "document"),
        basis="b",
        look=1,
        labels=80,
        proofs={
            name: Proof(tests=(proofs_of.Tested(threshold=threshold, counted=80, wrong=0, has_passed=True),))
            for name, threshold in (proofs or {WHOLE: 0.9}).items()
        },
    )
    return Learned(
        learned_id=3,
        document_type="slip",
        part=Part.PROMISE,
        content=promise.model_dump_json().encode(),
        digest="d",
        labels=80,
        gate={},
        state=state,
        made_at=now().replace(year=2026, month=11, day=3),
        changed_by="ann",
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (LearnedState.USED, "proven by 80 labels, accepted from confidence 0.900 on"),
        (LearnedState.REFUSED, "not proven by 80 labels"),
        (LearnedState.CLOSED, "closed by the alarm: audits speak against it"),
        (LearnedState.ROLLED_BACK, "taken back by ann"),
    ],
)
def test_a_report_says_what_became_of_a_promise(state: LearnedState, words: str) -> None:
    head = "slip: at most 5% of the accepted rows wrong, 95% sure"
    assert promise_sentence(look(state)) == f"{head}: {words} (look of 2026-11-03)."


def test_a_promise_for_each_field_accepts_from_the_strictest_threshold_on() -> None:
    rules = AcceptRules(error=Decimal("0.001"), certainty=Decimal("0.9"), per="field")
    assert aim_words(rules) == "at most 0.1% of each deciding field of the accepted rows wrong, 90% sure"
    assert "accepted from confidence 0.900 on" in promise_sentence(look(LearnedState.USED, sum=0.9, note=0.8))

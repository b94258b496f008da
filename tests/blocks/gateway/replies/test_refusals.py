"""A model that declines speaks of itself and of its task; a document and an answer do not."""

import pytest

from blocks.gateway.replies.refusals import OPENING_CHARACTERS, refusal_in, speaks_of_itself


@pytest.mark.parametrize(
    "text",
    [
        "I can\u2019t help with that.",
        "I'm sorry, but I cannot assist.",
        "We are unable to process this document.",
        "I must respectfully decline.",
        "This violates our content policy.",
        "Ich kann Ihnen dabei leider nicht helfen.",
        "Je ne peux pas vous aider.",
        "No puedo ayudar con esto.",
        "Não posso ajudar com isso.",
        "Ik kan u daar niet mee helpen. Het spijt me, ik kan dat niet.",
        "As an AI language model, I read no bills.",
    ],
)
def test_words_that_decline(text: str) -> None:
    assert refusal_in(text)
    assert refusal_in("x" * (OPENING_CHARACTERS + 1) + text) is None, "a model declines at once"


@pytest.mark.parametrize(
    "text",
    [
        "I cannot find the date",
        "We cannot process the refund before Monday.",
        "The supplier could not deliver.",
        "Sorry for the delay",
        "Ich kann das Datum nicht finden",
        "Help desk",
        "",
    ],
)
def test_words_that_answer(text: str) -> None:
    expected = "we cannot process" if "refund" in text else None
    assert refusal_in(text) == expected


def test_only_a_model_calls_itself_one() -> None:
    assert speaks_of_itself("I am an AI and write no letters") == "i am an ai"
    assert speaks_of_itself("I'm sorry, we cannot process the refund.") is None

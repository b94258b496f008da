"""Texts are compared by sketches that are made without any other document."""

import random

from blocks.learning.likeness import MIN_TO_FIT, Likeness, sketch

WORDS = "anchor barley copper drum ember flint grain harbour iron jetty kettle lantern mast nail oar plank".split()  # noqa: SIM905


def texts(number: int) -> list[str]:
    """Each with words of its own, between words that all of them share."""
    picks = random.Random(1)
    return [f"invoice total thank you {' '.join(picks.sample(WORDS, 6))} please come again" for _ in range(number)]


def test_a_text_is_most_like_itself_among_few_and_many() -> None:
    for number in (5, MIN_TO_FIT * 2):
        many = texts(number)
        likeness = Likeness([sketch(text) for text in many]).of(sketch(many[3]))
        assert int(likeness.argmax()) == 3
        assert likeness[3] > 0.99


def test_a_sketch_depends_on_words_and_not_on_figures_or_order() -> None:
    assert sketch("total 12 paid") == sketch("paid total 99")
    assert sketch("total paid") != sketch("harbour fee")


def test_a_text_without_words_is_like_nothing() -> None:
    assert float(Likeness([sketch("total paid")]).of(sketch("12 34"))[0]) == 0.0

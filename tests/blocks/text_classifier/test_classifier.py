"""The text classifier: what it learns, how sure it is, which words it names, and what it keeps."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blocks.text_classifier import kept as kept_classifiers
from blocks.text_classifier import training as text_training
from blocks.text_classifier.classifier import Lesson, softmax
from blocks.text_classifier.features import Keywords, keyword_features, top_of, words
from blocks.text_classifier.training import fit, train

WEATHER = ["rain all day in the north", "sunny and warm at the coast", "snow and strong wind tonight", "fog, then sun"]
FOOD = ["bake the bread for an hour", "two eggs and some butter", "soup with onions and beans", "fry the fish in oil"]
LESSONS = [*(Lesson(text, "weather") for text in WEATHER), *(Lesson(text, "food") for text in FOOD)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_classifiers, "user_cache_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr(text_training, "_kept", {})


def test_it_generalises_over_endings_and_states_its_confidence() -> None:
    classifier = train(LESSONS)
    rainy, baking = classifier.predict(["raining and windy in the north", "baking breads with butter and eggs"])
    assert (rainy.label, baking.label) == ("weather", "food")
    assert rainy.confidence > 0.6
    assert sum(rainy.scores.values()) == pytest.approx(1.0, abs=0.001)


def test_a_text_without_any_known_word_gets_no_confident_label() -> None:
    (prediction,) = train(LESSONS).predict(["1234567890"])
    assert prediction.confidence < 0.7


def test_labels_can_be_known_by_keywords_alone() -> None:
    classifier = train([], {"animal": ("horse", "cow"), "tool": ("hammer", "saw")})
    assert [prediction.label for prediction in classifier.predict(["the old horse", "a hammer and nails"])] == [
        "animal",
        "tool",
    ]


def test_keywords_in_the_first_lines_outweigh_those_below() -> None:
    keywords = {"chef": ("chef", "kitchen"), "teacher": ("teacher", "school")}
    text = "Teacher\n\nSummary\nLikes people\nOnce cooked in a kitchen.\nThe kitchen was small."
    assert train([], keywords, top=True).predict([text])[0].label == "teacher"
    assert train([], keywords, top=False).predict([text])[0].label == "chef"


def test_the_words_that_count_for_a_label_are_named() -> None:
    text = "they said on the radio that snow is coming"
    weights = train(LESSONS).word_weights(text, "weather")
    span, _ = max(weights, key=lambda weighed: weighed[1])
    assert text[span.start : span.end] == "snow"


def test_training_twice_gives_the_same_figures() -> None:
    first, second = fit(LESSONS, {}, top=False), fit(LESSONS, {}, top=False)
    assert np.array_equal(first.weights, second.weights)
    assert first.temperature == second.temperature


def test_a_classifier_from_disk_predicts_what_it_did_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["warm rain", "butter on bread", "nothing of either"]
    trained = train(LESSONS).predict(texts)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    monkeypatch.setattr(text_training, "_kept", {})
    monkeypatch.setattr(text_training, "fit", lambda *_, **__: pytest.fail("it was trained again"))
    assert train(LESSONS).predict(texts) == trained


def test_a_kept_classifier_needs_no_scikit_learn(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from blocks.text_classifier import kept, training as t;"
        "from blocks.text_classifier.classifier import Lesson;"
        f"kept.user_cache_path = lambda *a, **k: Path({str(tmp_path)!r});"
        "t.train([Lesson('rain', 'a'), Lesson('bread', 'b')]); print('sklearn' in sys.modules)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [run.stdout.strip() for run in runs] == ["True", "False"]


def test_training_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped] # it ships no types

    train(LESSONS)
    threads: list[int] = []
    regression = text_training._logistic_regression

    def watched(*arguments: Any) -> Any:
        threads.extend(library["num_threads"] for library in threadpool_info())
        return regression(*arguments)

    monkeypatch.setattr(text_training, "_logistic_regression", watched)
    fit(LESSONS, {}, top=False)
    assert set(threads) == {1}


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("cat", "The CAT sat", "CAT"),
        ("cat", "concatenate", None),
        ("cat*", "two cats", "cats"),
        ("silly", "what a s*lly idea", "s*lly"),
        ("cold call", "cold-call", "cold-call"),
        ("business development", "headof BUSINESSDEVELOPMENT", "BUSINESSDEVELOPMENT"),
        ("kill you", "the skill you need", None),
    ],
)
def test_where_a_keyword_stands(term: str, text: str, found: str | None) -> None:
    keywords = Keywords((term,))
    assert [text[span.start : span.end] for span in keywords.spans(text)] == ([found] if found else [])
    assert bool(keywords.count(text)) == bool(found)


def test_overlapping_keywords_are_marked_once() -> None:
    text = "social media manager"
    spans = Keywords(("social media", "social media manager", "media")).spans(text)
    assert [text[span.start : span.end] for span in spans] == ["social media manager"]


def test_keyword_features_are_presence_share_and_absence() -> None:
    keywords = {"a": Keywords(("ant",)), "b": Keywords(("bee",))}
    assert keyword_features(keywords, "ant ant bee", top=False) == [
        1.0,
        pytest.approx(2 / 3),
        1.0,
        pytest.approx(1 / 3),
        0.0,
    ]
    assert keyword_features(keywords, "nothing", top=False) == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_the_top_is_the_first_two_lines_that_say_something() -> None:
    assert top_of("\n\nA\n \nB\nC\nD") == "A\nB"


def test_words_have_their_places() -> None:
    text = "Don't pay £5!"
    assert [(word, text[span.start : span.end]) for word, span in words(text)] == [
        ("don't", "Don't"),
        ("pay", "pay"),
        ("£", "£"),
        ("5", "5"),
        ("!", "!"),
    ]


def test_softmax_survives_large_numbers() -> None:
    assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]

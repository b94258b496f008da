"""A small text classifier for labels that a document type defines: trained on its examples, explained by words.

Logistic regression over TF-IDF of words, word pairs and letter groups, with the labels' keywords as features of their
own. Regularised logistic regression is the usual strong baseline for few short texts per label (Wang and Manning,
"Baselines and Bigrams", ACL 2012). Confidences are the softmax at a temperature that is fitted on held-out folds
(Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

scikit-learn trains and takes seconds to import; a trained classifier is plain arrays, kept in the process and on disk.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blocks.text_classifier.features import Keywords, Span, keyword_features, word_features, words

Floats = NDArray[np.float64]

READ_CHARACTERS = 6_000
"""So much of a text is read: a document's subject is clear from its beginning."""

KEPT_WORDS = 50_000

KEYWORD_SCALE = 0.5
"""Weight of the keyword features beside the text's own, which have length 1."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text and its label. `is_hint`: the text is words about the label, no example of it.

    `is_decided`: the text is that of a document of the database; what is trained on it is not kept on disk.
    """

    text: str
    label: str
    is_hint: bool = False
    is_decided: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable label and its probability, with the probability of every label."""

    label: str
    confidence: float
    scores: dict[str, float]


@dataclass(frozen=True)
class TextClassifier:
    """A trained classifier. `weights` is (features, labels), keyword features last; `idf` has one per text feature."""

    labels: tuple[str, ...]
    features: tuple[str, ...]
    idf: Floats
    weights: NDArray[np.float32]
    intercept: Floats
    temperature: float
    keywords: Mapping[str, tuple[str, ...]]
    top: bool = False

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text; confidences in [0, 1], rounded to four places so that they are stable."""
        if not texts:
            return []
        rows = softmax(np.stack([self.logits(text) for text in texts]) * self.temperature)
        predictions = []
        for row in rows:
            best = int(row.argmax())
            scores = {label: round(float(p), 4) for label, p in zip(self.labels, row, strict=True)}
            predictions.append(Prediction(self.labels[best], scores[self.labels[best]], scores))
        return predictions

    def logits(self, text: str) -> Floats:
        """The raw score of every label."""
        text = text[:READ_CHARACTERS]
        ids, counts = np.unique(self._ids(text), return_counts=True)
        total = self.intercept.copy()
        if ids.size:
            values = (1.0 + np.log(counts)) * self.idf[ids]
            total += (values / np.linalg.norm(values)) @ self.weights[ids]
        if self._compiled:
            hits = np.array(keyword_features(self._compiled, text, top=self.top)) * KEYWORD_SCALE
            total += hits @ self.weights[len(self.features) :]
        return total

    def word_weights(self, text: str, label: str) -> list[tuple[Span, float]]:
        """How much each word of `text` counts for `label` against the others, in an arbitrary unit."""
        column = self.labels.index(label)
        found = words(text[:READ_CHARACTERS])
        weights = [float(self._centred[self._word_ids(word), column].sum()) for word, _ in found]
        for position, ((left, _), (right, _)) in enumerate(itertools.pairwise(found)):
            index = self._index.get(f"{left} {right}")
            if index is not None:
                half = float(self._centred[index, column]) / 2
                weights[position] += half
                weights[position + 1] += half
        hits = self._compiled[label].spans(text) if label in self._compiled else []
        strongest = max((abs(weight) for weight in weights), default=0.0)
        return [
            (span, weight + 2 * strongest * any(hit.start < span.end and span.start < hit.end for hit in hits))
            for (_, span), weight in zip(found, weights, strict=True)
        ]

    def _ids(self, text: str) -> NDArray[np.int64]:
        names = [word for word, _ in words(text)]
        pairs = (self._index.get(f"{left} {right}") for left, right in itertools.pairwise(names))
        of_pairs = np.array([index for index in pairs if index is not None], dtype=np.int64)
        return np.concatenate([*(self._word_ids(name) for name in names), of_pairs])

    def _word_ids(self, word: str) -> NDArray[np.int64]:
        ids = self._kept_ids.get(word)
        if ids is None:
            known = (self._index.get(feature) for feature in word_features(word))
            ids = np.array([index for index in known if index is not None], dtype=np.int64)
            if len(self._kept_ids) < KEPT_WORDS:
                self._kept_ids[word] = ids
        return ids

    @cached_property
    def _kept_ids(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {feature: index for index, feature in enumerate(self.features)}

    @cached_property
    def _centred(self) -> NDArray[np.float32]:
        """What each text feature adds for a label, less what it adds on average."""
        of_text = self.weights[: len(self.features)]
        centred = (of_text - of_text.mean(axis=1, keepdims=True)) * self.idf[:, None]
        return np.asarray(centred, dtype=np.float32)

    @cached_property
    def _compiled(self) -> dict[str, Keywords]:
        return compile_keywords(self.labels, self.keywords)


def compile_keywords(labels: Sequence[str], keywords: Mapping[str, tuple[str, ...]]) -> dict[str, Keywords]:
    """The keywords of every label that has any, in the order of the labels."""
    return {label: Keywords(keywords[label]) for label in labels if keywords.get(label)}


def softmax(logits: Floats) -> Floats:
    """Rows of probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

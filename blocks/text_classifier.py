"""A small text classifier for labels that a document type defines: trained on its examples, explained by words.

Logistic regression over TF-IDF of words, word pairs and letter groups, with the labels' keywords as features of their
own. Regularised logistic regression is the usual strong baseline for few short texts per label (Wang and Manning,
"Baselines and Bigrams", ACL 2012). Confidences are the softmax at a temperature that is fitted on held-out folds
(Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

scikit-learn trains and takes seconds to import; a trained classifier is plain arrays, kept in the process and on disk.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blocks.text_features import Keywords, Span, keyword_features, text_features, word_features, words

Floats = NDArray[np.float64]

READ_CHARACTERS = 6_000
"""How much of a text is read: what a document is about stands at its beginning."""

KEYWORD_SCALE = 0.5
"""Weight of the keyword features beside the text's own, which have length 1."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text and its label. `is_hint` marks words about a label rather than an example of one."""

    text: str
    label: str
    is_hint: bool = False


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
        counts = Counter(text_features(text))
        known = [(self._index[name], count) for name, count in counts.items() if name in self._index]
        total = self.intercept.copy()
        if known:
            ids = np.array([index for index, _ in known])
            values = (1.0 + np.log([count for _, count in known])) * self.idf[ids]
            total += (values / np.linalg.norm(values)) @ self.weights[ids]
        if self._compiled:
            hits = np.array(keyword_features(self._compiled, text, top=self.top)) * KEYWORD_SCALE
            total += hits @ self.weights[len(self.features) :]
        return total

    def word_weights(self, text: str, label: str) -> list[tuple[Span, float]]:
        """How much each word of `text` speaks for `label` rather than the others; the unit is arbitrary."""
        column = self.labels.index(label)
        found = words(text[:READ_CHARACTERS])
        spoken = [self._word_weight(word, column) for word, _ in found]
        for position, ((left, _), (right, _)) in enumerate(itertools.pairwise(found)):
            half = self._feature_weight(f"{left} {right}", column) / 2
            spoken[position] += half
            spoken[position + 1] += half
        hits = self._compiled[label].spans(text) if label in self._compiled else []
        strongest = max((abs(weight) for weight in spoken), default=0.0)
        return [
            (span, weight + strongest * any(hit.start < span.end and span.start < hit.end for hit in hits))
            for (_, span), weight in zip(found, spoken, strict=True)
        ]

    def _word_weight(self, word: str, column: int) -> float:
        return sum(self._feature_weight(feature, column) for feature in word_features(word))

    def _feature_weight(self, feature: str, column: int) -> float:
        index = self._index.get(feature)
        return 0.0 if index is None else float(self.idf[index] * (self.weights[index, column] - self._mean[index]))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {feature: index for index, feature in enumerate(self.features)}

    @cached_property
    def _mean(self) -> Floats:
        return np.asarray(self.weights.mean(axis=1))

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

"""Training of text classifiers: fitted by scikit-learn, calibrated on held-out folds, kept as plain arrays.

A trained classifier is kept in the process and, because importing scikit-learn alone takes seconds, in the user's
cache folder under the digest of all it was trained on. The files are NumPy arrays read without pickle: the worst that a
forged one can do is a wrong label.
"""

import hashlib
import json
import logging
import os
import tempfile
import threading
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from blocks.text_classifier import (
    KEYWORD_SCALE,
    READ_CHARACTERS,
    Floats,
    Lesson,
    TextClassifier,
    compile_keywords,
    softmax,
)
from blocks.text_features import keyword_features, text_features

VERSION = 1
"""Part of every digest: raise it when the same lessons give another classifier."""

INVERSE_PENALTY = 20.0
"""scikit-learn's C; of 5, 20, 60 and 200 the best in cross-validation on 77 intents with 6 examples each."""

FOLDS = 3

HINTS_ONLY_TEMPERATURE = 1.7
"""The temperature where no label has examples to hold out: measured on occupations of résumés."""

KEPT = 32

log = logging.getLogger(__name__)
_kept: dict[str, TextClassifier] = {}
_lock = threading.Lock()


def train(
    lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]] | None = None, *, top: bool = False
) -> TextClassifier:
    """The classifier of these lessons: taken from memory or disk where it was trained before.

    `keywords` are words that speak for a label; `top` gives those in the first lines features of their own. A label
    is known once it has a lesson or keywords; at least one must be. Deterministic.
    """
    keywords = {label: terms for label, terms in (keywords or {}).items() if terms}
    digest = _digest(lessons, keywords, top)
    with _lock:
        classifier = _kept.get(digest)
        if classifier is None:
            classifier = _load(digest, keywords, top)
            if classifier is None:
                classifier = fit(lessons, keywords, top=top)
                _save(digest, classifier)
            while len(_kept) >= KEPT:
                del _kept[next(iter(_kept))]
            _kept[digest] = classifier
        return classifier


def fit(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]], *, top: bool) -> TextClassifier:
    """Train without looking at what was trained before."""
    lessons = [*lessons, *_hints(lessons, keywords)]
    labels = tuple(sorted({lesson.label for lesson in lessons}))
    classifier = _fit(lessons, labels, keywords, top)
    if len(labels) > 1:
        classifier = replace(classifier, temperature=_temperature(lessons, labels, keywords, top))
    return classifier


def _hints(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]]) -> list[Lesson]:
    """What a label's name and keywords say, as texts of their own."""
    labels = sorted({lesson.label for lesson in lessons} | set(keywords))
    hints = [Lesson(label.replace("_", " ").replace("-", " "), label, is_hint=True) for label in labels]
    hints.extend(Lesson(" ".join(terms).replace("*", ""), label, is_hint=True) for label, terms in keywords.items())
    return hints


def _fit(
    lessons: Sequence[Lesson], labels: tuple[str, ...], keywords: Mapping[str, tuple[str, ...]], top: bool
) -> TextClassifier:
    texts = [lesson.text[:READ_CHARACTERS] for lesson in lessons]
    counted = [Counter(text_features(text)) for text in texts]
    features, idf = _vocabulary(counted)
    index = {feature: position for position, feature in enumerate(features)}
    matrix = np.zeros((len(texts), len(features)))
    for row, counts in enumerate(counted):
        ids = [index[name] for name in counts]
        values = (1.0 + np.log(list(counts.values()))) * idf[ids] if ids else np.zeros(0)
        matrix[row, ids] = values / (np.linalg.norm(values) or 1.0)
    compiled = compile_keywords(labels, keywords)
    if compiled:
        hits = np.array([keyword_features(compiled, text, top=top) for text in texts]) * KEYWORD_SCALE
        matrix = np.hstack([matrix, hits])
    if len(labels) == 1:
        weights, intercept = np.zeros((matrix.shape[1], 1)), np.zeros(1)
    else:
        weights, intercept = _logistic_regression(matrix, [lesson.label for lesson in lessons])
    single = weights.astype(np.float32)  # what the disk keeps, so that a loaded classifier says the same
    return TextClassifier(labels, features, idf, single, intercept, 1.0, keywords, top)


def _vocabulary(counted: Sequence[Counter[str]]) -> tuple[tuple[str, ...], Floats]:
    """The features that occur, and their smoothed inverse document frequency, as scikit-learn defines it."""
    documents = Counter(name for counts in counted for name in counts)
    features = tuple(sorted(documents))
    frequency = np.array([documents[name] for name in features], dtype=float)
    return features, np.log((1 + len(counted)) / (1 + frequency)) + 1


def _logistic_regression(matrix: Floats, labels: list[str]) -> tuple[Floats, Floats]:
    """Weights (features, labels in order of name) and intercepts.

    Fitted in the space that the rows span, which has as many dimensions as there are rows: the same optimum, found
    many times faster where features outnumber rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    kept = values > values.max() * 1e-9
    scale, vectors = np.sqrt(values[kept]), vectors[:, kept]
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=100, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred rounds are as good as the optimum here
        model.fit(vectors * scale, labels)
    weights = matrix.T @ ((vectors / scale) @ model.coef_.T)
    intercept = np.asarray(model.intercept_, dtype=float)
    if len(model.classes_) == 2:
        weights, intercept = np.hstack([-weights, weights]) / 2, np.array([-intercept[0], intercept[0]]) / 2
    return weights, intercept


def _temperature(
    lessons: Sequence[Lesson], labels: tuple[str, ...], keywords: Mapping[str, tuple[str, ...]], top: bool
) -> float:
    """The factor on the logits under which examples that were held out are most probable."""
    seen: Counter[str] = Counter()
    folds = []
    for lesson in lessons:
        folds.append(-1 if lesson.is_hint else seen[lesson.label] % FOLDS)
        seen[lesson.label] += not lesson.is_hint
    if sum(count >= FOLDS for count in seen.values()) < 2:
        return HINTS_ONLY_TEMPERATURE
    logits, truth = [], []
    for fold in range(FOLDS):
        part = _fit([item for item, at in zip(lessons, folds, strict=True) if at != fold], labels, keywords, top)
        for lesson, at in zip(lessons, folds, strict=True):
            if at == fold:
                logits.append(part.logits(lesson.text))
                truth.append(labels.index(lesson.label))
    scores, rows = np.stack(logits), np.arange(len(truth))
    candidates = np.geomspace(0.1, 10, 81)
    losses = [-np.log(softmax(scores * factor)[rows, truth] + 1e-12).mean() for factor in candidates]
    return float(candidates[int(np.argmin(losses))])


def _digest(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]], top: bool) -> str:
    content = [VERSION, [[lesson.label, lesson.is_hint, lesson.text] for lesson in lessons], dict(keywords), top]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _cache_file(digest: str) -> Path:
    return user_cache_path("winnow", appauthor=False) / "classifiers" / f"{digest}.npz"


def _load(digest: str, keywords: Mapping[str, tuple[str, ...]], top: bool) -> TextClassifier | None:
    try:
        with np.load(_cache_file(digest), allow_pickle=False) as arrays:
            return TextClassifier(
                tuple(str(arrays["labels"]).split("\n")),
                tuple(str(arrays["features"]).split("\n")),
                arrays["idf"],
                arrays["weights"],
                arrays["intercept"].astype(float),
                float(arrays["temperature"]),
                keywords,
                top,
            )
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.debug("a kept classifier cannot be read and is trained again: %s", error)
        return None


def _save(digest: str, classifier: TextClassifier) -> None:
    arrays: dict[str, Any] = {
        "labels": np.array("\n".join(classifier.labels)),
        "features": np.array("\n".join(classifier.features)),
        "idf": classifier.idf,
        "weights": classifier.weights,
        "intercept": classifier.intercept,
        "temperature": np.array(classifier.temperature),
    }
    file = _cache_file(digest)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            np.savez(part, **arrays)
        os.replace(part.name, file)  # noqa: PTH105 - the temporary file has a name, not a Path
    except OSError as error:
        log.debug("the trained classifier is not kept on disk: %s", error)

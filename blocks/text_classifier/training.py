"""Training of text classifiers: fitted by scikit-learn, calibrated on held-out folds, kept as plain arrays.

A trained classifier is kept in the process and, because importing scikit-learn alone takes seconds, on disk.
"""

import hashlib
import json
import threading
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocks.imports.import_lock import IMPORT_LOCK
from blocks.text_classifier import kept
from blocks.text_classifier.classifier import (
    KEYWORD_SCALE,
    READ_CHARACTERS,
    Floats,
    Lesson,
    TextClassifier,
    compile_keywords,
    softmax,
)
from blocks.text_classifier.features import keyword_features, text_features

VERSION = 5
"""Part of every digest: raise it when the same lessons give another classifier, or when its file changes."""

INVERSE_PENALTY = 20.0
"""scikit-learn's C; of 5, 20, 60 and 200 the best in cross-validation on 77 intents with 6 examples each."""

FOLDS = 3

HINTS_ONLY_TEMPERATURE = 1.7
"""The temperature where no label has examples to hold out: measured on occupations of résumés."""

NEVER_SEEN = -20.0
"""Intercept of a label that a fold left without any lesson."""

JITTER = 1e-6
"""Added to every lesson's likeness with itself, so that equal lessons stay distinguishable numerically."""

LIBRARIES = ("scipy.sparse", "sklearn.linear_model")
"""What training imports, under the lock for imports."""

MAX_KEPT = 32
"""How many classifiers a process keeps."""

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Table:
    """The lessons as figures: a row of text features and one of keyword features each, and how alike any two are."""

    features: tuple[str, ...]
    idf: Floats
    text: Any
    keywords: Floats
    likeness: Floats


_kept: dict[str, TextClassifier] = {}
_lock = threading.Lock()


def train(
    lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]] | None = None, *, top: bool = False
) -> TextClassifier:
    """The classifier of these lessons: taken from memory or disk where it was trained before.

    `keywords` are words that speak for a label; `top` gives those in the first lines features of their own. A label
    is known once it has a lesson or keywords; at least one must be. Deterministic. What is trained on people's
    documents is kept in memory alone: it holds their words.
    """
    keywords = {label: terms for label, terms in (keywords or {}).items() if terms}
    digest = _digest(lessons, keywords, top)
    with _lock:
        classifier = _kept.get(digest)
        if classifier is None:
            is_on_disk = not any(lesson.is_decided for lesson in lessons)
            classifier = kept.load(digest, keywords, top=top) if is_on_disk else None
            if classifier is None:
                classifier = fit(lessons, keywords, top=top)
                if is_on_disk:
                    kept.save(digest, classifier)
            while len(_kept) >= MAX_KEPT:
                del _kept[next(iter(_kept))]
            _kept[digest] = classifier
        return classifier


def fit(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]], *, top: bool) -> TextClassifier:
    """Train without looking at what was trained before.

    On one thread: more threads of BLAS add in another order, so that confidences would differ by some thousandths with
    the number of cores. The matrices are so small that one thread takes less CPU time too.
    """
    with IMPORT_LOCK:
        for library in LIBRARIES:
            import_module(library)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it ships no types

    with threadpool_limits(1):
        return _fit(lessons, keywords, top)


def _fit(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]], top: bool) -> TextClassifier:
    lessons = [*lessons, *_hints(lessons, keywords)]
    labels = tuple(sorted({lesson.label for lesson in lessons}))
    table = _tabulate(lessons, labels, keywords, top)
    truth = np.array([labels.index(lesson.label) for lesson in lessons])
    everything = np.arange(len(lessons))
    alphas, intercept = _logistic_regression(table.likeness, truth, len(labels))
    of_text, of_keywords = np.asarray(table.text.T @ alphas), table.keywords.T @ alphas
    weights = np.vstack([of_text, of_keywords]).astype(np.float32)  # as the disk keeps them, so that both say the same
    is_hint = np.array([lesson.is_hint for lesson in lessons])
    temperature = _temperature(table.likeness, truth, everything[~is_hint], len(labels))
    return TextClassifier(labels, table.features, table.idf, weights, intercept, temperature, keywords, top)


def _hints(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]]) -> list[Lesson]:
    """What a label's name and keywords say, as texts of their own."""
    labels = sorted({lesson.label for lesson in lessons} | set(keywords))
    hints = [Lesson(label.replace("_", " ").replace("-", " "), label, is_hint=True) for label in labels]
    hints.extend(Lesson(" ".join(terms).replace("*", ""), label, is_hint=True) for label, terms in keywords.items())
    return hints


def _tabulate(
    lessons: Sequence[Lesson], labels: tuple[str, ...], keywords: Mapping[str, tuple[str, ...]], top: bool
) -> _Table:
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped] # scipy ships no types

    texts = [lesson.text[:READ_CHARACTERS] for lesson in lessons]
    counted = [Counter(text_features(text)) for text in texts]
    features, idf = _vocabulary(counted)
    index = {feature: position for position, feature in enumerate(features)}
    columns = [np.array([index[name] for name in counts], dtype=np.int64) for counts in counted]
    values = [
        (1.0 + np.log(np.array(list(counts.values()), dtype=float))) * idf[ids]
        for counts, ids in zip(counted, columns, strict=True)
    ]
    scaled = [row / (np.linalg.norm(row) or 1.0) for row in values]
    starts = np.cumsum([0, *(len(row) for row in scaled)])
    shape = (len(texts), len(features))
    text = csr_matrix((np.concatenate(scaled), np.concatenate(columns), starts), shape=shape)
    compiled = compile_keywords(labels, keywords)
    hits = (
        np.array([keyword_features(compiled, one, top=top) for one in texts]) if compiled else np.zeros((len(texts), 0))
    )
    hits *= KEYWORD_SCALE
    return _Table(features, idf, text, hits, (text @ text.T).toarray() + hits @ hits.T)


def _vocabulary(counted: Sequence[Counter[str]]) -> tuple[tuple[str, ...], Floats]:
    """The features that occur, and their smoothed inverse document frequency, as scikit-learn defines it."""
    documents = Counter(name for counts in counted for name in counts)
    features = tuple(sorted(documents))
    frequency = np.array([documents[name] for name in features], dtype=float)
    return features, np.log((1 + len(counted)) / (1 + frequency)) + 1


def _logistic_regression(likeness: Floats, truth: Labels, label_count: int) -> tuple[Floats, Floats]:
    """What each lesson adds to each label, and the labels' intercepts.

    Fitted in the space that the lessons span, which has as many dimensions as there are lessons: the same optimum,
    found many times faster where features outnumber lessons.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(truth)
    alphas, intercepts = np.zeros((len(truth), label_count)), np.full(label_count, NEVER_SEEN)
    if len(present) == 1:
        intercepts[present] = 0.0
        return alphas, intercepts
    factor = np.linalg.cholesky(likeness + JITTER * np.eye(len(truth)))
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=100, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred rounds are as good as the optimum here
        model.fit(factor.astype(np.float32), truth)
    found, shift = np.linalg.solve(factor.T, model.coef_.T.astype(float)), np.asarray(model.intercept_, dtype=float)
    if len(present) == 2:
        found, shift = np.hstack([-found, found]) / 2, np.array([-shift[0], shift[0]]) / 2
    alphas[:, present], intercepts[present] = found, shift
    return alphas, intercepts


def _temperature(likeness: Floats, truth: Labels, examples: Labels, label_count: int) -> float:
    """The factor on the logits under which examples that were held out are most probable.

    `examples` are the rows that are no hints; those of each label are dealt to the folds in turn.
    """
    seen: Counter[int] = Counter()
    folds = np.full(len(truth), -1)
    for row in examples:
        folds[row] = seen[int(truth[row])] % FOLDS
        seen[int(truth[row])] += 1
    if sum(count >= FOLDS for count in seen.values()) < 2:
        return HINTS_ONLY_TEMPERATURE
    logits = np.zeros((len(truth), label_count))
    for fold in range(FOLDS):
        held_out, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        alphas, intercept = _logistic_regression(likeness[np.ix_(kept, kept)], truth[kept], label_count)
        logits[held_out] = likeness[np.ix_(held_out, kept)] @ alphas + intercept
    candidates = np.geomspace(0.1, 10, 81)
    rows = np.arange(len(examples))
    shares = (softmax(logits[examples] * factor)[rows, truth[examples]] for factor in candidates)
    losses = [-np.log(share + 1e-12).mean() for share in shares]
    return float(candidates[int(np.argmin(losses))])


def _digest(lessons: Sequence[Lesson], keywords: Mapping[str, tuple[str, ...]], top: bool) -> str:
    examples = [[lesson.label, lesson.is_hint, lesson.text] for lesson in lessons]
    content = [VERSION, version("scikit-learn"), examples, dict(keywords), top]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

"""How alike two documents' texts are: sketches of their words, compared by cosine.

A sketch is the count of a document's words, pairs of words and letter groups, each hashed to one of a few dimensions
with a sign (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009). It is made without any
other document, so that it is made once. What all documents of a pile share (the words of every receipt) is taken out of
their sketches when they are put together: their mean, and the directions along which all of them vary (scikit-learn's
truncated SVD; Mu and Viswanath, "All-but-the-Top", ICLR 2018).
"""

import base64
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from blocks.records import Page
from blocks.text_classifier.features import word_features, words

Floats = NDArray[np.float32]

DIMENSIONS = 256
KEPT_DIMENSIONS = 128
"""Documents are compared in so many dimensions: 100,000 of them take 51 MB."""
READ_CHARACTERS = 6_000
FIT_SAMPLE = 4_000
"""The directions are found from so many documents, spread evenly over all."""
MIN_TO_FIT = 32
"""Fewer documents are compared by their plain sketches."""


def text_of(pages: Sequence[Page]) -> str:
    """The part of a document's text that is compared."""
    return "\n".join(page.text for page in pages)[:READ_CHARACTERS]


def sketch(text: str) -> str:
    """The sketch of a text, of one byte for each dimension, in Base64."""
    names = [name for name, _ in words(text[:READ_CHARACTERS]) if not name.isdigit()]
    if not names:
        return base64.b64encode(bytes(DIMENSIONS)).decode()
    counts = Counter(names)
    weights = 1.0 + np.log(np.fromiter(counts.values(), dtype=np.float32))
    vector = weights @ np.stack([_word_vector(name) for name in counts])
    length = float(np.abs(vector).max()) or 1.0
    return base64.b64encode(np.round(vector * (127.0 / length)).astype(np.int8).tobytes()).decode()


@lru_cache(maxsize=20_000)
def _word_vector(word: str) -> Floats:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for feature in word_features(word):
        digest = zlib.crc32(feature.encode())
        weight = 1.0 if feature.startswith("w:") else 0.3
        vector[digest % DIMENSIONS] += weight if digest & 0x10000 else -weight
    return vector


def vectors_of(sketches: Sequence[str]) -> Floats:
    """The sketches as rows of figures."""
    if not sketches:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    content = base64.b64decode("".join(sketches)) if DIMENSIONS % 3 == 0 else b"".join(map(base64.b64decode, sketches))
    return np.frombuffer(content, dtype=np.int8).reshape(len(sketches), DIMENSIONS).astype(np.float32)


class Likeness:
    """The texts of many decided documents, ready to be compared with that of a new one."""

    def __init__(self, sketches: Sequence[str]) -> None:
        plain = _scaled(vectors_of(sketches))
        self._mean = plain.mean(axis=0) if len(plain) >= MIN_TO_FIT else np.zeros(DIMENSIONS, dtype=np.float32)
        self._directions = _directions(plain - self._mean) if len(plain) >= MIN_TO_FIT else None
        self._vectors = self._placed(plain)

    def of(self, sketch: str) -> Floats:
        """The cosine of a text with each document's, in [-1, 1]."""
        return np.asarray(self._vectors @ self._placed(_scaled(vectors_of([sketch])))[0], dtype=np.float32)

    def _placed(self, vectors: Floats) -> Floats:
        centred = vectors - self._mean
        return _scaled(centred if self._directions is None else centred @ self._directions)


def _directions(centred: Floats) -> Floats | None:
    """The directions in which the documents differ most, each scaled so that all count alike; (dimensions, kept)."""
    from sklearn.decomposition import TruncatedSVD

    sample = centred[:: max(1, len(centred) // FIT_SAMPLE)]
    kept = min(KEPT_DIMENSIONS, len(sample) - 1)
    found = TruncatedSVD(kept, random_state=0).fit(sample)
    return np.asarray(found.components_.T, dtype=np.float32)


def _scaled(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)

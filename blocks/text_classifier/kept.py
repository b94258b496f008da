"""Trained classifiers on disk: each is a file in the user's cache folder, named by the digest of its lessons.

The files are NumPy arrays and are read without pickle, so a forged file can at worst give a wrong label. A file that
cannot be read, or that holds another classifier, counts as missing and is written anew.
"""

import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from blocks.text_classifier.classifier import TextClassifier, compile_keywords
from blocks.text_classifier.features import keyword_features

MAX_FILES = 64
"""The folder keeps so many files, those used last. A file takes about a megabyte."""

log = logging.getLogger(__name__)


_folder: Path | None = None


def folder() -> Path:
    """The folder of the files."""
    return _folder or user_cache_path("winnow", appauthor=False) / "classifiers"


def use_folder(path: Path) -> None:
    """Use this folder in a process that does not have the user's environment."""
    global _folder  # noqa: PLW0603 - the folder is the process's, as the environment is
    _folder = path


def load(digest: str, keywords: Mapping[str, tuple[str, ...]], *, top: bool) -> TextClassifier | None:
    """The classifier of this digest; None where there is no file that can be used."""
    file = folder() / f"{digest}.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            classifier = _classifier(digest, arrays, keywords, top)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        log.debug("the classifier's file %s cannot be used, so it is trained again: %s", file, error)
        return None
    _mark_as_used(file)
    return classifier


def save(digest: str, classifier: TextClassifier) -> None:
    """Write the classifier's file, and delete the files that were used least recently. A full disk costs only time."""
    arrays: dict[str, Any] = {
        "digest": np.array(digest),
        "labels": np.array("\n".join(classifier.labels)),
        "features": np.array("\n".join(classifier.features)),
        "idf": classifier.idf,
        "weights": classifier.weights,
        "intercept": classifier.intercept,
        "temperature": np.array(classifier.temperature),
    }
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder().parent, prefix="classifier-") as place:
            part = Path(place) / "part.npz"
            np.savez(part, **arrays)
            part.replace(folder() / f"{digest}.npz")
        _delete_oldest()
    except OSError as error:
        _warn_of_training_again(error.strerror or type(error).__name__)


@cache
def _warn_of_training_again(cause: str) -> None:
    log.warning("trained classifiers cannot be kept in %s, so each command trains them again: %s", folder(), cause)


def _classifier(digest: str, arrays: Any, keywords: Mapping[str, tuple[str, ...]], top: bool) -> TextClassifier:
    """The classifier in a file's arrays. Raises `ValueError` or `KeyError` where they are not those of `digest`."""
    labels = tuple(str(arrays["labels"]).split("\n"))
    features = tuple(str(arrays["features"]).split("\n"))
    idf, weights, intercept = arrays["idf"], arrays["weights"], arrays["intercept"].astype(float)
    compiled = compile_keywords(labels, keywords)
    rows = len(features) + (len(keyword_features(compiled, "", top=top)) if compiled else 0)
    shapes = (idf.shape, weights.shape, intercept.shape)
    if str(arrays["digest"]) != digest or shapes != ((len(features),), (rows, len(labels)), (len(labels),)):
        raise ValueError("it holds another classifier")
    return TextClassifier(labels, features, idf, weights, intercept, float(arrays["temperature"]), keywords, top)


def _mark_as_used(file: Path) -> None:
    try:
        os.utime(file)
    except OSError as error:  # a cache that is read-only for this user, or a file that another process has deleted
        log.debug("the use of %s is not noted: %s", file, error)


def _delete_oldest() -> None:
    files = sorted(folder().glob("*.npz"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for file in files[MAX_FILES:]:
        file.unlink(missing_ok=True)

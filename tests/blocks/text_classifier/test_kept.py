"""Trained classifiers on disk: under which name, which files are used, and how many there may be."""

import os
from pathlib import Path

import numpy as np
import pytest

from blocks.text_classifier import kept, training
from blocks.text_classifier.classifier import Lesson
from blocks.text_classifier.training import train

LESSONS = [
    *(Lesson(text, "weather") for text in ("rain all day in the north", "snow and strong wind tonight")),
    *(Lesson(text, "food") for text in ("bake the bread for an hour", "soup with onions and beans")),
]
TEXTS = ["snow tonight", "bread and soup", "neither of them"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept, "user_cache_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr(training, "_kept", {})
    return tmp_path / "classifiers"


def is_trained_again(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a new process would train: its memory is empty, and the disk is as it is."""
    trainings: list[object] = []
    fit = training.fit

    def counted(*arguments: object, **options: object) -> object:
        trainings.append(arguments)
        return fit(*arguments, **options)  # type: ignore[arg-type] # handed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", counted)
        patch.setattr(training, "_kept", {})
        assert train(LESSONS).predict(TEXTS)[0].label == "weather"
    return bool(trainings)


def test_what_is_on_disk_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = train(LESSONS).predict(TEXTS)
    assert not is_trained_again(monkeypatch)
    monkeypatch.setattr(training, "_kept", {})
    assert train(LESSONS).predict(TEXTS) == trained


def test_another_scikit_learn_trains_again(monkeypatch: pytest.MonkeyPatch) -> None:
    train(LESSONS)
    monkeypatch.setattr(training, "version", lambda name: f"another {name}")
    assert is_trained_again(monkeypatch)


def test_another_version_of_the_code_trains_again(monkeypatch: pytest.MonkeyPatch) -> None:
    train(LESSONS)
    monkeypatch.setattr(training, "VERSION", training.VERSION + 1)
    assert is_trained_again(monkeypatch)


def test_other_lessons_keywords_or_places_have_a_file_of_their_own(cache: Path) -> None:
    train(LESSONS)
    train([*LESSONS, Lesson("hail", "weather")])
    train(LESSONS, {"food": ("bread",)})
    train(LESSONS, {"food": ("bread",)}, top=True)
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY rubbish"])
def test_a_damaged_file_is_ignored_and_written_anew(
    cache: Path, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(LESSONS)
    (file,) = cache.iterdir()
    file.write_bytes(damage)
    assert is_trained_again(monkeypatch)
    assert not is_trained_again(monkeypatch)


def test_a_file_of_other_lessons_is_ignored_and_written_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(LESSONS)
    (file,) = cache.iterdir()
    train([*LESSONS, Lesson("hail", "weather")])
    (other,) = set(cache.iterdir()) - {file}
    other.replace(file)
    assert is_trained_again(monkeypatch)
    assert not is_trained_again(monkeypatch)


@pytest.mark.parametrize("name", ["idf", "weights", "intercept"])
def test_arrays_that_do_not_fit_each_other_are_ignored(cache: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train(LESSONS)
    (file,) = cache.iterdir()
    with np.load(file) as arrays:
        changed = {**arrays, name: arrays[name][:-1]}
    np.savez(file, **changed)
    assert is_trained_again(monkeypatch)


class Trap:
    """What a forged file would want to have unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def test_a_pickle_is_never_loaded(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(LESSONS)
    (file,) = cache.iterdir()
    sprung = tmp_path / "sprung"
    with np.load(file) as arrays:
        forged = {**arrays, "features": np.array([Trap(sprung)], dtype=object)}
    np.savez(file, **forged)
    assert is_trained_again(monkeypatch)
    assert not sprung.exists()


def test_the_folder_keeps_the_files_that_were_used_last(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_FILES", 2)
    train(LESSONS)
    (first,) = cache.iterdir()
    os.utime(first, (1, 1))
    train([*LESSONS, Lesson("hail", "weather")])
    (second,) = set(cache.iterdir()) - {first}
    os.utime(second, (2, 2))
    assert not is_trained_again(monkeypatch)  # reads the first, which is then the last one used
    train([*LESSONS, Lesson("fog", "weather")])
    assert first in cache.iterdir()
    assert second not in cache.iterdir()
    assert len(list(cache.iterdir())) == 2


def test_nothing_else_is_left_beside_the_files(tmp_path: Path) -> None:
    train(LESSONS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["classifiers"]


def test_a_cache_that_cannot_be_written_costs_time_and_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept, "user_cache_path", lambda *_, **__: Path("/proc/no_such_place"))
    kept._warn_of_training_again.cache_clear()
    assert train(LESSONS).predict(["snow tonight"])[0].label == "weather"
    train([*LESSONS, Lesson("hail", "weather")])
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "cannot be kept in /proc/no_such_place/classifiers, so each command trains them again" in record.message


def test_what_is_trained_on_peoples_documents_is_not_on_disk(cache: Path) -> None:
    decided = [*LESSONS, Lesson("the soup of Jane Roe", "food", is_decided=True)]
    assert train(decided).predict(["soup for Jane Roe"])[0].label == "food"
    assert not cache.exists() or not list(cache.iterdir())
    train(LESSONS)
    assert len(list(cache.iterdir())) == 1

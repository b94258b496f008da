"""Labels of enum fields, and of document types, teach the classifiers of later runs."""

from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.learning import learned
from blocks.database.learning.learned import Part
from blocks.database.tables import results, stage_outputs
from blocks.learning.labels import TYPE_FIELD
from blocks.records import Stage
from tasks.learn import types as types_gate
from tasks.learn.gate import Gate
from tasks.learn.learn import learn
from tests.label_rows import add_label
from tests.slip_desk import Desk

NOTE = """title: {title}
description: {title}.
fields:
  matter:
    type: enum
    required: true
    enum: [{values}]
memory: {{refresh: new}}
"""
TYPES = {"note": "harbour, garden", "slip": "kitchen, cellar"}
NOTES = (
    "The crane unloads grain from the freighter at quay {n}",
    "Ropes, anchors and a tug wait for the freighter at quay {n}",
    "Roses and tulips are planted along bed {n}",
    "The tulips of bed {n} want compost and shears",
)
SLIPS = (
    "Flour, eggs and butter are whisked for {n} minutes, then baked",
    "Simmer onions and butter for {n} minutes, add the eggs",
    "Barrels and corks are stacked in row {n}, the vintage is old",
    "Bottle {n} of the vintage, its cork is dry",
)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    desk = Desk(database, tmp_path / "in", tmp_path / "types")
    for name, values in TYPES.items():
        (desk.types_folder / name).mkdir(parents=True)
        (desk.types_folder / name / "type.yaml").write_text(NOTE.format(title=name.title(), values=values))
    desk.folder.mkdir()
    return desk


def hand_in(desk: Desk, first: int, texts: tuple[str, ...], times: int) -> None:
    for n in range(times):
        for place, text in enumerate(texts):
            (desk.folder / f"{first + n * len(texts) + place}.txt").write_text(text.format(n=n + 11))


def type_of(desk: Desk, number: int) -> str:
    query = select(results.c.document_type).where(results.c.document_id == desk.id_of(number), results.c.is_current)
    with desk.database.read() as connection:
        return str(connection.execute(query).scalar_one())


def fingerprint_of(desk: Desk, number: int, stage: Stage) -> str:
    own = stage_outputs.c
    query = select(own.fingerprint).where(own.document_id == desk.id_of(number), own.stage == stage, own.is_current)
    with desk.database.read() as connection:
        return str(connection.execute(query).scalar_one())


def with_decided_matters(desk: Desk) -> None:
    hand_in(desk, 0, NOTES, 3)
    desk.run(given="note")
    for number in range(12):
        matter = "harbour" if number % 4 < 2 else "garden"
        add_label(desk.database, desk.id_of(number), desk.types["note"], "matter", matter)


def test_labels_of_an_enum_field_teach_its_classifier(desk: Desk) -> None:
    with_decided_matters(desk)
    new = "Compost for the roses and tulips"
    (desk.folder / "20.txt").write_text(new)
    desk.run(given="note")
    assert matter_of(desk, 20) == "garden"
    learned_id = learned.in_use(desk.database)["note", Part.MEMORY].learned_id
    assert fingerprint_of(desk, 20, Stage.SCORE).endswith(f".{learned_id}")
    assert "." not in fingerprint_of(desk, 0, Stage.SCORE), "what was read before is not read again"


def matter_of(desk: Desk, number: int) -> object:
    query = select(results.c.fields).where(results.c.document_id == desk.id_of(number), results.c.is_current)
    with desk.database.read() as connection:
        return connection.execute(query).scalar_one()["matter"]


def with_decided_types(desk: Desk) -> None:
    """Texts without a title or a label, which nothing but their words tells apart."""
    hand_in(desk, 0, NOTES, 4)
    hand_in(desk, 100, SLIPS, 4)
    desk.run(given=None)
    assert {type_of(desk, number) for number in (0, 15, 100, 115)} == {"unknown"}
    for first, name in ((0, "note"), (100, "slip")):
        for number in range(first, first + 16):
            add_label(desk.database, desk.id_of(number), desk.types[name], TYPE_FIELD, name)


def test_documents_are_known_by_those_whose_type_people_decided(desk: Desk) -> None:
    with_decided_types(desk)
    (desk.folder / "200.txt").write_text("The freighter waits with grain for the tug and the crane")
    (desk.folder / "201.txt").write_text("The eggs are whisked with flour and baked with butter")
    desk.run(given=None)
    assert (type_of(desk, 200), type_of(desk, 201)) == ("note", "slip")
    used = sorted(found.learned_id for found in learned.in_use(desk.database).values())
    assert fingerprint_of(desk, 200, Stage.CLASSIFY).partition(".")[2] == "-".join(map(str, used))
    assert "." not in fingerprint_of(desk, 0, Stage.CLASSIFY)


def test_what_teaches_a_type_is_measured(desk: Desk) -> None:
    with_decided_types(desk)
    found = learn(desk.database, desk.types, lambda known, texts: ["note"] * len(texts))
    measured = {came.document_type: came.gate.fields[TYPE_FIELD] for came in found if isinstance(came.gate, Gate)}
    assert (measured["note"].documents, measured["note"].right_after) == (16, 16)
    assert (measured["slip"].documents, measured["slip"].right_after) == (32, 16), "documents of notes are measured too"


def test_a_document_is_no_lesson_of_its_own_measure(desk: Desk) -> None:
    with_decided_types(desk)
    seen: list[bool] = []

    def judge(known: object, texts: object) -> list[str]:
        examples = {example.text for example in known["note"].examples}  # type: ignore[index]
        seen.append(bool(examples & set(texts)))  # type: ignore[call-overload]
        return ["note"] * len(texts)  # type: ignore[arg-type]

    learn(desk.database, desk.types, judge, only="note")
    assert len(seen) > 1
    assert not any(seen)
    assert types_gate.OTHERS_MEASURED == 50

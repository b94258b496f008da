"""What calibration brings: documents that taught nothing, before and after it, by several ways to come by labels.

python benchmarks/calibrated.py [--data ../shared/data] [--sets receipts invoices resumes tickets posts speed]

Of each set two thirds teach and one third is measured, in ten random splits; documents with the same text fall on one
side. Intents of tickets are read by a type that never saw the message. A document is right if each of its labelled
fields is, and accepted if each of them is sure enough for the type's `accept_at`. Errors are those of all splits
together, rankings the mean of the splits.

drawn: the documents that teach were drawn by chance, so every value counts. review: they were decided in review, and
the values count that sent them there, as Winnow counts them. all of review: every value of these documents counts. one
fit: as drawn, but a single fit of all folds. The reader's own confidences were fitted to half of these receipts.
"""

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accuracy_fields import SETTINGS, Task, invoice_tasks, receipt_tasks
from accuracy_labels import INTENT_FOLDS, folds, text_of
from learning import is_right, read_rows_of
from sqlalchemy import insert

from blocks.database.engine import Database, close_database, now, open_database
from blocks.database.learning.tables import label_events, labels
from blocks.database.payloads import pack
from blocks.database.tables import stage_outputs
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.evidence.findings import FieldFinding, find_fields
from blocks.learning.calibration import TypeCalibration, calibrate
from blocks.learning.labels import FOLDS, fold_of
from blocks.learning.measures import auroc, calibration_of
from blocks.learning.recall import text_digest
from blocks.reader.enums import read_enum
from blocks.reader.reading import read
from blocks.records import Evidence, Extraction, Page, Stage, Status, Validation
from tasks.learn.calibration import LabelledConfidence, fit, learn_calibration
from tasks.validate.calibration import is_calibrated
from tests.database_fixtures import add_documents

SPLITS = 10
TEACH = 2 / 3
SETS = ("receipts", "invoices", "resumes", "tickets", "posts", "speed")
PLANTED = 4_000


@dataclass(frozen=True, slots=True)
class Case:
    """A document as it was read: of its labelled fields what was found, and whether that is right."""

    name: str
    text: str
    found: Mapping[str, FieldFinding]
    right: Mapping[str, bool]

    @property
    def fold(self) -> int:
        return fold_of(self.text)

    def is_accepted(self, accept_at: float) -> bool:
        return all(
            one.value is not None and one.problem is None and not one.doubt and one.confidence >= accept_at
            for one in self.found.values()
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    types = load_document_types(SETTINGS.document_types_dir)
    names = ("receipt", "invoice", "resume", "support_ticket", "moderation_item")
    receipt, invoice, resume, ticket, post = (types[name] for name in names)
    sets: dict[str, tuple[DocumentType, Callable[[], Iterator[Case]]]] = {
        "receipts": (receipt, lambda: read_tasks(receipt, receipt_tasks(options.data))),
        "invoices": (invoice, lambda: read_tasks(invoice, invoice_tasks(options.data))),
        "resumes": (resume, lambda: resumes(options.data, resume)),
        "tickets": (ticket, lambda: tickets(options.data, ticket)),
        "posts": (post, lambda: posts(options.data, post)),
    }
    for name in options.sets:
        if name == "speed":
            speed(receipt, [task.pages for task in receipt_tasks(options.data)])
            continue
        document_type, cases = sets[name]
        measure(name, document_type, list(cases()))


def read_tasks(document_type: DocumentType, tasks: Iterator[Task]) -> Iterator[Case]:
    for task in tasks:
        reading = read(document_type, task.pages)
        found = find_fields(document_type, reading.fields, task.pages, reading.criteria)
        right = {name: is_right(document_type, name, reading, task) for name in task.truth}
        yield Case(task.name, text_digest(task.pages), {name: found[name] for name in task.truth}, right)


def resumes(data: Path, document_type: DocumentType) -> Iterator[Case]:
    for row in read_rows_of(data / "resumes" / "labels.csv"):
        text = text_of(data / "resumes" / "pdf" / row["file"])
        yield of_class(document_type, "category", text, row["category"])


def tickets(data: Path, document_type: DocumentType) -> Iterator[Case]:
    truth = {row["text"].strip(): row["category"] for row in read_rows_of(data / "tickets" / "labels.csv")}
    for held_out, others in folds(document_type, truth, INTENT_FOLDS):
        for example in held_out:
            yield of_class(others, "intent", example.text, truth[example.text])


def posts(data: Path, document_type: DocumentType) -> Iterator[Case]:
    for row in read_rows_of(data / "moderation" / "labels.csv"):
        yield of_class(document_type, "label", row["text"], row["class"])


def of_class(document_type: DocumentType, name: str, text: str, truth: str) -> Case:
    pages = (Page(number=1, method="parsed", text=text),)
    reading = read_enum(name, document_type.fields[name], document_type, pages)[0]
    found = find_fields(document_type, {} if reading is None else {name: reading}, pages)
    return Case(text, text_digest(pages), {name: found[name]}, {name: found[name].value == truth})


def measure(title: str, document_type: DocumentType, cases: Sequence[Case]) -> None:
    accept_at = document_type.review.accept_at
    ways: dict[str, Callable[[Sequence[Case]], TypeCalibration]] = {
        "before": lambda teach: TypeCalibration(),
        "drawn": lambda teach: fitted(document_type, teach, lambda case, one: True),
        "review": lambda teach: fitted(document_type, teach, lambda case, one: one.confidence < accept_at),
        "all of review": lambda teach: fitted(document_type, teach, lambda case, one: not case.is_accepted(accept_at)),
        "one fit": lambda teach: one_fit(document_type, teach),
    }
    measured: dict[str, list[list[Case]]] = defaultdict(list)
    changed: dict[str, list[int]] = defaultdict(list)
    for split in range(SPLITS):
        teach, rest = split_of(cases, split)
        for way, learn in ways.items():
            calibration = learn(teach)
            measured[way].append([calibrated(document_type, calibration, case) for case in rest])
            changed[way].append(len(calibration.fields))
    print(f"{title}: {len(cases)} documents, {len(measured['before'][0])} measured in each of {SPLITS} splits")
    for way, splits in measured.items():
        show(way, splits, accept_at, sum(changed[way]) / SPLITS)


def split_of(cases: Sequence[Case], split: int) -> tuple[list[Case], list[Case]]:
    texts = sorted({case.text for case in cases})
    random.Random(split).shuffle(texts)
    teaching = set(texts[: round(len(texts) * TEACH)])
    return [case for case in cases if case.text in teaching], [case for case in cases if case.text not in teaching]


def fitted(
    document_type: DocumentType, teach: Sequence[Case], counts: Callable[[Case, FieldFinding], bool]
) -> TypeCalibration:
    labels = [
        LabelledConfidence(case.name, name, one.confidence, case.right[name])
        for case, name, one in fittable(document_type, teach)
        if counts(case, one)
    ]
    return fit(labels, {case.name: case.fold for case in teach}, TypeCalibration())[0]


def one_fit(document_type: DocumentType, teach: Sequence[Case]) -> TypeCalibration:
    rows: dict[str, list[tuple[float, bool, int]]] = defaultdict(list)
    for case, name, one in fittable(document_type, teach):
        rows[name].append((one.confidence, case.right[name], case.fold))
    return TypeCalibration(fields={name: (calibrate(*zip(*own, strict=True)),) * FOLDS for name, own in rows.items()})


def fittable(document_type: DocumentType, teach: Sequence[Case]) -> Iterator[tuple[Case, str, FieldFinding]]:
    """The findings that a calibration is of."""
    for case in teach:
        for name, one in case.found.items():
            if is_calibrated(document_type, name, one):
                yield case, name, one


def calibrated(document_type: DocumentType, calibration: TypeCalibration, case: Case) -> Case:
    found = {
        name: replace(one, confidence=calibration.probability(name, one.confidence, case.fold))
        if is_calibrated(document_type, name, one)
        else one
        for name, one in case.found.items()
    }
    return replace(case, found=found)


def show(way: str, splits: Sequence[Sequence[Case]], accept_at: float, fields: float) -> None:
    of_values = [values_of(cases) for cases in splits]
    of_documents = [documents_of(cases) for cases in splits]
    figures = [
        f"{name} error {error(rows):.3f} ranking {ranking(rows):.3f}"
        for name, rows in (("values", of_values), ("documents", of_documents))
    ]
    every = [case for cases in splits for case in cases]
    accepted = [all(case.right.values()) for case in every if case.is_accepted(accept_at)]
    wrong = accepted.count(False)
    share = f"{wrong / len(accepted):.1%}" if accepted else "-"
    print(
        f"  {way:<14} {'; '.join(figures)}; accepted {len(accepted) / len(every):.1%}, wrong of them "
        f"{share} ({wrong} of {len(accepted)}); {fields:.1f} fields calibrated"
    )


def values_of(cases: Sequence[Case]) -> list[tuple[float, bool]]:
    """The confidence of each value that was read, and whether it is right."""
    return [
        (one.confidence, case.right[name])
        for case in cases
        for name, one in case.found.items()
        if one.value is not None
    ]


def documents_of(cases: Sequence[Case]) -> list[tuple[float, bool]]:
    """The confidence of each document, that of its weakest field, and whether it is right."""
    return [(min(one.confidence for one in case.found.values()), all(case.right.values())) for case in cases]


def error(splits: Sequence[Sequence[tuple[float, bool]]]) -> float:
    rows = [row for split in splits for row in split]
    found = calibration_of([confidence for confidence, _ in rows], [right for _, right in rows])
    return 0.0 if found is None else found.error


def ranking(splits: Sequence[Sequence[tuple[float, bool]]]) -> float:
    found = [auroc([confidence for confidence, _ in rows], [right for _, right in rows]) for rows in splits]
    known = [one for one in found if one is not None]
    return sum(known) / len(known)


def speed(document_type: DocumentType, pages: Sequence[tuple[Page, ...]]) -> None:
    """Learning from three labels of each of 4,000 planted receipts, in SQLite; then again, with nothing new."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/winnow.db")
        plant(database, document_type, pages)
        for when in ("learning", "with nothing new"):
            started, cpu = time.perf_counter(), time.process_time()
            came = learn_calibration(database, document_type)
            spent = f"{time.perf_counter() - started:.1f} s, {time.process_time() - cpu:.1f} s of CPU"
            print(
                f"speed: {when} of {3 * PLANTED:,} labels of {PLANTED:,} receipts: {spent} ({came.documents:,} taught)"
            )
        close_database(database)


def plant(database: Database, document_type: DocumentType, pages: Sequence[tuple[Page, ...]]) -> None:
    chance = random.Random(0)
    ids = add_documents(database, *(f"r{number}" for number in range(PLANTED)))
    names = ("company", "date", "total")
    values = {"company": "Tea House", "date": "2026-01-02", "total": "9.00"}
    outputs, rows = [], []
    for number, document_id in enumerate(ids):
        confidences = {name: round(chance.uniform(0.3, 1), 4) for name in names}
        verdict = Validation(
            document_type=document_type.name,
            status=Status.ACCEPTED,
            confidence=min(confidences.values()),
            fields=values,
            confidences=confidences,
            evidence=dict.fromkeys(names, (Evidence(page=1, quote="9.00"),)),
        )
        extraction = Extraction(media_type="text/plain", pages=pages[number % len(pages)], engine="", language="en")
        common = {"document_id": document_id, "fingerprint": "f", "state": "done", "is_current": True, "run_id": "run"}
        common |= {"attempts": 1, "solo_attempts": 0, "updated_at": now()}
        for stage, record in ((Stage.EXTRACT, extraction), (Stage.VALIDATE, verdict)):
            outputs.append(common | {"stage": stage, "payload": pack(record.model_dump_json().encode())})
        rows += [
            {"document_id": document_id, "document_type": document_type.name, "type_version": "", "field": name}
            | {"value": values[name] if chance.random() < confidences[name] - 0.2 else None, "labelled_by": "ann"}
            | {"labelled_at": now(), "origin": "import", "drawn_with": 1.0, "import_id": 1}
            for name in names
        ]
    event = {"event_id": 1, "event": "imported", "content": {}, "actor": "ann", "happened_at": now()}
    with database.write() as connection:
        connection.execute(insert(label_events), event)
        connection.execute(insert(stage_outputs), outputs)
        connection.execute(insert(labels), rows)


if __name__ == "__main__":
    main()

"""Accuracy of labels: résumé category, ticket intent, moderation label, and the document type itself.

Whatever was trained on the set that it is measured on is cross-validated: intents in six folds, and the document type
of tickets in three. Beside accuracy stands the abstention curve, accuracy among the most confident share of documents,
and the reliability of the confidence: the mean gap between confidence and accuracy over ten bins (expected calibration
error; Guo et al., ICML 2017).
"""

import argparse
import csv
import json
import os
import platform
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType, Example
from blocks.reader.enums import read_enum
from blocks.records import Page
from blocks.settings import Settings
from tasks.classify.judge import TypeJudge
from tasks.extract.extract import extract_bytes

COVERAGES = (1.0, 0.9, 0.75, 0.5, 0.25)
GOALS = {"resume category": 0.45, "ticket intent": 0.50, "moderation label": 0.60}
INTENT_FOLDS, TYPE_FOLDS = 6, 3
FOLDERS = {
    "einvoices": ("einvoices/pdf", "invoice"),
    "invoice2data": ("invoice2data", "invoice"),
    "sroie_text": ("sroie_text/text", "receipt"),
    "resumes": ("resumes/pdf", "resume"),
    "packets": ("packets", "unknown"),
    "office_formats": ("office_formats", "unknown"),
    "emails": ("emails/eml", "unknown"),
    "injection": ("injection", "unknown"),
    "pdf_torture": ("pdf_torture/pdf", "unknown"),
}
SETTINGS = Settings(document_timeout_s=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """One label that was read: whether it is right, and how sure the reader was."""

    is_right: bool
    confidence: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--without-types", action="store_true", help="leave the table of document types out")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    types = load_document_types(SETTINGS.document_types_dir)
    figures: dict[str, object] = {"machine": f"{platform.platform()}, {os.cpu_count()} cores", "labels": {}}
    labels = {
        "resume category": resumes(options.data, types["resume"]),
        "ticket intent": intents(options.data, types["support_ticket"]),
        "moderation label": posts(options.data, types["moderation_item"]),
    }
    figures["labels"] = {name: show(name, answers) for name, answers in labels.items()}
    if not options.without_types:
        figures["document types"] = show_types(options.data, types)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def resumes(data: Path, document_type: DocumentType) -> list[Answer]:
    answers = []
    for row in rows(data / "resumes" / "labels.csv"):
        text = text_of(data / "resumes" / "pdf" / row["file"])
        answers.append(answer(document_type, "category", text, row["category"]))
    return answers


def intents(data: Path, document_type: DocumentType) -> list[Answer]:
    """Every message by a type that never saw it: the examples are left out fold by fold."""
    truth = {row["text"].strip(): row["category"] for row in rows(data / "tickets" / "labels.csv")}
    answers: list[Answer] = []
    for held_out, others in folds(document_type, truth, INTENT_FOLDS):
        answers.extend(answer(others, "intent", example.text, truth[example.text]) for example in held_out)
    return answers


def posts(data: Path, document_type: DocumentType) -> list[Answer]:
    return [
        answer(document_type, "label", row["text"], row["class"]) for row in rows(data / "moderation" / "labels.csv")
    ]


def folds(
    document_type: DocumentType, truth: Mapping[str, str], count: int
) -> Iterator[tuple[list[Example], DocumentType]]:
    """The examples of each fold that are measured on, stratified by label, with the type as it is without them."""
    seen: Counter[str] = Counter()
    numbers = []
    for example in document_type.examples:
        label = truth.get(example.text)
        numbers.append(-1 if label is None else seen[label] % count)
        seen[label or ""] += 1
    for fold in range(count):
        held_out = [example for example, number in zip(document_type.examples, numbers, strict=True) if number == fold]
        kept = tuple(example for example, number in zip(document_type.examples, numbers, strict=True) if number != fold)
        yield held_out, DocumentType.model_validate(document_type.model_dump() | {"examples": kept})


def answer(document_type: DocumentType, name: str, text: str, truth: str) -> Answer:
    pages = (Page(number=1, method="parsed", text=text),)
    reading = read_enum(name, document_type.fields[name], document_type, pages)[0]
    return Answer(False, 0.0) if reading is None else Answer(reading.value == truth, reading.confidence)


def show(name: str, answers: Sequence[Answer]) -> dict[str, object]:
    ranked = sorted(answers, key=lambda given: -given.confidence)
    curve = {f"{share:.0%}": accuracy(ranked[: max(1, round(len(ranked) * share))]) for share in COVERAGES}
    gap = calibration_error(ranked)
    print(f"{name}: {len(ranked)} documents, accuracy {curve['100%']:.3f} (goal {GOALS[name]:.2f})")
    print("  accuracy at coverage  " + "  ".join(f"{share} {value:.3f}" for share, value in curve.items()))
    print(
        f"  mean confidence {sum(given.confidence for given in ranked) / len(ranked):.3f}, calibration error {gap:.3f}"
    )
    return {"documents": len(ranked), "goal": GOALS[name], "accuracy_at_coverage": curve, "calibration_error": gap}


def accuracy(answers: Sequence[Answer]) -> float:
    return sum(given.is_right for given in answers) / len(answers)


def calibration_error(answers: Sequence[Answer]) -> float:
    bins: dict[int, list[Answer]] = defaultdict(list)
    for given in answers:
        bins[min(int(given.confidence * 10), 9)].append(given)
    gaps = (
        abs(sum(given.confidence for given in part) - sum(given.is_right for given in part)) for part in bins.values()
    )
    return sum(gaps) / len(answers)


def show_types(data: Path, types: dict[str, DocumentType]) -> dict[str, dict[str, object]]:
    """The confusion table: a row per set, with the type that its documents were taken for."""
    found: dict[str, dict[str, object]] = {}
    columns = [*sorted(types), "unknown"]
    print("\n" + "set".ljust(16) + "expected".ljust(17) + "  ".join(columns))
    for name, expected, counts in type_counts(data, types):
        line = "  ".join(str(counts[column] or ".").rjust(len(column)) for column in columns)
        print(name.ljust(16) + expected.ljust(17) + line)
        found[name] = {"expected": expected, "counts": dict(counts), "accuracy": counts[expected] / counts.total()}
    return found


def type_counts(data: Path, types: dict[str, DocumentType]) -> Iterator[tuple[str, str, Counter[str]]]:
    judge = TypeJudge(types)
    for name, (folder, expected) in FOLDERS.items():
        paths = [path for path in sorted((data / folder).rglob("*")) if path.is_file() and path.suffix != ".json"]
        texts = [text for text in map(text_of, paths) if text.strip()]
        if texts:
            yield name, expected, Counter(assignment.document_type for assignment in judge.judge(texts))
    tickets: Counter[str] = Counter()
    truth = {row["text"].strip(): row["category"] for row in rows(data / "tickets" / "labels.csv")}
    for held_out, others in folds(types["support_ticket"], truth, TYPE_FOLDS):
        judged = TypeJudge({**types, "support_ticket": others}).judge([example.text for example in held_out])
        tickets.update(assignment.document_type for assignment in judged)
    yield "tickets", "support_ticket", tickets
    messages = [row["text"] for row in rows(data / "moderation" / "labels.csv")]
    yield "moderation", "moderation_item", Counter(assignment.document_type for assignment in judge.judge(messages))


def text_of(path: Path) -> str:
    """What extract reads from a file; empty where it fails, which is no matter of labels."""
    extraction, _ = extract_bytes(path.read_bytes(), path.resolve().as_uri(), SETTINGS)
    return extraction.visible_text if extraction is not None else ""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()

"""Document types that a user has just written: are their documents found, and are others left alone?

The types in tests/resources/new_types/types have a title, a line of description and fields; a few have signals without
weights, none has examples. Documents 1 and 2 of each type were looked at while the evidence was weighed, 3 to 5 were
not. The later ones were written when that was done, and show what it was worth; then their kinds were mended too.
Every document is judged beside all shipped and all new types.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.records import UNKNOWN_TYPE, Classification
from blocks.settings import PROJECT_DIR, Settings
from tasks.classify.judge import TypeJudge

FOLDER = PROJECT_DIR / "tests" / "resources" / "new_types"
TEN = (
    "bank_statement",
    "certificate",
    "complaint_letter",
    "contract",
    "delivery_note",
    "medical_report",
    "meeting_minutes",
    "order",
    "payslip",
    "tax_notice",
)
LOOKED_AT, HELD_OUT, LATER = ("1", "2"), ("3", "4", "5"), ("6", "7", "8", "9", "10")
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Judged:
    """A document of a folder with its classification."""

    folder: str
    name: str
    classification: Classification

    @property
    def is_right(self) -> bool:
        """Whether it has the type of its folder; a paper of no type is right where no shipped type is sure."""
        found = self.classification.document_type
        if self.folder in ("no_invoice", "no_type"):
            return found == UNKNOWN_TYPE or self.classification.confidence < SURE
        return found == self.folder

    @property
    def is_surely_wrong(self) -> bool:
        return not self.is_right and self.classification.document_type != UNKNOWN_TYPE and self.is_sure

    @property
    def is_sure(self) -> bool:
        return self.classification.confidence >= SURE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--verbose", action="store_true", help="name each document that is wrong or unsure")
    options = parser.parse_args()
    shipped = load_document_types(Settings().document_types_dir)
    new = load_document_types(FOLDER / "types")
    everything = {**shipped, **new}
    others = sorted(set(new) - set(TEN))
    sets = {
        "ten new types, documents that were looked at": judge(everything, TEN, LOOKED_AT),
        "ten new types, held out": judge(everything, TEN, HELD_OUT),
        "ten new types, written later": judge(everything, TEN, LATER),
        "six more new types": judge(everything, others),
        "invoices that name orders, notes and quotations": judge(everything, ["invoice"]),
        "papers that are no invoice, shipped types alone": judge(shipped, ["no_invoice"]),
        "ordinary texts": judge(everything, ["no_type"]),
    }
    for title, judged in sets.items():
        show(title, judged, verbose=options.verbose)
    if options.json:
        figures = {
            title: [asdict(one) | {"is_right": one.is_right} for one in judged] for title, judged in sets.items()
        }
        options.json.write_text(json.dumps(figures, indent=2, default=dict) + "\n", encoding="utf-8")


def judge(
    types: Mapping[str, DocumentType], folders: Iterable[str], names: Sequence[str] | None = None
) -> list[Judged]:
    """The documents of the folders, or those of these names, each judged by itself."""
    type_judge = TypeJudge(types)
    return [
        Judged(folder, file.stem, type_judge.judge([file.read_text(encoding="utf-8")])[0])
        for folder in folders
        for file in sorted((FOLDER / "documents" / folder).glob("*.txt"))
        if names is None or file.stem in names
    ]


def show(title: str, judged: Sequence[Judged], *, verbose: bool) -> None:
    right = sum(one.is_right for one in judged)
    sure = sum(one.is_right and one.is_sure for one in judged)
    wrong = sum(one.is_surely_wrong for one in judged)
    mean = sum(one.classification.confidence for one in judged) / max(len(judged), 1)
    print(f"{title}: {right} of {len(judged)} right, {sure} of them sure; {wrong} surely wrong; mean {mean:.3f}")
    for one in judged if verbose else ():
        found = one.classification
        if not one.is_right or not one.is_sure:
            print(f"  {one.folder}/{one.name}: {found.document_type} {found.confidence} {found.remark or ''}")


if __name__ == "__main__":
    main()

"""Accuracy of fields: receipts and invoices, through the real extraction and the built-in reader.

Exact match per field: amounts as numbers, dates as days (the truth's own notation, day first), texts without case,
blanks and punctuation. Beside it stand coverage, accuracy among confident readings, and how far confidence is from
fact. Documents that stand among the samples are left out.

How far the figures can be trusted: receipts are split by a hash of their key; the errors of one half were looked at
while rules were made, the other half served only by its totals and to fit the line of calibration.py. All invoices of
both sets were looked at, so their figures are those of known layouts; readings without word boxes and of scans show
how much hangs on that.

Embedded e-invoice XML is removed from the PDFs first; only fields that the set marks visible on the page count.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import platform
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pypdf
import pypdfium2
from dateutil import parser as dates
from left_out import sample_names

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType, FieldType
from blocks.reader import reading
from blocks.records import Page, Words
from blocks.settings import Settings
from blocks.values.typed_values import fold
from tasks.extract.extract import extract_bytes

GOALS = {"total": 0.85, "date": 0.97, "company": 0.80, "micro": 0.75}
"""Those of single fields; rows of items have 0.70 by name, quantity and total, and tax and totals 0.95."""
CONFIDENT_AT = 0.8
INVOICE_FIELDS = (
    "invoice_number", "issue_date", "seller_name", "buyer_name", "currency",
    "tax_basis_total", "tax_total", "grand_total", "due_payable", "iban",
)  # fmt: skip
INVOICE2DATA_NAMES = {
    "issuer": "seller_name", "amount": "grand_total", "amount_untaxed": "tax_basis_total", "amount_tax": "tax_total",
    "date": "issue_date", "date_due": "due_date", "invoice_number": "invoice_number", "currency": "currency",
}  # fmt: skip
KNOWN_WRONG = {("Orlen", "invoice_number"), ("SammyMaystoneLinesTest", "grand_total")}
"""Truths that the set itself calls wrong, see its SOURCE.txt."""
SCAN_DPI = 200
SETTINGS = Settings()


@dataclass(frozen=True, slots=True)
class Answer:
    """One field of one document: whether a value was read, whether it is right, and how sure the reader was."""

    field: str
    is_read: bool
    is_right: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class Task:
    """A document with the truth of its fields."""

    name: str
    pages: tuple[Page, ...]
    truth: Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--scans", type=int, default=0, help="also read this many invoices as scans (slow)")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    types = load_document_types(SETTINGS.document_types_dir)
    receipt, invoice = types["receipt"], types["invoice"]
    receipts = list(receipt_tasks(options.data))
    invoices = list(invoice_tasks(options.data))
    sets = {
        "receipts, half that was looked at": (receipt, [case for case in receipts if not is_unseen(case.name)]),
        "receipts, other half": (receipt, [case for case in receipts if is_unseen(case.name)]),
        "invoices": (invoice, invoices),
        "invoices, text without boxes": (invoice, [without_boxes(case) for case in invoices]),
        "invoice2data": (invoice, list(invoice2data_tasks(options.data))),
    }
    if options.scans:
        sets["invoices, as scans"] = (invoice, list(invoice_tasks(options.data, options.scans, as_scan)))
    figures: dict[str, object] = {"machine": f"{platform.platform()}, {os.cpu_count()} cores"}
    for name, (document_type, tasks) in sets.items():
        figures[name] = measure(name, document_type, tasks)
    figures["invoice lines"] = measure_lines(options.data, invoice)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def is_unseen(key: str) -> bool:
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 2 == 1


def receipt_tasks(data: Path, left_out: frozenset[str] | None = None) -> Iterator[Task]:
    left_out = sample_names() if left_out is None else left_out
    for path in sorted((data / "sroie_text" / "key").glob("*.json")):
        if path.stem in left_out:
            continue
        truth = json.loads(path.read_text(encoding="utf-8"))
        pages = read(data / "sroie_text" / "text" / f"{path.stem}.txt")
        yield Task(path.stem, pages, {name: truth[name] for name in ("company", "date", "total")})


def invoice_tasks(
    data: Path, limit: int | None = None, change: Callable[[bytes], bytes] | None = None
) -> Iterator[Task]:
    left_out = sample_names()
    with (data / "einvoices" / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "correct"]
    for row in rows[:: max(1, len(rows) // limit)] if limit else rows:
        path = data / "einvoices" / "pdf" / row["file"]
        key = json.loads((data / "einvoices" / "key" / f"{path.stem}.json").read_text(encoding="utf-8"))
        truth = {
            name: key["fields"][name]
            for name in INVOICE_FIELDS
            if key["visible_in_page_text"].get(name) is True and key["fields"].get(name)
        }
        if truth and path.stem not in left_out:
            content = without_attachments(path.read_bytes())
            yield Task(path.stem, read(path, change(content) if change else content), truth)


def invoice2data_tasks(data: Path) -> Iterator[Task]:
    left_out = sample_names()
    for path in sorted((data / "invoice2data" / "compare").glob("*.json")):
        pdf = path.with_suffix(".pdf")
        document = pdf if pdf.exists() else path.with_suffix(".txt")
        key = json.loads(path.read_text(encoding="utf-8"))[0]
        truth = {
            field: str(key[name])
            for name, field in INVOICE2DATA_NAMES.items()
            if name in key and (path.stem, field) not in KNOWN_WRONG
        }
        if path.stem not in left_out:
            yield Task(path.stem, read(document), truth)


def read(path: Path, content: bytes | None = None) -> tuple[Page, ...]:
    extraction, failure = extract_bytes(content or path.read_bytes(), path.resolve().as_uri(), SETTINGS)
    if extraction is None:
        print(f"{path.name} counts as not read: {failure.message if failure else 'nothing was extracted'}")
        return ()
    return extraction.pages


def without_attachments(content: bytes) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    names = writer.root_object.get("/Names")
    for holder, key in ((writer.root_object, "/AF"), (names.get_object() if names else {}, "/EmbeddedFiles")):
        if key in holder:
            del holder[key]
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def as_scan(content: bytes) -> bytes:
    """The first page as an image, so that OCR has to read it."""
    written = io.BytesIO()
    pages = [page.render(scale=SCAN_DPI / 72).to_pil().convert("L") for page in pypdfium2.PdfDocument(content)]
    pages[0].save(written, "TIFF", save_all=True, append_images=pages[1:], dpi=(SCAN_DPI, SCAN_DPI))
    return written.getvalue()


def without_boxes(task: Task) -> Task:
    pages = tuple(page.model_copy(update={"words": Words()}) for page in task.pages)
    return Task(task.name, pages, task.truth)


def measure(name: str, document_type: DocumentType, tasks: list[Task]) -> dict[str, object]:
    answers: list[Answer] = []
    started = time.process_time()
    for task in tasks:
        fields = reading.read(document_type, task.pages).fields
        for field, truth in task.truth.items():
            found = fields.get(field)
            is_right = found is not None and is_same(document_type.fields[field].type, str(found.value), truth)
            answers.append(Answer(field, found is not None, is_right, found.confidence if found else 0.0))
    each_ms = (time.process_time() - started) / max(len(tasks), 1) * 1000
    return {"documents": len(tasks), "cpu_ms_per_document": round(each_ms, 1)} | show(
        name, len(tasks), each_ms, answers
    )


def is_same(field_type: FieldType, value: str, truth: str) -> bool:
    if field_type is FieldType.MONEY:
        try:
            return Decimal(value) == Decimal(re.sub(r"[^\d.-]", "", truth))
        except InvalidOperation:
            return False
    if field_type is FieldType.DATE:
        try:
            day_first = not re.match(r"\d{4}-", truth)
            return value == dates.parse(truth, dayfirst=day_first).date().isoformat()
        except ValueError:
            return False
    return re.sub(r"[\W_]", "", fold(value)) == re.sub(r"[\W_]", "", fold(truth))


def show(name: str, documents: int, each_ms: float, answers: list[Answer]) -> dict[str, object]:
    by_field: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_field[answer.field].append(answer)
    print(f"\n{name}: {documents} documents, {each_ms:.1f} ms of CPU each")
    print(f"  {'field':<18}{'n':>5}{'exact':>8}{'read':>8}{'sure':>8}{'right if sure':>15}")
    table = {field: line(field, found) for field, found in [*by_field.items(), ("micro", answers)]}
    bins = reliability(answers)
    print(
        "  confidence against fact: " + "  ".join(f"{b['confidence']:.2f}→{b['accuracy']:.2f} ({b['n']})" for b in bins)
    )
    gap = sum(abs(b["confidence"] - b["accuracy"]) * b["n"] for b in bins) / max(len(answers), 1)
    print(f"  calibration error {gap:.3f}")
    return {"fields": table, "reliability": bins, "calibration_error": round(gap, 4)}


def line(field: str, answers: list[Answer]) -> dict[str, float]:
    sure = [answer for answer in answers if answer.confidence >= CONFIDENT_AT]
    figures = {
        "n": len(answers),
        "exact": share(answer.is_right for answer in answers),
        "read": share(answer.is_read for answer in answers),
        "sure": len(sure) / len(answers),
        "right_if_sure": share(answer.is_right for answer in sure),
    }
    goal = f"  goal {GOALS[field]:.2f}" if field in GOALS else ""
    rest = f"{figures['exact']:>8.3f}{figures['read']:>8.3f}{figures['sure']:>8.3f}{figures['right_if_sure']:>15.3f}"
    print(f"  {field:<18}{len(answers):>5}{rest}{goal}")
    return {key: round(value, 4) for key, value in figures.items()}


def share(flags: Iterator[bool]) -> float:
    known = list(flags)
    return sum(known) / len(known) if known else 0.0


def reliability(answers: list[Answer]) -> list[dict[str, float]]:
    bins: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.is_read:
            bins[min(int(answer.confidence * 10), 9)].append(answer)
    return [
        {
            "n": len(found),
            "confidence": round(sum(answer.confidence for answer in found) / len(found), 4),
            "accuracy": round(share(answer.is_right for answer in found), 4),
        }
        for _, found in sorted(bins.items())
    ]


def measure_lines(data: Path, document_type: DocumentType) -> dict[str, float]:
    """Rows of the item table, by place: those whose name, quantity and total are right, each and all. The truth has
    gross totals now and then where the page has net ones, and rows that the page does not print.
    """
    left_out = sample_names()
    columns = {"name": FieldType.TEXT, "quantity": FieldType.MONEY, "line_total": FieldType.MONEY}
    counts = {"rows": 0, **dict.fromkeys(columns, 0), "row": 0, "rows_read": 0}
    for path in sorted((data / "einvoices" / "key").glob("*.json")):
        key = json.loads(path.read_text(encoding="utf-8"))
        wanted = key["fields"].get("lines", [])
        source = data / "einvoices" / "pdf" / f"{path.stem}.pdf"
        if "FAIL" in path.stem or path.stem in left_out or not key["visible_in_page_text"].get("grand_total"):
            continue
        found = reading.read(document_type, read(source)).fields.get("lines")
        rows = found.value if found and isinstance(found.value, list) else []
        counts["rows"] += len(wanted)
        counts["rows_read"] += len(rows)
        for truth, row in zip(wanted, rows, strict=False):
            values = row if isinstance(row, dict) else {}
            right = {
                column: values.get(column) is not None and is_same(kind, str(values[column]), truth[column])
                for column, kind in columns.items()
            }
            for column, is_right in right.items():
                counts[column] += is_right
            counts["row"] += all(right.values())
    shares = {column: counts[column] / max(counts["rows"], 1) for column in (*columns, "row")}
    print(f"\ninvoice lines: {counts['rows']} rows, {counts['rows_read']} read")
    print("  " + "  ".join(f"{column} {value:.3f}" for column, value in shares.items()))
    return {name: float(count) for name, count in counts.items()}


if __name__ == "__main__":
    main()

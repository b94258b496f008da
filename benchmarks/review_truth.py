"""The documents that review.py clears, with what they say."""

import csv
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accuracy_fields import INVOICE2DATA_NAMES, INVOICE_FIELDS, KNOWN_WRONG, without_attachments
from dateutil import parser as dates


@dataclass(frozen=True, slots=True)
class Paper:
    """A document: its type, the known values as a person types them, and the rows of its items where they are known."""

    document_type: str
    truth: Mapping[str, str]
    rows: tuple[Mapping[str, str], ...] = field(default=())


def papers(data: Path, folder: Path) -> dict[str, Paper]:
    """Every document with a truth by its file's name, copied to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return dict([*_receipts(data, folder), *_einvoices(data, folder), *_invoice2data(data, folder)])


def _receipts(data: Path, folder: Path) -> Iterator[tuple[str, Paper]]:
    for path in sorted((data / "sroie_text" / "key").glob("*.json")):
        key = json.loads(path.read_text(encoding="utf-8"))
        text = path.parents[1] / "text" / f"{path.stem}.txt"
        shutil.copy(text, folder)
        yield text.name, Paper("receipt", _typed({name: key[name] for name in ("company", "date", "total")}))


def _einvoices(data: Path, folder: Path) -> Iterator[tuple[str, Paper]]:
    """Those that are valid; values that are printed on the page."""
    with (data / "einvoices" / "index.csv").open(encoding="utf-8", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file) if row["status"] == "correct"]
    for name in names:
        path = data / "einvoices" / "pdf" / name
        key = json.loads((data / "einvoices" / "key" / f"{path.stem}.json").read_text(encoding="utf-8"))
        read, is_visible = key["fields"], key["visible_in_page_text"]
        truth = {each: read[each] for each in INVOICE_FIELDS if is_visible.get(each) is True and read.get(each)}
        (folder / name).write_bytes(without_attachments(path.read_bytes()))
        yield name, Paper("invoice", _typed(truth), tuple(read.get("lines", ())))


def _invoice2data(data: Path, folder: Path) -> Iterator[tuple[str, Paper]]:
    for path in sorted((data / "invoice2data" / "compare").glob("*.json")):
        key = json.loads(path.read_text(encoding="utf-8"))[0]
        pdf = path.with_suffix(".pdf")
        document = pdf if pdf.exists() else path.with_suffix(".txt")
        shutil.copy(document, folder)
        truth = {
            field: str(key[name])
            for name, field in INVOICE2DATA_NAMES.items()
            if name in key and (path.stem, field) not in KNOWN_WRONG
        }
        yield document.name, Paper("invoice", _typed(truth))


def _typed(truth: Mapping[str, str]) -> dict[str, str]:
    """Dates as a person types them who knows that 3/4 may be read in two ways."""
    return {name: _day(value) if "date" in name else value for name, value in truth.items()}


def _day(text: str) -> str:
    day_first = not re.match(r"\d{4}-", text)
    return dates.parse(text, dayfirst=day_first).date().isoformat()

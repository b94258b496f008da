"""Readers to try trust on: one that answers truthfully from the keys of the document sets, and several that lie.

Each answers with the JSON that any model is asked for (fields with value, evidence and confidence). The truthful one
quotes the line in which it finds a value, and leaves out what the page does not show. The liars answer every required
field with a wrong value of the right form and are as sure as can be:

- `invented`: values and quotes made up
- `misquoted`: made-up values beside quotes that do stand on the page
- `elsewhere`: values of the same kind that do stand elsewhere in the document, honestly quoted
- `labelled`: the same, from beside a label that is another field's, where there is one

`truthful` and `lying` answer a request by its text and its schema, as hooks of `tests/doubles/model_provider`.
"""

import csv
import hashlib
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

sys.path.append(str(Path(__file__).parent))

from accuracy_fields import SETTINGS, without_attachments
from dateutil import parser as dates

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.grounding import locate, yields
from blocks.evidence.quoted_values import letters
from blocks.reader.lexicon import plain
from blocks.reader.name_shapes import clean_name, looks_like_name
from blocks.records import Extraction
from blocks.values.amounts import numbers
from blocks.values.dates import find_dates
from blocks.values.errors import InvalidValue
from blocks.values.numbers import money_text, number_languages
from blocks.values.typed_values import typed_value
from tasks.extract.extract import extract_bytes

DATA = Path("../shared/data")
SURE = 0.99
STARTS = 400
"""So many letters tell one document from another, where the whole page was not sent."""
INVOICE_FIELDS = (
    "invoice_number", "issue_date", "seller_name", "buyer_name", "currency", "grand_total",
    "tax_basis_total", "tax_total", "due_payable", "iban",
)  # fmt: skip
INVOICE2DATA_FIELDS = {
    "issuer": "seller_name", "amount": "grand_total", "amount_untaxed": "tax_basis_total", "amount_tax": "tax_total",
    "date": "issue_date", "date_due": "due_date", "invoice_number": "invoice_number", "currency": "currency",
}  # fmt: skip
READ_BY_EYE = {
    "AmazonWebServices": {"buyer_name": "iViveLabs Limited"},
    "AzureInterior": {"buyer_name": "YourCompany, Mitchell Admin"},
    "FlipkartInvoice": {"buyer_name": "Anushrut Singh", "invoice_number": "BLR_WFLD20151000982590"},
    "NetpresseInvoice": {"buyer_name": "ALEXINUX"},
    "Orlen": {"buyer_name": "GŁÓWNY URZĄD STATYSTYCZNY", "invoice_number": "F 1234K20/1234/12",
              "seller_name": "Polski Koncern Naftowy ORLEN S.A."},
    "QualityHosting": {"buyer_name": "iViveLabs Ltd."},
    "SammyMaystoneLinesTest": {"buyer_name": "Taylor Riddel", "seller_name": "Sammy Maystone", "grand_total": "127.50"},
    "coolblue1": {"buyer_name": "Pino Bluebird"},
    "coolblue2": {"buyer_name": "Pino Bluebird"},
    "free_fiber": {"buyer_name": "de Lattre Alexis"},
    "oyo": {"buyer_name": "Sanjay"},
    "saeco": {"buyer_name": "Strategic Corp"},
}  # fmt: skip
"""What the keys of invoice2data lack, or call wrong themselves; the documents' buyers were read by eye."""

Lie = Literal["invented", "misquoted", "elsewhere", "labelled"]
LIES: tuple[Lie, ...] = ("invented", "misquoted", "elsewhere", "labelled")
_CODE = re.compile(r"(?<![\w.,/-])(?=[\w./-]*\d)[A-Za-z0-9][\w/-]{3,}(?![\w,]|\.\d)")


@dataclass(frozen=True)
class Case:
    """A document with the truth of its fields, as far as its key knows it."""

    name: str
    document_type: DocumentType
    extraction: Extraction
    truth: Mapping[str, str]

    @property
    def is_tuning_half(self) -> bool:
        """Whether figures were tuned on it; by a hash of its name."""
        return int(hashlib.sha256(self.name.encode()).hexdigest(), 16) % 2 == 0


@dataclass(frozen=True, slots=True)
class Quoted:
    """A value with the line that it stands in."""

    value: str
    quote: str
    page: int


def receipts(data: Path = DATA) -> Iterator[Case]:
    """The receipts. A total's currency and the date's notation are brought to values; the rest is as the key has it."""
    document_type = _types()["receipt"]
    for path in sorted((data / "sroie_text" / "key").glob("*.json")):
        key = json.loads(path.read_text(encoding="utf-8"))
        extraction = _extracted(data / "sroie_text" / "text" / f"{path.stem}.txt")
        day_first = not re.match(r"\d{4}", key["date"])
        truth = {
            "company": key["company"],
            "date": dates.parse(key["date"], dayfirst=day_first).date().isoformat(),
            "total": re.sub(r"[^\d.-]", "", key["total"]),
        }
        yield Case(path.stem, document_type, extraction, truth)


def einvoices(data: Path = DATA) -> Iterator[Case]:
    """The e-invoices with a key, without their embedded XML."""
    with (data / "einvoices" / "index.csv").open(encoding="utf-8", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    for name in names:
        path = data / "einvoices" / "pdf" / name
        key_path = data / "einvoices" / "key" / f"{path.stem}.json"
        if key_path.exists():
            fields = json.loads(key_path.read_text(encoding="utf-8"))["fields"]
            truth = {field: str(fields[field]) for field in INVOICE_FIELDS if fields.get(field)}
            yield Case(path.stem, _types()["invoice"], _extracted(path, without_attachments(path.read_bytes())), truth)


def invoice2data(data: Path = DATA) -> Iterator[Case]:
    """The documents of invoice2data: other layouts, few of each."""
    for path in sorted((data / "invoice2data" / "compare").glob("*.json")):
        pdf = path.with_suffix(".pdf")
        document = pdf if pdf.exists() else path.with_suffix(".txt")
        key = json.loads(path.read_text(encoding="utf-8"))[0]
        truth = {field: str(key[name]) for name, field in INVOICE2DATA_FIELDS.items() if name in key}
        yield Case(path.stem, _types()["invoice"], _extracted(document), truth | READ_BY_EYE.get(path.stem, {}))


def truthful_reply(case: Case) -> dict[str, Any]:
    """What an honest model answers: every value of the key that the document shows, with the line that shows it."""
    found = {name: _shown(case, name, value) for name, value in case.truth.items()}
    return _reply(case, {name: value for name, value in found.items() if value is not None})


def lying_reply(case: Case, lie: Lie, only: str | None = None) -> dict[str, Any]:
    """What a lying model answers: every required field wrong, or `only` that one and the others truly."""
    seed = random.Random(f"{case.name}:{lie}")
    fields = {name for name, field in case.document_type.fields.items() if field.required}
    quoted: dict[str, Quoted] = {}
    for name in case.document_type.fields:
        if name in fields and only in {None, name}:
            quoted[name] = _lie(case, name, lie, seed)
        elif only is not None and (shown := _shown(case, name, case.truth.get(name, ""))) is not None:
            quoted[name] = shown
    return _reply(case, quoted)


class AskedText(Protocol):
    """A request as a provider double has it: what users wrote, and the schema of the reply."""

    text: str
    schema: dict[str, Any] | None


def truthful(asked: AskedText) -> dict[str, Any]:
    """The truthful reader's reply to a request whose text holds one of the documents; no field where it holds none."""
    return _answered(asked, truthful_reply)


def lying(asked: AskedText) -> dict[str, Any]:
    """A liar's reply to a request whose text holds one of the documents, each lie in turn; else no field."""

    def reply_of(case: Case) -> dict[str, Any]:
        return lying_reply(case, LIES[hashlib.sha256(case.name.encode()).digest()[0] % len(LIES)])

    return _answered(asked, reply_of)


def _answered(asked: AskedText, reply_of: Callable[[Case], dict[str, Any]]) -> dict[str, Any]:
    """The reply, of the fields that the schema asks for."""
    names = asked.schema["properties"]["fields"]["properties"] if asked.schema else {}
    case = _case_in(asked.text)
    answers = reply_of(case)["fields"] if case is not None else {}
    return {"fields": {name: answers.get(name) for name in names or answers}}


def typed(case: Case, name: str, value: str) -> str | None:
    """A value as results hold it, None where it is no value of the field."""
    try:
        return str(typed_value(case.document_type.fields[name], value, ("en",)))
    except InvalidValue:
        return None


def _reply(case: Case, quoted: Mapping[str, Quoted]) -> dict[str, Any]:
    def entry(name: str) -> dict[str, Any] | None:
        if name not in quoted:
            return None
        shown = quoted[name]
        return {"value": shown.value, "evidence": [{"page": shown.page, "quote": shown.quote}], "confidence": SURE}

    return {"fields": {name: entry(name) for name in case.document_type.fields}}


def _shown(case: Case, name: str, value: str) -> Quoted | None:
    """A value of the key as the document shows it, beside a label of the field if it stands beside one somewhere."""
    field = case.document_type.fields[name]
    wanted = typed(case, name, value)
    if wanted is None:
        return None
    if field.type is FieldType.TEXT:
        return _shown_text(case, value)
    languages = _languages(case, field)
    lines = [(page, line) for page, line in _lines(case) if yields(field, line, wanted, languages)]
    aliases = [plain(alias) for alias in field.aliases]
    lines.sort(key=lambda line: not any(alias in plain(line[1]) for alias in aliases))
    return Quoted(wanted, lines[0][1], lines[0][0]) if lines else None


def _shown_text(case: Case, value: str) -> Quoted | None:
    for page in case.extraction.pages:
        span = locate(page.text, value)
        if span is not None:
            return Quoted(value, page.text[span.start : span.end], page.number)
    return None


def _lie(case: Case, name: str, lie: Lie, seed: random.Random) -> Quoted:
    field = case.document_type.fields[name]
    if lie in {"elsewhere", "labelled"}:
        others = list(wrong_values(case, name))
        if lie == "labelled":
            others = [other for other in others if _is_beside_other_label(case, name, other.quote)] or others
        if others:
            return seed.choice(others)
    value = _invented(field, case.truth.get(name, ""), seed)
    lines = list(_lines(case))
    if lie == "invented" or not lines:
        return Quoted(value, f"{field.aliases[0] if field.aliases else name}: {value}", 1)
    page, line = seed.choice(lines)
    return Quoted(value, line, page)


def wrong_values(case: Case, name: str) -> Iterator[Quoted]:
    """Wrong values of a field's kind that stand in the document, each with its line."""
    field, truth = case.document_type.fields[name], case.truth.get(name, "")
    right = typed(case, name, truth)
    languages = _languages(case, field)
    for page, line in _lines(case):
        values: list[str] = []
        match field.type:
            case FieldType.MONEY:
                amounts = [amount for amount in numbers(line, languages) if "." in str(amount.value) or "," in line]
                values = [money_text(amount.value * amount.signs[0]) for amount in amounts if amount.value]
            case FieldType.DATE:
                values = [date.value.isoformat() for date in find_dates(line, languages)]
            case FieldType.TEXT if field.hints.kind == "identifier":
                values = _CODE.findall(line)
            case FieldType.TEXT:
                values = [clean_name(line)] if looks_like_name(line) else []
            case _:
                values = []
        for value in values:
            is_same = field.type is FieldType.TEXT and _overlap(value, truth)
            if value != right and not is_same:
                yield Quoted(value, line, page)


def _overlap(value: str, truth: str) -> bool:
    given, other = letters(value), letters(truth)
    return not given or given in other or other in given


def _is_beside_other_label(case: Case, name: str, line: str) -> bool:
    text = plain(line)
    fields = case.document_type.fields
    own = {plain(alias) for alias in fields[name].aliases}
    against = {plain(phrase) for phrase in fields[name].hints.not_near}
    others = {plain(alias) for other, field in fields.items() if other != name for alias in field.aliases} - own
    return any(phrase and phrase in text for phrase in against | others)


def _invented(field: DocumentField, truth: str, seed: random.Random) -> str:
    match field.type:
        case FieldType.MONEY:
            amount = Decimal(truth) if re.fullmatch(r"-?\d+(?:\.\d+)?", truth) else Decimal(40)
            return money_text(abs(amount) + Decimal(seed.randint(101, 9999)) / 100)
        case FieldType.DATE:
            known = date.fromisoformat(truth) if re.fullmatch(r"\d{4}-\d\d-\d\d", truth) else date(2018, 5, 4)
            return (known + timedelta(days=seed.randint(3, 200))).isoformat()
        case FieldType.CURRENCY:
            return "USD" if truth != "USD" else "GBP"
        case _ if field.hints.kind == "identifier":
            return f"RE-{seed.randint(10000, 99999)}"
        case _:
            return seed.choice(("Northwind Traders Ltd", "Meridian Supplies GmbH", "Halcyon Retail Sdn Bhd"))


def _lines(case: Case) -> Iterator[tuple[int, str]]:
    for page in case.extraction.pages:
        yield from ((page.number, line.strip()) for line in page.text.splitlines() if line.strip())


def _languages(case: Case, field: DocumentField) -> tuple[str, ...]:
    languages = case.document_type.languages
    if field.type is FieldType.MONEY:
        return number_languages([page.text for page in case.extraction.pages], languages)
    return languages


def _extracted(path: Path, content: bytes | None = None) -> Extraction:
    extraction, failure = extract_bytes(content or path.read_bytes(), path.resolve().as_uri(), SETTINGS)
    if extraction is None:
        raise SystemExit(f"{path.name} was not read: {failure.message if failure else 'nothing was extracted'}")
    return extraction


@lru_cache(maxsize=1)
def _types() -> Mapping[str, DocumentType]:
    return load_document_types(SETTINGS.document_types_dir)


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[str, Case], ...]:
    """Every case with the letters of its first page that has some."""
    cases = (*receipts(), *einvoices(), *invoice2data())
    return tuple(
        (next(filter(None, (letters(page.text) for page in case.extraction.pages)), ""), case) for case in cases
    )


def _case_in(text: str) -> Case | None:
    """The document whose first page stands in a request's text, or its beginning; of several the longest match."""
    within = letters(text)
    found = [(len(part), case) for page, case in _known() for part in (page, page[:STARTS]) if part and part in within]
    return max(found, key=lambda match: match[0], default=(0, None))[1]

"""List fields: entries whose keywords the pages have, terms of a vocabulary, or the items after a label."""

import re
from functools import lru_cache

from blocks.document_types.schema import DocumentField
from blocks.evidence.grounding import quoted
from blocks.reader.lexicon import Label
from blocks.reader.sheet import Sheet
from blocks.records import Evidence, FieldReading, Page
from blocks.text_classifier.features import keywords_of
from blocks.values.typed_values import fold, squeeze

VOCABULARY_CONFIDENCE = 0.85
LABELLED_CONFIDENCE = 0.6
MAX_ITEMS = 60
_PARTS = re.compile(r"\s*[,;|•·●▪/\t]\s*|\s{2,}")


def read_list(name: str, field: DocumentField, sheet: Sheet) -> FieldReading | None:
    """The items of a list field in the order in which the pages have them, each once, or None where there are none."""
    if not field.hints.keywords and not field.hints.vocabulary:
        return _after_label(sheet, sheet.labels_of(name))
    find = _by_keywords if field.hints.keywords else _by_vocabulary
    found = find(field, sheet.pages)
    if not found:
        return None
    return FieldReading(value=list(found), confidence=VOCABULARY_CONFIDENCE, evidence=tuple(found.values()))


@lru_cache(maxsize=64)
def _vocabulary_pattern(vocabulary: tuple[str, ...]) -> re.Pattern[str]:
    terms = sorted(vocabulary, key=len, reverse=True)
    body = "|".join(r"\s+".join(re.escape(word) for word in term.split()) for term in terms)
    return re.compile(rf"(?<![\w+#.])(?:{body})(?![\w+#])", re.IGNORECASE)


def _by_vocabulary(field: DocumentField, pages: tuple[Page, ...]) -> dict[str, Evidence]:
    spelled = {fold(term): term for term in field.hints.vocabulary}
    found: dict[str, Evidence] = {}
    for page in pages:
        for match in _vocabulary_pattern(field.hints.vocabulary).finditer(page.text):
            term = spelled.get(fold(match[0]))
            if term is not None and term not in found and len(found) < MAX_ITEMS:
                found[term] = quoted(page, *match.span())
    return found


def _by_keywords(field: DocumentField, pages: tuple[Page, ...]) -> dict[str, Evidence]:
    found: dict[str, Evidence] = {}
    for page in pages:
        for item, terms in field.hints.keywords.items():
            if item not in found and (spans := keywords_of(terms).spans(page.text)):
                found[item] = quoted(page, spans[0].start, spans[0].end)
    return found


def _after_label(sheet: Sheet, labels: list[Label]) -> FieldReading | None:
    """The items behind the best label that has any, or on the line below it."""
    by_number = {page.number: page for page in sheet.pages}
    for label in labels:
        cell, start = label.cell, label.end
        if not any(c.isalnum() for c in cell.text[start:]):
            below = sheet.rows[cell.row + 1 : cell.row + 2]
            if not below or below[0].page != cell.page:
                continue
            cell, start = below[0].cells[0], 0
        text = cell.text[start:].strip(" :-\u2013")
        items = [squeeze(item).strip(".") for item in _PARTS.split(text)]
        kept = list(dict.fromkeys(item for item in items if any(c.isalnum() for c in item)))
        if kept:
            at = cell.start + cell.text.find(text, start)
            evidence = quoted(by_number[cell.page], at, at + len(text))
            return FieldReading(value=list(kept[:MAX_ITEMS]), confidence=LABELLED_CONFIDENCE, evidence=(evidence,))
    return None

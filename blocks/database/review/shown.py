"""An item as a person sees it: its place, and for each value the line of the page that holds its evidence."""

from collections.abc import Mapping

from pydantic import JsonValue

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.database.review.queue import load_item
from blocks.evidence.grounding import locate
from blocks.records import Evidence, Extraction, Record, Stage
from blocks.review.records import Item


class ShownField(Record):
    """A field with the value that is shown, and the line of the page that holds its evidence."""

    field: str
    value: JsonValue
    confidence: float | None
    page: int | None = None
    line: str | None = None


class ShownItem(Record):
    """An item, where its document was seen last, and its fields, the least certain first."""

    item: Item
    uri: str
    fields: tuple[ShownField, ...]


@survives_outages
def show_item(database: Database, review_id: int) -> ShownItem:
    """The item as it is now. Raises `ItemMissing`."""
    with database.read() as connection:
        item = load_item(connection, review_id)
        uri = uris_of(connection, [item.document_id])[item.document_id][0]
        payloads = load_payloads(connection, Stage.EXTRACT, [item.document_id])
    pages: dict[int, str] = {}
    if item.document_id in payloads:
        extraction = Extraction.model_validate_json(payloads[item.document_id])
        pages = {page.number: page.text for page in extraction.pages}
    fields = [
        _shown(name, value, item.confidences.get(name), item.evidence.get(name, ()), pages)
        for name, value in item.fields.items()
    ]
    fields.sort(key=lambda shown: 1.0 if shown.confidence is None else shown.confidence)
    return ShownItem(item=item, uri=uri, fields=tuple(fields))


def _shown(
    name: str, value: JsonValue, confidence: float | None, evidence: tuple[Evidence, ...], pages: Mapping[int, str]
) -> ShownField:
    if not evidence:
        return ShownField(field=name, value=value, confidence=confidence)
    first = evidence[0]
    line = _line_of(pages.get(first.page, ""), first.quote)
    return ShownField(field=name, value=value, confidence=confidence, page=first.page, line=line)


def _line_of(text: str, quote: str) -> str:
    """The line of the page in which the quote begins; the quote itself where the page does not have it."""
    span = locate(text, quote)
    if span is None:
        return " ".join(quote.split())
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    return " ".join(text[start : len(text) if end < 0 else end].split())

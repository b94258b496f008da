"""The decided documents that a model is shown with a document: the ones most like it, as a reply to each would be."""

from collections.abc import Callable, Sequence

from blocks.document_types.schema import DocumentType, document_text
from blocks.gateway.model import DecidedExample
from blocks.gateway.prompts.prompts import visible
from blocks.gateway.prompts.tokens import example_tokens
from blocks.learning.worked import reply_fields
from blocks.records import Page
from tasks.learn.labelled import LabelledDocument

MAX_TOKENS = 4_000
"""A longer document is no example, and the next one takes its place: it would cost more than the one that is read."""


LoadDecided = Callable[[DocumentType, Sequence[str]], Sequence[LabelledDocument]]
"""Gives those of the documents that have labels and pages, in the order of their ids."""


def examples_of(document_type: DocumentType, nearest: Sequence[str], load: LoadDecided) -> tuple[DecidedExample, ...]:
    """As many of the nearest documents as the type shows, those without pages, labels or brevity passed over."""
    found: list[DecidedExample] = []
    for decided in load(document_type, nearest[: 2 * document_type.examples_shown + 2]):
        if len(found) == document_type.examples_shown:
            break
        pages = tuple(Page(number=page.number, method=page.method, text=visible(page.text)) for page in decided.pages)
        example = DecidedExample(
            document_id=decided.document_id,
            text=document_text(pages),
            fields=reply_fields(document_type, pages, decided.values),
        )
        if example_tokens(example) <= MAX_TOKENS:
            found.append(example)
    return tuple(found)

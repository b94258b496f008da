"""Where a person, an account or any other value stands in the database.

Payloads are compressed, so no index helps: every row that may hold the value is read.
"""

import bisect
import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Select, func, select

from blocks.database.engine import Database
from blocks.database.keeping.errors import SubjectTooShort
from blocks.database.learning.tables import labels
from blocks.database.payloads import unpack
from blocks.database.review.tables import review, review_answers, review_decisions, review_events, review_judgements
from blocks.database.tables import (
    documents,
    failures,
    model_call_texts,
    model_calls,
    reply_cache,
    results,
    sources,
    stage_outputs,
)

LEAST_CHARACTERS = 4
"""A shorter subject would be found nearly everywhere."""
_BATCH = 500


def find_subject(
    database: Database, subject: str, on_read: Callable[[int], None] = lambda rows: None
) -> dict[str, set[str]]:
    """The documents that hold the subject: {document_id: places}, each place as a person knows it.

    Case, accents' encoding, and what stands between letters and digits do not matter: `DE89 3704` is found as
    `de893704`, and a name also across a line break. It must stand as words of its own. `on_read` is called with the
    number of rows that were read since its last call. Raises `SubjectTooShort`.
    """
    wanted = Subject(subject)
    found: dict[str, set[str]] = {}
    with database.snapshot() as connection:
        for place, query, texts in _PLACES:
            for rows in _batches(connection, query):
                on_read(len(rows))
                for document_id, *values in rows:
                    if place not in found.get(document_id, ()) and wanted.is_in(texts(values)):
                        found.setdefault(document_id, set()).add(place)
    return found


def row_count(database: Database) -> int:
    """How many rows `find_subject` reads, about."""
    with database.read() as connection:
        return sum(
            connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
            for _, query, _ in _PLACES
        )


class Subject:
    """What is looked for: letters and digits as words of their own, whatever their case and what stands between them.

    Raises `SubjectTooShort`.
    """

    def __init__(self, subject: str) -> None:
        letters = [letter for letter in _plain(subject) if letter.isalnum()]
        if len(letters) < LEAST_CHARACTERS:
            raise SubjectTooShort(LEAST_CHARACTERS)
        self._pattern = re.compile(r"(?<![^\W_])" + r"[\W_]*".join(map(re.escape, letters)) + r"(?![^\W_])")

    def is_in(self, texts: Iterable[str]) -> bool:
        """Whether one of the texts holds it."""
        return any(self._pattern.search(_plain(text)) for text in texts)

    def replaced(self, text: str, by: str) -> str:
        """The text with something else wherever it stands; a text without it is not changed."""
        composed = unicodedata.normalize("NFKC", text)
        folded = [letter.casefold() for letter in composed]  # some letters become two
        ends = list(itertools.accumulate(map(len, folded)))
        parts, behind = list[str](), 0
        for found in self._pattern.finditer("".join(folded)):
            begin = bisect.bisect_right(ends, found.start())
            parts += [composed[behind:begin], by]
            behind = bisect.bisect_right(ends, found.end() - 1) + 1
        return "".join([*parts, composed[behind:]]) if parts else text


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _batches(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Any]]:
    yield from connection.execute(query.execution_options(yield_per=_BATCH)).partitions()


def _columns(values: Sequence[Any]) -> Iterator[str]:
    """The texts in columns of text and JSON."""
    for value in values:
        yield from _strings(value)


def _payload(values: Sequence[Any]) -> Iterator[str]:
    """The texts in a packed payload."""
    if values[0] is not None:
        yield from _strings(json.loads(unpack(values[0])))
    yield from _columns(values[1:])


def _strings(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _of_items(*columns: ColumnElement[Any]) -> Select[Any]:
    """Columns of a table of review, each row with its document's id."""
    table = columns[0].table
    return select(review.c.document_id, *columns).join_from(table, review, review.c.review_id == table.c.review_id)


_PLACES: tuple[tuple[str, Select[Any], Callable[[Sequence[Any]], Iterator[str]]], ...] = (
    ("place", select(sources.c.document_id, sources.c.uri), _columns),
    ("name", select(documents.c.document_id, documents.c.part).where(documents.c.part.is_not(None)), _columns),
    (
        "text and readings",
        select(stage_outputs.c.document_id, stage_outputs.c.payload, stage_outputs.c.failure_message),
        _payload,
    ),
    (
        "result",
        select(results.c.document_id, results.c.fields, results.c.evidence, results.c.reasons),
        _columns,
    ),
    ("failure", select(failures.c.document_id, failures.c.message), _columns),
    (
        "prompts and replies",
        select(model_calls.c.document_id, model_call_texts.c.prompt, model_call_texts.c.reply).join_from(
            model_call_texts, model_calls, model_calls.c.call_key == model_call_texts.c.call_key
        ),
        _columns,
    ),
    (
        "kept replies",
        select(model_calls.c.document_id, reply_cache.c.reply).join_from(
            reply_cache, model_calls, model_calls.c.request_digest == reply_cache.c.cache_key
        ),
        _payload,
    ),
    ("label", select(labels.c.document_id, labels.c.value), _columns),
    ("review", select(review.c.document_id, review.c.reasons, review.c.decision), _columns),
    ("review", _of_items(review_events.c.content), _columns),
    ("review", _of_items(review_answers.c.shown, review_answers.c.decided, review_answers.c.evidence), _columns),
    ("review", _of_items(review_judgements.c.shown, review_judgements.c.evidence), _columns),
    ("review", _of_items(review_decisions.c.value, review_decisions.c.note), _columns),
)
"""Each place by its name, its rows with the document's id first, and how texts are read from the other columns."""

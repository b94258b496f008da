"""A reply's JSON object to readings, held to the closed schema that was asked for.

What can be meant in one way only is taken (a number where a text is asked, one quote where a list of quotes is); all
else is refused with a problem that names the place and what belongs there. No problem repeats what the reply says: it
goes into logs, and the reply may quote the document.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue, TypeAdapter

from blocks.document_types.schema import DocumentField, FieldType
from blocks.gateway.errors import WrongSchema
from blocks.gateway.model import ModelRequest
from blocks.gateway.replies.json_scalars import NumberText, Unreadable, plain_number
from blocks.gateway.replies.quote_pages import QuotePages
from blocks.records import CriterionReading, FieldReading
from blocks.values.typed_values import InvalidValue, parse_enum

MOST_ENTRIES = 2_000
LONGEST_QUOTE = 4_000

_WHOLE = dict.fromkeys(("fields", "criteria"))
_PARTS = dict.fromkeys(("value", "evidence", "confidence"))
_QUOTED = dict.fromkeys(("page", "quote"))
_GRADED = dict.fromkeys(("grade", "evidence", "confidence"))
"""The keys of a reply, of a field, of one of its quotes, and of a grade: in order, and quick to compare with."""
_NUMERIC = frozenset({FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER})
_SAID_NOTHING = frozenset(
    {"", "-", "--", "n/a", "n.a.", "na", "null", "none", "nil", "unknown", "not found", "not available", "not stated",
     "not specified", "not given", "nicht angegeben", "unbekannt", "non indiqué", "no disponible"}
)  # fmt: skip
"""What models write, with no quote, in place of null."""
_READINGS = TypeAdapter(dict[str, FieldReading])
"""Makes all readings of a reply at once: one by one, their records would take a third of the time of judging it."""
_THREE_DECIMALS = re.compile(r"[-+]?\d+\.\d{3}")
_PLAIN_NAME = re.compile(r"\w{1,40}")


_Entry = dict[str, Any]
"""What becomes a record, by its fields."""


class Misfit(Exception):
    """What is wrong with a reply. Never leaves this room: `fit` makes it a `WrongSchema`."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The readings of a reply that is of the schema. `fields` has only those that were found."""

    fields: dict[str, FieldReading]
    criteria: tuple[CriterionReading, ...]


def fit(model: str, request: ModelRequest, body: Mapping[str, Any], *, is_repaired: bool = False) -> Fitted:
    """The readings in a reply's object. Raises `WrongSchema`."""
    pages = QuotePages(request.pages)
    try:
        criteria = request.asked_criteria
        _only(body, _WHOLE, "the reply")
        given = body.get("fields", {} if not request.asked else None)
        if not isinstance(given, dict):
            raise Misfit('the reply has no object "fields"')
        fields = _fields(request, given, pages, is_repaired=is_repaired)
        graded = _criteria(request, {one.name: one.judges for one in criteria}, body.get("criteria"), fields, pages)
    except Misfit as error:
        raise WrongSchema(model, str(error)) from None
    return Fitted(fields, graded)


def _fields(
    request: ModelRequest, given: Mapping[str, Any], pages: QuotePages, *, is_repaired: bool
) -> dict[str, FieldReading]:
    asked, known = request.asked, request.document_type.fields
    _only(given, dict.fromkeys(asked), "fields")
    if asked and not given:
        raise Misfit(f"fields is empty; give each of {', '.join(asked[:20])}, or null where the document does not say")
    readings: dict[str, _Entry] = {}
    for name in asked:
        field, raw = known[name], given.get(name)
        if raw is None:
            if field.required and name not in given:
                raise Misfit(f"fields.{name} is missing; give it, or null where the document does not say")
            continue
        reading = _reading(field, raw, f"fields.{name}", pages, is_repaired=is_repaired)
        if reading is not None:
            readings[name] = reading
    return _READINGS.validate_python(readings)


def _reading(field: DocumentField, raw: object, path: str, pages: QuotePages, *, is_repaired: bool) -> _Entry | None:
    if not isinstance(raw, dict):
        raise Misfit(f"{path} must be null or an object with value, evidence and confidence")
    _only(raw, _PARTS, path)
    if "value" not in raw:
        raise Misfit(f"{path}.value is missing")
    evidence = _evidence(raw.get("evidence"), f"{path}.evidence", pages, keeps_empty=field.type is FieldType.TABLE)
    value = _value(field, raw["value"], f"{path}.value", has_quote=bool(evidence))
    if value is None:
        return None
    stated = _share(raw.get("confidence"), f"{path}.confidence")
    signals = {"stated": stated, "is_repaired": is_repaired}
    return {"value": value, "evidence": () if field.written else evidence, "signals": signals}


def _value(field: DocumentField, raw: object, path: str, *, has_quote: bool) -> JsonValue:
    """The value, None where the reply says that there is none."""
    if raw is None:
        return None
    kind = field.type
    if kind is FieldType.TABLE:
        return _rows(field, raw, path)
    if kind is FieldType.LIST:
        items = raw if isinstance(raw, list) else [raw]
        _bounded(items, path)
        texts = [_text(field, one, f"{path}[{at}]") for at, one in enumerate(items) if one is not None]
        entries = tuple(field.hints.keywords)
        return [_listed(one, entries, path) for one in texts if one]
    text = raw.strip() if type(raw) is str and kind not in _NUMERIC else _text(field, raw, path)
    is_silence = not (has_quote or field.written) and text.casefold() in _SAID_NOTHING
    if not text or (is_silence and text not in field.enum):
        return None
    return _one_of(field, text, path) if kind is FieldType.ENUM else text


def _rows(field: DocumentField, raw: object, path: str) -> list[JsonValue]:
    if not isinstance(raw, list):
        raise Misfit(f"{path} must be a list of objects")
    _bounded(raw, path)
    rows: list[JsonValue] = []
    for at, row in enumerate(raw):
        place = f"{path}[{at}]"
        if not isinstance(row, dict):
            raise Misfit(f"{place} must be an object with {', '.join(field.columns)}")
        _only(row, field.columns, place)
        cells: dict[str, JsonValue] = {}
        for name, column in field.columns.items():
            cell = row.get(name)
            text = "" if cell is None else _text(column, cell, f"{place}.{name}")
            cells[name] = _one_of(column, text, f"{place}.{name}") if text else None
        rows.append(cells)
    return rows


def _one_of(field: DocumentField, text: str, path: str) -> str:
    return _listed(text, field.enum if field.type is FieldType.ENUM else (), path)


def _listed(text: str, allowed: tuple[str, ...], path: str) -> str:
    """The one of `allowed` that a text is, in its own spelling; any text where nothing is prescribed."""
    if not allowed:
        return text
    try:
        return parse_enum(text, allowed)
    except InvalidValue:
        raise Misfit(f"{path} must be one of {', '.join(allowed)}") from None


def _text(field: DocumentField, raw: object, path: str) -> str:
    """A text as it is, a number as the exact decimal text that a reader of any language takes for the same number.

    Models are told to write a decimal point and no grouping, so 20.000 in quotes is twenty as well; whether the page
    says twenty is checked like any value.
    """
    if isinstance(raw, NumberText) or type(raw) is int:
        if field.type not in _NUMERIC:
            return str(raw)
        try:
            plain = plain_number(raw)
        except Unreadable as error:
            raise Misfit(f"{path} is {error}") from None
    elif isinstance(raw, str):
        plain = raw.strip()
    else:
        raise Misfit(f"{path} must be a string{' or null' if field.type is not FieldType.LIST else ''}")
    is_german = field.type in _NUMERIC and _THREE_DECIMALS.fullmatch(plain) is not None
    return f"{plain}0" if is_german else plain  # 1.234 is one thousand in German


def _evidence(raw: object, path: str, pages: QuotePages, *, keeps_empty: bool) -> tuple[_Entry, ...]:
    entries = [] if raw is None else [raw] if isinstance(raw, dict) else raw
    if not isinstance(entries, list):
        raise Misfit(f"{path} must be a list of objects with page and quote")
    _bounded(entries, path)
    quoted = []
    for at, one in enumerate(entries):
        entry = _quoted(one, f"{path}[{at}]", pages)
        if keeps_empty or not (entry["quote"] == "" or entry["quote"].isspace()):
            quoted.append(entry)
    return tuple(quoted)


def _quoted(raw: object, path: str, pages: QuotePages) -> _Entry:
    if not isinstance(raw, dict):
        raise Misfit(f"{path} must be an object with page and quote")
    _only(raw, _QUOTED, path)
    quote, page = raw.get("quote"), raw.get("page")
    if type(quote) is not str:
        quote = _quote_text(quote, path)
    if len(quote) > LONGEST_QUOTE:
        raise Misfit(f"{path}.quote is longer than {LONGEST_QUOTE:,} characters; quote less")
    found = pages.page_of(page if type(page) is int else _page_number(page, f"{path}.page"), quote)
    if found is None:
        raise Misfit(f"{path}.page must be the number of the page that has the quote")
    return {"page": found, "quote": quote}


def _quote_text(raw: object, path: str) -> str:
    """A quote that is no text: nothing for null, and the digits of a number."""
    if raw is None:
        return ""
    if type(raw) is int or isinstance(raw, NumberText):
        return str(raw)
    raise Misfit(f"{path}.quote must be a string, copied from the page")


def _page_number(raw: object, path: str) -> int | None:
    """The number of a page that is given as anything but a whole number; None for null."""
    if raw is None:
        return None
    plain = raw.strip().removesuffix(".0") if isinstance(raw, str) else ""
    if len(plain) < 10 and plain.isascii() and plain.isdecimal():
        return int(plain)
    raise Misfit(f"{path} must be a whole number")


def _share(raw: object, path: str) -> float | None:
    """A number in [0, 1]; None for null."""
    if raw is None:
        return None
    if isinstance(raw, str) or type(raw) is int:
        try:
            value = float(raw)
        except (ValueError, OverflowError):
            value = -1.0
        if 0 <= value <= 1:
            return value + 0.0
    raise Misfit(f"{path} must be a number from 0 to 1")


def _criteria(
    request: ModelRequest,
    asked: Mapping[str, str | None],
    given: object,
    fields: Mapping[str, FieldReading],
    pages: QuotePages,
) -> tuple[CriterionReading, ...]:
    """The grades. One that judges a written field is needed only where there is something to judge."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Misfit('"criteria" must be an object')
    _only(given, asked, "criteria")
    readings = []
    for name, judged in asked.items():
        raw, path = given.get(name), f"criteria.{name}"
        if raw is None and judged is not None and judged not in fields and judged not in request.written:
            continue
        if not isinstance(raw, dict):
            raise Misfit(f"{path} must be an object with grade, evidence and confidence")
        _only(raw, _GRADED, path)
        grade = _share(raw.get("grade"), f"{path}.grade")
        confidence = _share(raw.get("confidence"), f"{path}.confidence")
        if grade is None or confidence is None:
            raise Misfit(f"{path} needs a grade and a confidence from 0 to 1")
        evidence = _evidence(raw.get("evidence"), f"{path}.evidence", pages, keeps_empty=False)
        read = {"name": name, "grade": grade, "confidence": confidence, "evidence": evidence}
        readings.append(CriterionReading.model_validate(read))
    return tuple(readings)


def _only(given: Mapping[str, Any], known: Mapping[str, object], path: str) -> None:
    """See that an object has no other keys. Raises `Misfit`."""
    if given.keys() <= known.keys():
        return
    name = next(name for name in given if name not in known)
    which = f'"{name}"' if _PLAIN_NAME.fullmatch(name) else "a key"
    raise Misfit(f"{path} has {which}, which is not in the schema; its keys are {', '.join(list(known)[:30])}")


def _bounded(entries: list[Any], path: str) -> None:
    if len(entries) > MOST_ENTRIES:
        raise Misfit(f"{path} has more than {MOST_ENTRIES:,} entries")

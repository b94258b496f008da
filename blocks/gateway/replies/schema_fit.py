"""A reply's JSON object to readings, held to the closed schema that was asked for.

What can be meant in one way only is taken (a number where a text is asked, one quote where a list of quotes is); all
else is refused with a problem that names the place and what belongs there. No problem repeats what the reply says: it
goes into logs, and the reply may quote the document.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from jiter import LosslessFloat
from pydantic import JsonValue, TypeAdapter

from blocks.document_types.schema import DocumentField, FieldType
from blocks.gateway.errors import WrongSchema
from blocks.gateway.model import ModelRequest
from blocks.gateway.replies.json_scalars import Unreadable, plain_number
from blocks.gateway.replies.quote_pages import QuotePages
from blocks.records import CriterionReading, FieldReading, Signals
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import parse_enum

MAX_ENTRIES = 2_000
MAX_QUOTE_CHARACTERS = 4_000
TOO_MANY = f" has more than {MAX_ENTRIES:,} entries"

_REPLY = dict.fromkeys(("fields", "criteria"))
_PARTS = dict.fromkeys(("value", "evidence", "confidence"))
_QUOTED = dict.fromkeys(("page", "quote"))
_GRADED = dict.fromkeys(("grade", "evidence", "confidence"))
"""The keys of a reply, of a field, of one of its quotes, and of a grade: in order, and quick to compare with."""
_NUMERIC = frozenset({FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER})
_SILENCE = frozenset(
    {"", "-", "--", "n/a", "n.a.", "na", "null", "none", "nil", "unknown", "not found", "not available", "not stated",
     "not specified", "not given", "nicht angegeben", "unbekannt", "non indiqué", "no disponible"}
)  # fmt: skip
"""What models write, with no quote, in place of null."""
_READINGS = TypeAdapter(dict[str, FieldReading])
"""Makes all readings of a reply at once: one by one, their records would take a third of the time of judging it."""
_THREE_DECIMALS = re.compile(r"[-+]?\d+\.\d{3}")
_PLAIN_NAME = re.compile(r"\w{1,40}")

T = TypeVar("T")

_Entry = dict[str, Any]
"""What becomes a record, by its fields."""


class Misfit(Exception):
    """What is wrong with a reply. Never leaves this room: `fit` makes it a `WrongSchema`.

    A function that reads an entry begins its problem with the place in the entry; its caller puts the entry's path
    before it. So no path is written for a reply that fits.
    """


@dataclass(frozen=True, slots=True)
class Fitted:
    """The readings of a reply that is of the schema. `fields` has only those that were found."""

    fields: dict[str, FieldReading]
    criteria: tuple[CriterionReading, ...]


def fit(model: str, request: ModelRequest, body: Mapping[str, Any], *, is_repaired: bool = False) -> Fitted:
    """The readings in a reply's object. Raises `WrongSchema`."""
    pages = QuotePages(request.pages)
    try:
        _only(body, _REPLY, "the reply")
        given = body.get("fields", {} if not request.asked else None)
        if not isinstance(given, dict):
            raise Misfit('the reply has no object "fields"')
        fields = _fields(request, given, pages, is_repaired=is_repaired)
        graded = _criteria(request, body.get("criteria"), fields, pages)
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
        try:
            reading = _reading(field, raw, pages, is_repaired=is_repaired)
        except Misfit as problem:
            raise Misfit(f"fields.{name}{problem}") from None
        if reading is not None:
            readings[name] = reading
    return _READINGS.validate_python(readings)


def _reading(field: DocumentField, raw: object, pages: QuotePages, *, is_repaired: bool) -> _Entry | None:
    if not isinstance(raw, dict):
        raise Misfit(" must be null or an object with value, evidence and confidence")
    _only(raw, _PARTS)
    if "value" not in raw:
        raise Misfit(".value is missing")
    evidence = _evidence(raw.get("evidence"), pages, keeps_empty=field.type is FieldType.TABLE)
    try:
        value = _value(field, raw["value"], has_quote=bool(evidence))
    except Misfit as problem:
        raise Misfit(f".value{problem}") from None
    if value is None:
        return None
    signals = _signals(_share(raw.get("confidence"), "confidence"), is_repaired)
    return {"value": value, "evidence": () if field.written else evidence, "signals": signals}


@lru_cache(maxsize=1024)
def _signals(stated: float | None, is_repaired: bool) -> Signals:
    """The signals of a reading. Models state few different confidences."""
    return Signals(stated=stated, is_repaired=is_repaired)


def _value(field: DocumentField, raw: object, *, has_quote: bool) -> JsonValue:
    """The value, None where the reply says that there is none."""
    if raw is None:
        return None
    kind = field.type
    if kind is FieldType.TABLE:
        if not isinstance(raw, list):
            raise Misfit(" must be a list of objects")
        return _each(raw, lambda row: _row(field, row))
    if kind is FieldType.LIST:
        items = raw if isinstance(raw, list) else [raw]
        texts = _each(items, lambda item: "" if item is None else _text(field, item))
        return [_listed(text, tuple(field.hints.keywords)) for text in texts if text]
    text = raw.strip() if type(raw) is str and kind not in _NUMERIC else _text(field, raw)
    is_silence = not (has_quote or field.written) and text.casefold() in _SILENCE
    if not text or (is_silence and text not in field.enum):
        return None
    return _one_of(field, text)


def _row(field: DocumentField, raw: object) -> dict[str, JsonValue]:
    if not isinstance(raw, dict):
        raise Misfit(f" must be an object with {', '.join(field.columns)}")
    _only(raw, field.columns)
    return {name: _cell(name, column, raw.get(name)) for name, column in field.columns.items()}


def _cell(name: str, column: DocumentField, raw: object) -> str | None:
    try:
        text = "" if raw is None else _text(column, raw)
        return _one_of(column, text) if text else None
    except Misfit as problem:
        raise Misfit(f".{name}{problem}") from None


def _one_of(field: DocumentField, text: str) -> str:
    return _listed(text, field.enum) if field.type is FieldType.ENUM else text


def _listed(text: str, allowed: tuple[str, ...]) -> str:
    """The entry of `allowed` that a text is, in its own spelling; any text where nothing is prescribed."""
    if not allowed:
        return text
    try:
        return parse_enum(text, allowed)
    except InvalidValue:
        raise Misfit(f" must be one of {', '.join(allowed)}") from None


def _text(field: DocumentField, raw: object) -> str:
    """A text as it is, a number as the exact decimal text that a reader of any language takes for the same number.

    The prompt asks for a decimal point and no grouping, so 20.000 in quotes is twenty as well; whether the page
    says twenty is checked like any value.
    """
    if isinstance(raw, LosslessFloat) or type(raw) is int:
        if field.type not in _NUMERIC:
            return str(raw)
        try:
            plain = plain_number(raw)
        except Unreadable as error:
            raise Misfit(f" is {error}") from None
    elif isinstance(raw, str):
        plain = raw.strip()
    else:
        raise Misfit(f" must be a string{' or null' if field.type is not FieldType.LIST else ''}")
    is_german = field.type in _NUMERIC and _THREE_DECIMALS.fullmatch(plain) is not None
    return f"{plain}0" if is_german else plain  # 1.234 is one thousand in German


def _evidence(raw: object, pages: QuotePages, *, keeps_empty: bool) -> list[_Entry]:
    entries = [] if raw is None else [raw] if isinstance(raw, dict) else raw
    if not isinstance(entries, list):
        raise Misfit(".evidence must be a list of objects with page and quote")
    if len(entries) > MAX_ENTRIES:
        raise Misfit(f".evidence{TOO_MANY}")
    quotes = []
    for at, entry in enumerate(entries):
        try:
            quoted = _quoted(entry, pages)
        except Misfit as problem:
            raise Misfit(f".evidence[{at}]{problem}") from None
        if keeps_empty or not (quoted["quote"] == "" or quoted["quote"].isspace()):
            quotes.append(quoted)
    return quotes


def _quoted(raw: object, pages: QuotePages) -> _Entry:
    if not isinstance(raw, dict):
        raise Misfit(" must be an object with page and quote")
    _only(raw, _QUOTED)
    quote, page = raw.get("quote"), raw.get("page")
    if type(quote) is not str:
        quote = _quote_text(quote)
    if len(quote) > MAX_QUOTE_CHARACTERS:
        raise Misfit(f".quote is longer than {MAX_QUOTE_CHARACTERS:,} characters; quote less")
    found = pages.page_of(page if type(page) is int else _page_number(page), quote)
    if found is None:
        raise Misfit(".page must be the number of the page that has the quote")
    return {"page": found, "quote": quote}


def _quote_text(raw: object) -> str:
    """A quote that is no text: nothing for null, and the digits of a number."""
    if raw is None:
        return ""
    if type(raw) is int or isinstance(raw, LosslessFloat):
        return str(raw)
    raise Misfit(".quote must be a string, copied from the page")


def _page_number(raw: object) -> int | None:
    """The number of a page that is given as anything but a whole number; None for null."""
    if raw is None:
        return None
    plain = str(raw).strip().removesuffix(".0") if isinstance(raw, str | LosslessFloat) else ""
    if len(plain) < 10 and plain.isascii() and plain.isdecimal():
        return int(plain)
    raise Misfit(".page must be a whole number")


def _share(raw: object, name: str) -> float | None:
    """A number in [0, 1]; None for null."""
    if raw is None:
        return None
    if isinstance(raw, LosslessFloat | str) or type(raw) is int:
        try:
            value = float(raw)
        except (ValueError, OverflowError):
            value = -1.0
        if 0 <= value <= 1:
            return value + 0.0
    raise Misfit(f".{name} must be a number from 0 to 1")


def _criteria(
    request: ModelRequest, given: object, fields: Mapping[str, FieldReading], pages: QuotePages
) -> tuple[CriterionReading, ...]:
    """The grades. One that judges a written field is needed only where there is something to judge."""
    asked = {criterion.name: criterion.judges for criterion in request.asked_criteria}
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Misfit('"criteria" must be an object')
    _only(given, asked, "criteria")
    readings = []
    for name, judged in asked.items():
        raw = given.get(name)
        if raw is None and judged is not None and judged not in fields and judged not in request.written:
            continue
        try:
            readings.append(_grade(name, raw, pages))
        except Misfit as problem:
            raise Misfit(f"criteria.{name}{problem}") from None
    return tuple(readings)


def _grade(name: str, raw: object, pages: QuotePages) -> CriterionReading:
    if not isinstance(raw, dict):
        raise Misfit(" must be an object with grade, evidence and confidence")
    _only(raw, _GRADED)
    grade, confidence = _share(raw.get("grade"), "grade"), _share(raw.get("confidence"), "confidence")
    if grade is None or confidence is None:
        raise Misfit(" needs a grade and a confidence from 0 to 1")
    evidence = _evidence(raw.get("evidence"), pages, keeps_empty=False)
    read = {"name": name, "grade": grade, "confidence": confidence, "evidence": evidence}
    return CriterionReading.model_validate(read)


def _each(entries: list[Any], read: Callable[[Any], T]) -> list[T]:
    """What `read` makes of each entry. Raises `Misfit`."""
    if len(entries) > MAX_ENTRIES:
        raise Misfit(TOO_MANY)
    done: list[T] = []
    try:
        for entry in entries:
            done.append(read(entry))  # noqa: PERF401 - the length tells where a problem is
    except Misfit as problem:
        raise Misfit(f"[{len(done)}]{problem}") from None
    return done


def _only(given: Mapping[str, Any], known: Mapping[str, object], path: str = "") -> None:
    """See that an object has no other keys. Raises `Misfit`."""
    if given.keys() <= known.keys():
        return
    name = next(name for name in given if name not in known)
    which = f'"{name}"' if _PLAIN_NAME.fullmatch(name) else "a key"
    raise Misfit(f"{path} has {which}, which is not in the schema; its keys are {', '.join(list(known)[:30])}")

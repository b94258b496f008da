"""Rules for a type.yaml beyond its schema. Each check names every mistake that it finds.

The checks read the file's plain values and no `DocumentType`, so that a wrong value hides no other mistake.
"""

import re
from collections.abc import Iterator, Mapping

from blocks.document_types.expectations import VIEW_COLUMNS
from blocks.document_types.routes import check_route
from blocks.document_types.schema import FieldType
from blocks.records import UNKNOWN_TYPE
from blocks.yaml.lines import Mistake, Path
from blocks.yaml.messages import did_you_mean
from blocks.yaml.values import mapping, sequence, strings

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
MAX_NAME_LENGTH = 48
"""PostgreSQL cuts names at 63 bytes, and views are named after type and field."""

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?\Z")

OTHER_KINDS = frozenset(FieldType) - {FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER}
"""Types of fields that cannot be added up."""

RESERVED_FIELDS = frozenset(VIEW_COLUMNS) | {"uris", "document_type", "fields"}
"""Columns that every result has beside the fields."""


def check_type(raw: Mapping[str, object], folder_name: str, prompts: Mapping[str, str]) -> Iterator[Mistake]:
    """Every mistake in the values of a type.yaml, whether or not the schema accepts them."""
    yield from _check_name(raw, folder_name)
    fields = mapping(raw.get("fields"))
    if "fields" in raw and isinstance(raw["fields"], dict) and not fields:
        yield Mistake(("fields",), "a type needs at least one field")
    yield from _check_fields(fields, ("fields",), in_table=False)
    yield from _check_rubric(mapping(raw.get("rubric")))
    yield from _check_signals(mapping(raw.get("classification")))
    yield from check_route(raw, prompts)
    yield from _check_bands(mapping(raw.get("review")))
    yield from _check_reject_rules(raw, fields)
    for index, language in enumerate(strings(raw.get("languages"))):
        if not LANGUAGE.match(language):
            yield Mistake(("languages", index), f"{language!r} is no language code; write en, de or pt-BR")


def normal_alias(alias: str) -> str:
    """An alias as checks and readers compare it: case, blanks and a closing colon make no difference."""
    return " ".join(alias.casefold().split()).rstrip(":").rstrip()


def _check_name(raw: Mapping[str, object], folder_name: str) -> Iterator[Mistake]:
    name = raw.get("name", folder_name)
    if not isinstance(name, str):
        return
    if name != folder_name:
        yield Mistake(("name",), f"the name {name!r} is not that of its folder, {folder_name!r}; rename one of them")
    elif name == UNKNOWN_TYPE:
        yield Mistake(("name",), f"{name!r} is the type of documents that fit no type; choose another name")
    elif not NAME.match(name) or len(name) > MAX_NAME_LENGTH:
        yield Mistake(("name",), f"{name!r} must be small letters, digits and _, at most {MAX_NAME_LENGTH} of them")


def _check_fields(fields: Mapping[str, object], path: Path, *, in_table: bool) -> Iterator[Mistake]:
    for name, raw in fields.items():
        here = (*path, name)
        if not isinstance(name, str) or not NAME.match(name) or len(name) > MAX_NAME_LENGTH:
            yield Mistake(here, f"{name!r} must be small letters, digits and _, at most {MAX_NAME_LENGTH} of them")
        elif name in RESERVED_FIELDS and not in_table:
            yield Mistake(here, f"{name!r} is a column of every result; choose another name")
        field = mapping(raw)
        yield from _check_aliases(field, here)
        yield from _check_kind(field, here, in_table=in_table)
        pattern = mapping(field.get("hints")).get("pattern")
        yield from _check_pattern(pattern, (*here, "hints", "pattern"))
        for index, stated in enumerate(strings(mapping(field.get("hints")).get("stated"))):
            yield from _check_pattern(stated, (*here, "hints", "stated", index))
            if "(?P<value>" not in stated:
                text = "the sentence does not say where its value is; put the value in (?P<value>...)"
                yield Mistake((*here, "hints", "stated", index), text)
    yield from _check_hints(fields, path)


def _check_aliases(field: Mapping[str, object], path: Path) -> Iterator[Mistake]:
    """Two fields may share a label (a number and its date, a total and the amount due); a field has each label once."""
    seen: set[str] = set()
    for index, alias in enumerate(strings(field.get("aliases"))):
        key, here = normal_alias(alias), (*path, "aliases", index)
        if not key:
            yield Mistake(here, "an alias is empty; remove it")
        elif key in seen:
            text = f"the alias {alias!r} is given twice (case and a colon make no difference); keep one"
            yield Mistake(here, f"{text}, and put an alias with # in quotes: without them, # begins a comment")
        seen.add(key)


def _check_kind(field: Mapping[str, object], path: Path, *, in_table: bool) -> Iterator[Mistake]:
    kind, enum, default = field.get("type"), strings(field.get("enum")), field.get("default")
    if kind == "enum" and not field.get("enum"):
        yield Mistake(path, "an enum field needs its values; add enum: [first, second]")
    if kind != "enum" and field.get("enum"):
        yield Mistake((*path, "enum"), f"only enum fields have values, this one is {kind!r}; make it type: enum")
    for index, value in enumerate(enum):
        if value in enum[:index]:
            yield Mistake((*path, "enum", index), f"the value {value!r} is given twice; keep one")
    if kind == "enum" and isinstance(default, str) and enum and default not in enum:
        yield Mistake((*path, "default"), f"{default!r} is not one of the values: {', '.join(enum)}")
    if kind == "table" and in_table:
        yield Mistake((*path, "type"), "a column cannot be a table itself; use text, number or another simple type")
    elif kind == "table" and not field.get("columns"):
        yield Mistake(path, "a table field needs its columns; add columns: {name: {type: text}}")
    if kind != "table" and field.get("columns"):
        yield Mistake((*path, "columns"), f"only table fields have columns, this one is {kind!r}; make it type: table")
    if kind == "table" and not in_table:
        yield from _check_fields(mapping(field.get("columns")), (*path, "columns"), in_table=True)


def _check_hints(fields: Mapping[str, object], top: Path) -> Iterator[Mistake]:
    for name, raw in fields.items():
        field = mapping(raw)
        hints, enum = mapping(field.get("hints")), strings(field.get("enum"))
        if hints.get("keywords") and field.get("type") not in ("enum", "list"):
            yield Mistake((*top, name, "hints", "keywords"), "only enum and list fields have keywords; use near")
        for value in mapping(hints.get("keywords")):
            if enum and value not in enum:
                text = f"{value!r} is not one of the values of {name!r}; {did_you_mean(value, enum)}"
                yield Mistake((*top, name, "hints", "keywords", str(value)), text)
        for index, part in enumerate(strings(hints.get("sum_of"))):
            path, other = (*top, name, "hints", "sum_of", index), mapping(fields.get(part))
            if part == name:
                yield Mistake(path, f"{name!r} cannot be a part of its own sum; name other fields")
            elif part not in fields:
                yield Mistake(path, f"the type has no field {part!r}; {did_you_mean(part, fields)}")
            elif other.get("type") in OTHER_KINDS:
                yield Mistake(path, f"{part!r} is no number but {other.get('type')!r}; only numbers can be summed")
        yield from _check_relations(name, hints, fields, (*top, name, "hints"))


def _check_relations(
    name: str, hints: Mapping[str, object], fields: Mapping[str, object], path: Path
) -> Iterator[Mistake]:
    """Hints that name another number: a field, or the column of a table."""
    column_sum = hints.get("column_sum")
    for hint in ("share_of", "remainder_of"):
        other = hints.get(hint)
        if isinstance(other, str) and (other == name or not _is_number(fields.get(other))):
            text = f"the type has no other number field {other!r}; {did_you_mean(other, fields)}"
            yield Mistake((*path, hint), text)
    if isinstance(column_sum, str):
        table, _, column = column_sum.partition(".")
        columns = mapping(mapping(fields.get(table)).get("columns"))
        if not _is_number(columns.get(column)):
            known = [
                f"{other}.{part}" for other, raw in fields.items() for part in mapping(mapping(raw).get("columns"))
            ]
            text = f"the type has no table with a column of numbers {column_sum!r}; {did_you_mean(column_sum, known)}"
            yield Mistake((*path, "column_sum"), text)


def _is_number(raw: object) -> bool:
    return bool(mapping(raw)) and mapping(raw).get("type") not in OTHER_KINDS


def _check_rubric(rubric: Mapping[str, object]) -> Iterator[Mistake]:
    criteria = rubric.get("criteria")
    if isinstance(criteria, list) and not criteria:
        yield Mistake(("rubric", "criteria"), "a rubric needs at least one criterion; add one or remove the rubric")
    names: set[object] = set()
    for index, criterion in enumerate(sequence(criteria)):
        name = mapping(criterion).get("name")
        if isinstance(name, str) and name in names:
            yield Mistake(("rubric", "criteria", index, "name"), f"the criterion {name!r} is given twice; rename one")
        names.add(name if isinstance(name, str) else None)


def _check_signals(classification: Mapping[str, object]) -> Iterator[Mistake]:
    for index, raw in enumerate(sequence(classification.get("signals"))):
        path, signal = ("classification", "signals", index), mapping(raw)
        if isinstance(raw, dict) and bool(signal.get("phrase")) == bool(signal.get("pattern")):
            yield Mistake(path, "a signal has either a phrase or a pattern; write one of them")
        if signal.get("weight") == 0:
            yield Mistake((*path, "weight"), "a weight of 0 does nothing; write more than 0 for the type, less against")
        yield from _check_pattern(signal.get("pattern"), (*path, "pattern"))


def _check_bands(review: Mapping[str, object]) -> Iterator[Mistake]:
    if review.get("bands") == []:
        yield Mistake(("review", "bands"), "review needs at least one band; remove the key for the default band")
    before: float | None = None
    for index, band in enumerate(sequence(review.get("bands"))):
        below = mapping(band).get("below")
        if not isinstance(below, int | float) or isinstance(below, bool):
            continue
        if before is not None and below <= before:
            path = ("review", "bands", index, "below")
            yield Mistake(path, f"below: {below} comes after below: {before}; put the lowest band first")
        before = below


def _check_reject_rules(raw: Mapping[str, object], fields: Mapping[str, object]) -> Iterator[Mistake]:
    for index, item in enumerate(sequence(raw.get("reject_when"))):
        rule, path = mapping(item), ("reject_when", index)
        name, values = rule.get("field"), sequence(rule.get("values"))
        if not isinstance(name, str):
            continue
        if name not in fields:
            yield Mistake((*path, "field"), f"the type has no field {name!r}; {did_you_mean(name, fields)}")
            continue
        if rule.get("values") == []:
            yield Mistake((*path, "values"), "a rule needs at least one value that rejects")
        enum = strings(mapping(fields[name]).get("enum"))
        for position, value in enumerate(values):
            if enum and value not in enum:
                text = f"{value!r} is not one of the values of {name!r}; {did_you_mean(value, enum)}"
                yield Mistake((*path, "values", position), text)


def _check_pattern(pattern: object, path: Path) -> Iterator[Mistake]:
    if not isinstance(pattern, str):
        return
    try:
        re.compile(pattern)
    except re.error as error:
        yield Mistake(path, f"the regular expression {pattern!r} is wrong: {error}; put it in single quotes")

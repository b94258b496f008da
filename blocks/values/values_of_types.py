"""The values that a document type gives for its fields: defaults, and the values that reject a document."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from blocks.document_types.parts import TYPE_FILE, Problem, read_yaml
from blocks.document_types.schema import DocumentField, DocumentType
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import typed_value
from blocks.yaml.lines import Path as YamlPath


def value_problems(folder: Path, document_type: DocumentType) -> Iterator[Problem]:
    """Every default and every rejecting value that its field cannot have, with its line in type.yaml."""
    fields = document_type.fields
    values: list[tuple[YamlPath, DocumentField, JsonValue]] = [
        (("fields", name, "default"), field, field.default) for name, field in fields.items()
    ]
    for index, rule in enumerate(document_type.reject_when):
        field = fields[rule.field]
        values.extend((("reject_when", index, "values", at), field, value) for at, value in enumerate(rule.values))
    for path, field, value in values:
        try:
            typed_value(field, value, document_type.languages)
        except InvalidValue as error:
            yaml, _ = read_yaml(folder / TYPE_FILE, [])
            line = yaml.line(path) if yaml else 1
            yield Problem(folder / TYPE_FILE, line, f"{error}; write a value that the field can have")

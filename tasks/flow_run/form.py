"""Parameters of flows as fields of the form in the Prefect UI: what is known is offered, and nothing else accepted.

The form is made when a flow is deployed. Prefect's server refuses a run whose parameters do not fit it.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from blocks.backfill.selection import Selection
from blocks.document_types.loader import load_document_types
from blocks.errors import DocumentTypeInvalid
from blocks.settings import load_settings


def _known_types() -> JsonSchemaValue:
    """The document types of the machine that deploys. With a mistake in one of them, any name is accepted."""
    try:
        return {"enum": list(load_document_types(load_settings().document_types_dir))}
    except DocumentTypeInvalid:
        return {}


class _KnownTypes:
    """Offers the document types."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | _known_types()


class _OfKnownTypes:
    """Offers the document types for the type of a selection."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        field = handler.resolve_ref_schema(made)["properties"]["document_type"]
        field["anyOf"] = [{"type": "string"} | _known_types(), {"type": "null"}]
        return made


DocumentTypeName = Annotated[str, _KnownTypes()]
"""The name of a document type: a choice in the form. Deploy again after a type was added."""

Documents = Annotated[Selection, _OfKnownTypes()]
"""Known documents: their type is a choice in the form."""

BudgetUsd = Annotated[Decimal, Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})]
"""An amount in USD: a single number in the form, where a Decimal's own schema asks for a number or a text."""

AcceptError = Annotated[
    Decimal, Field(gt=0, lt=1), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})
]
"""A share of rows, above 0 and below 1."""

Limit = Annotated[int, Field(ge=1)]
"""At most this many."""

ChunkSize = Annotated[int, Field(ge=1, le=10_000)]
"""Documents per task run."""

Workers = Literal["pool"] | Annotated[int, Field(ge=1, le=64)]
"""How many further workers are to join a run: so many, or as many as the pool has online."""

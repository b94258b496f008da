"""What `winnow types check` checks with the help of the gateway and the database: models of routes, worked examples."""

import json
from collections.abc import Iterator
from pathlib import Path

from blocks.document_types.examples import example_places
from blocks.document_types.parts import TYPE_FILE, Problem, read_yaml
from blocks.document_types.schema import DocumentType
from blocks.errors import WinnowError
from blocks.gateway.errors import WrongSchema
from blocks.gateway.model import ModelRequest
from blocks.gateway.registry.errors import ModelUnknown
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.replies.json_text import read_object
from blocks.gateway.replies.schema_fit import fit
from blocks.records import Page
from blocks.settings import load_settings
from deployments.cli.model_registry import current_models, has_database
from deployments.cli.output import note


def known_models() -> RegistryState | None:
    """The registry; None if there is no database yet, or if it cannot be read, with a note that says why."""
    if not has_database(load_settings()):
        return None
    try:
        return current_models(None)[0]
    except WinnowError as error:
        note(f"the models of routes are not checked: {error}")
        return None


def route_problems(folder: Path, document_type: DocumentType, registry: RegistryState | None) -> Iterator[Problem]:
    """The steps of a type's route that name a model that the registry does not have."""
    if registry is None:
        return
    yaml, _ = read_yaml(folder / TYPE_FILE, [])
    for at, step in enumerate(document_type.route):
        if step.model is not None and step.model not in registry.names:
            line = yaml.line(("route", at)) if yaml is not None else 1
            unknown = ModelUnknown(step.model, registry.names, offered=registry.offered)
            yield Problem(folder / TYPE_FILE, line, str(unknown))


def worked_problems(folder: Path, document_type: DocumentType) -> Iterator[Problem]:
    """Worked examples whose reply a model may not give: of another form, or with a quote that is not in the text."""
    for example, place in zip(document_type.examples, example_places(folder), strict=True):
        if example.reply is None:
            continue
        request = ModelRequest(
            document_id="example",
            document_type=document_type,
            pages=(Page(number=1, method="parsed", text=example.text),),
        )
        try:
            read = read_object("it", json.dumps(example.reply), is_complete=True)
            fitted = fit("it", request, read.body if read is not None else {})
        except WrongSchema as error:
            yield Problem(
                *place, f"the reply of this example is not one that a model may give: {error.problem}; correct it"
            )
            continue
        quotes = [evidence.quote for reading in fitted.fields.values() for evidence in reading.evidence]
        text = " ".join(example.text.split())
        for quote in quotes:
            if " ".join(quote.split()) not in text:
                yield Problem(
                    *place, f"the reply of this example quotes {quote[:40]!r}, which its text does not have; correct it"
                )

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
from blocks.records import LOCAL, Page
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


def memory_sentences(document_type: DocumentType) -> Iterator[str]:
    """How documents of the type are read by decided ones, in words."""
    rules = document_type.memory
    if rules is None:
        return
    yield "memory: the built-in reader reads by decided documents" + (
        "; half of the labels teach, the other half prove" if rules.split == "strict" else ""
    )
    if why := _why_none_shown(document_type):
        yield f"examples: models are shown no decided document: {why}"
    elif rules.examples:
        yield f"examples: models are shown up to {rules.examples} decided documents with each document"


def memory_notes(folder: Path, document_type: DocumentType) -> Iterator[str]:
    """Where a type.yaml asks for examples that no model is shown."""
    if why := _why_none_shown(document_type):
        yaml, _ = read_yaml(folder / TYPE_FILE, [])
        line = yaml.line(("memory", "examples")) if yaml is not None else 1
        yield f"{folder / TYPE_FILE}:{line}: note: models are shown no decided document: {why}"


def _why_none_shown(document_type: DocumentType) -> str:
    """Why models are shown no decided document although the type asks for some; empty where they are."""
    rules = document_type.memory
    if rules is None or not rules.examples:
        return ""
    if not document_type.examples_shown:
        return (
            "the type is sensitive; where models may see other documents of it, write share_sensitive: true in memory"
        )
    if all(step.model == LOCAL for step in document_type.route):
        return "no step of the type's route asks a model"
    return ""

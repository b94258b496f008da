"""`winnow types`: the document types, and what is wrong with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.output import OutputFormat, note, say, show_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks.document_types.parts import Problem
    from blocks.document_types.schema import DocumentType

app = new_group(COMMANDS["types"].help)


@app.command("list")
def list_types() -> None:
    """List the document types with their fields."""
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings

    types = load_document_types(load_settings().document_types_dir)
    rows = [
        {"name": t.name, "title": t.title, "languages": list(t.languages), "fields_read": list(t.fields)}
        for t in types.values()
    ]
    show_rows(rows, ("name", "title", "languages", "fields_read"), OutputFormat.TABLE, "no document types")


@app.command()
def show(name: Annotated[str, typer.Argument(help="a document type")]) -> None:
    """Show one document type: fields, review bands, route, version."""
    from blocks.document_types.loader import load_document_types
    from blocks.errors import DocumentTypeUnknown
    from blocks.settings import load_settings
    from deployments.cli.type_checks import memory_sentences

    types = load_document_types(load_settings().document_types_dir)
    if name not in types:
        raise DocumentTypeUnknown(name, tuple(sorted(types)))
    document_type = types[name]
    say(f"{document_type.title} ({name}, version {document_type.version[:12]})", style="bold")
    say(document_type.description.strip())
    rows = [
        {
            "field": field_name,
            "type": field.type.value,
            "required": "yes" if field.required else "",
            "aliases": list(field.aliases[:6]) or list(field.enum[:6]) or list(field.columns),
        }
        for field_name, field in document_type.fields.items()
    ]
    show_rows(rows, ("field", "type", "required", "aliases"), OutputFormat.TABLE, "no fields")
    if document_type.rubric:
        criteria = [
            {"criterion": c.name, "weight": c.weight, "asks": c.description} for c in document_type.rubric.criteria
        ]
        show_rows(criteria, ("criterion", "weight", "asks"), OutputFormat.TABLE, "")
    review = document_type.review
    sensitive = " (0.95, because the type is sensitive)" if document_type.sensitive else ""
    say(f"accepted from confidence {review.accept_at:g} on{sensitive}")
    if review.accept is not None:
        from tasks.promise.words import aim_words

        before = "wait for a person" if review.accept.unproven == "review" else "are accepted by that confidence"
        say(f"  promised: {aim_words(review.accept)}; labels prove from which confidence on")
        say(f"  until they do, sure rows {before}; winnow trust --type {document_type.name} shows what is proven")
    if review.audit:
        say(f"  audit: a random {review.audit:.3g} of its documents")
    for band in review.bands:
        say(f"  reviewed below {band.below:g}: priority {band.priority}, due in {band.due_minutes} minutes")
    say("route: " + " → ".join(step.model or f"{step.tier} tier" for step in document_type.route))
    for sentence in memory_sentences(document_type):
        say(sentence)


@app.command()
def check(
    path: Annotated[Path | None, typer.Argument(help="a type's folder or a folder of types; by default all")] = None,
) -> None:
    """Name every mistake in document types, with file and line. Exit code 1 where there is one.

    Whether the registry has the models of a route is checked too, if the database can be reached.
    """
    from blocks.document_types.loader import SET_FOLDER
    from blocks.document_types.loader import check as check_types
    from blocks.settings import load_settings
    from blocks.values.values_of_types import value_problems
    from deployments.cli.type_checks import known_models, memory_notes, route_problems, worked_problems

    folder = path or load_settings().document_types_dir
    known = known_models()

    notes: list[str] = []

    def more_problems(folder: Path, document_type: "DocumentType") -> "Iterator[Problem]":
        yield from value_problems(folder, document_type)
        yield from route_problems(folder, document_type, known)
        yield from worked_problems(folder, document_type)
        notes.extend(memory_notes(folder, document_type))

    problems = check_types(folder, more_problems, remedy=SET_FOLDER if path is None else "correct the path")
    for line in (*map(str, problems), *notes):
        note(line)
    if problems:
        raise typer.Exit(1)
    say(f"{folder}: no mistakes")

"""`winnow learn`: what was learnt from people's decisions, and whether runs read by it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import DatabaseOption, TypeOption, open_existing, open_to_change
from deployments.cli.output import OutputFormat, say, show_rows
from deployments.cli.progress_bars import count_progress
from deployments.cli.review_options import ByOption, JsonOption, person_of
from deployments.cli.words import counted, moment

if TYPE_CHECKING:
    from blocks.database.learning.learned import Learned

COLUMNS = ("no", "document_type", "part", "labels", "measured", "changed fields", "state", "made_at")
NONE_YET = "nothing was learnt yet; runs learn from people's decisions by themselves, and winnow learn run does it now"

app = new_group(COMMANDS["learn"].help)


@app.callback()
def _group() -> None:
    """What was learnt from decisions: how it was measured, rollback."""


@app.command()
def status(document_type: TypeOption = None, as_json: JsonOption = False, database: DatabaseOption = None) -> None:
    """List what was learnt, the newest first, and whether runs use it.

    Runs use the newest row of each document type and part whose state is used. refused: on documents that it had not
    seen, a memory read a field worse, beyond chance, or a calibration improved no field. rolled_back: a person took it
    back. A memory's fields say how many documents are read right, before and with it; a calibration's say how it was
    fitted, on how many labels, and the log loss before and with it. Examples are the decided documents that models are
    shown; no gate measures them, since that would cost money.
    """
    from blocks.database.learning.learned import history

    found = history(open_existing(database), document_type)
    if as_json:
        print(json.dumps([_as_json(row) for row in found], ensure_ascii=False))
        return
    show_rows([_row(row) for row in found], COLUMNS, OutputFormat.TABLE, NONE_YET)


@app.command()
def run(document_type: TypeOption = None, as_json: JsonOption = False, database: DatabaseOption = None) -> None:
    """Learn what people decided since the last time, and measure it.

    Every decided document is remembered: where its values stood, and its issuer's name as people write it; its text
    teaches the classifiers. Up to 200 of them are read with what the others teach, and without. Where a field becomes
    worse beyond chance, runs go on with what was learnt before. Confidences are calibrated where the type asks for it.
    Types that promise an error are looked at too: what labels prove of them, and whether audits speak against it.
    It asks no model and costs nothing.
    """
    from tasks.classify.judge import judge_types
    from tasks.learn.learn import learn, sentence
    from tasks.promise.prove import prove_promises
    from tasks.reading_run import reading_run
    from tasks.runs.prepare import load_types
    from tasks.runs.run import asked_promises

    types, opened = load_types(document_type), open_to_change(database)
    with count_progress("documents", None) as count:
        found = learn(opened, types, judge_types, lambda _what, documents: count(documents), only=document_type)
    names = {name for name, known in types.items() if known.review.accept and document_type in {None, name}}
    asked = [each for each in asked_promises(reading_run()) if each.document_type.name in names] if names else []
    promised = prove_promises(opened, asked)
    if as_json:
        print(json.dumps([came.model_dump(mode="json") for came in (*found, *promised)], ensure_ascii=False))
        return
    for came in found:
        say(sentence(came))
    for looked in promised:
        say(f"{looked.document_type}: {looked.why}")


@app.command()
def rollback(
    number: Annotated[int, typer.Argument(metavar="NO", help="what to use no longer; winnow learn status shows it")],
    by: ByOption = None,
    database: DatabaseOption = None,
) -> None:
    """Use what was learnt under a number no longer; runs go on with what was learnt before it.

    Labels stay. What is learnt next is made of all labels again: forget wrong ones first (winnow labels forget).
    """
    from blocks.database.learning import learned
    from blocks.database.learning.learned import LearnedState, Part

    opened = open_to_change(database)
    with opened.write() as connection:
        (taken, *_) = (*learned.by_ids(opened, [number]).values(), None)
        if taken is None:
            raise UsageError(f"nothing was learnt under {number}; winnow learn status lists what was")
        if taken.state is not LearnedState.USED:
            raise UsageError(f"{number} is {taken.state} already")
        learned.set_state(connection, number, LearnedState.ROLLED_BACK, person_of(opened, by).name)
    before = learned.in_use(opened).get((taken.document_type, taken.part))
    without = {
        Part.MEMORY: "runs read by the document type alone",
        Part.CALIBRATION: "confidences stay as they come",
        Part.EXAMPLES: "models are shown no decided document",
        Part.PROMISE: "nothing is proven, until there are a quarter more labels",
    }
    now = without[taken.part] if before is None else f"runs use {before.learned_id}"
    say(f"{number} is used no longer; for {taken.document_type}, {now}")


def _row(found: "Learned") -> dict[str, object]:
    measured, changes = _measured(found)
    return {
        "no": found.learned_id,
        "document_type": found.document_type,
        "part": str(found.part),
        "labels": found.labels,
        "measured": measured,
        "changed fields": ", ".join(changes),
        "state": str(found.state) if found.changed_by is None else f"{found.state} by {found.changed_by}",
        "made_at": moment(found.made_at),
    }


def _measured(found: "Learned") -> "tuple[str, list[str]]":
    """On what it was measured, and what changed."""
    from blocks.database.learning.learned import Part
    from blocks.learning.promised import Promise
    from tasks.learn.calibration import CalibrationGate
    from tasks.learn.gate import Gate
    from tasks.promise.words import threshold_words

    if found.part is Part.PROMISE:
        promise = Promise.model_validate_json(found.content)
        return f"look {promise.look}", [threshold_words(promise)]
    if found.part is Part.EXAMPLES:
        return "not measured", []
    if found.part is Part.CALIBRATION:
        losses = CalibrationGate.model_validate(found.gate)
        changes = [
            f"{name} {field.method} by {field.labels}, {field.loss_before:.3f} to {field.loss_after:.3f}"
            for name, field in losses.changes.items()
        ]
        return counted(losses.documents, "document"), changes or ["none is better than what is in use"]
    gate = Gate.model_validate(found.gate)
    changes = [f"{name} {field.right_before} to {field.right_after}" for name, field in gate.changes.items()]
    return counted(gate.documents, "document"), changes


def _as_json(found: "Learned") -> dict[str, object]:
    return found.model_dump(mode="json", exclude={"content"})

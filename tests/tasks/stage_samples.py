"""The outputs of every stage for a few committed samples, kept in `stage_outputs.json` beside their fingerprints.

Run as `python -m tests.tasks.stage_samples` this writes the file anew. It refuses where an output changed under a
fingerprint that did not: then a stage's version must be raised first.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from blocks.database.engine import close_database, open_database
from blocks.document_types.loader import load_document_types
from blocks.gateway.registry.registry import RegistryState
from blocks.records import OUTPUT_STAGES, Classification, Document, Stage
from blocks.settings import PROJECT_DIR, Settings
from tasks.discover.discover import discover
from tasks.runs.chunk import RunContext, StageWork
from tasks.runs.models import hold_gateway
from tasks.runs.prepare import PreparedRun
from tasks.runs.run import Run
from tasks.stages import PIPELINE

SAMPLES = PROJECT_DIR / "data" / "samples"
NAMES = (
    "invoice/azure_en.pdf",
    "invoice/kunst_de.pdf",
    "mixed/hidden_text.pdf",
    "mixed/letter.docx",
    "receipt/X51005447861.txt",
    "receipt/hardware.txt",
)
TYPES = ("invoice", "receipt")
GOLDEN = Path(__file__).with_name("stage_outputs.json")

Outputs = Mapping[str, Mapping[str, tuple[str, str]]]
"""The fingerprint and the digest of an output, by sample and stage."""


def outputs_of_samples() -> dict[str, dict[str, tuple[str, str]]]:
    """What the stages make of the samples today. No language of OCR is set, so the machine's packs do not matter."""
    settings = Settings(ocr_languages=(), document_types_dir=PROJECT_DIR / "data" / "document_types")
    types = load_document_types(settings.document_types_dir)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/winnow.db")
        prepared = PreparedRun(settings, {name: types[name] for name in TYPES}, database, RegistryState(), ())
        with hold_gateway(database):
            works = Run(prepared, RunContext(run_id="samples"), PIPELINE).works
            documents = {name: _found(name, settings) for name in NAMES}
            outputs: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in NAMES}
            for stage in OUTPUT_STAGES:
                documents = _through(works[stage], documents, outputs)
        close_database(database)
    return outputs


def _found(name: str, settings: Settings) -> Document:
    found = next(discover((str(SAMPLES / name),), settings))
    return Document(found.document_id, found.uri, found.media_type, found.size_bytes)


def _through(
    work: StageWork, documents: Mapping[str, Document], outputs: dict[str, dict[str, tuple[str, str]]]
) -> dict[str, Document]:
    """Take the documents through a stage, and keep what it made of each."""
    outcomes = {outcome.document_id: outcome for outcome in work.work(tuple(documents.values()))}
    after: dict[str, Document] = {}
    for name, document in documents.items():
        outcome = outcomes[document.document_id]
        if outcome.payload is None or outcome.digest is None:
            raise AssertionError(f"{work.stage} failed on {name}: {outcome.failure}")
        outputs[name][work.stage.value] = (work.fingerprint(document)[:16], outcome.digest[:16])
        known = document.document_type
        if work.stage is Stage.CLASSIFY:
            known = Classification.model_validate_json(outcome.payload).document_type
        after[name] = replace(
            document,
            document_type=known,
            inputs={**document.inputs, work.stage: outcome.payload},
            digests={**document.digests, work.stage: outcome.digest},
        )
    return after


def kept_outputs() -> Outputs:
    """What the file says."""
    kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    return {name: {stage: (pair[0], pair[1]) for stage, pair in stages.items()} for name, stages in kept.items()}


def changed_without_a_version(kept: Outputs, now: Outputs) -> list[str]:
    """The outputs that changed under an equal fingerprint, each with what to do."""
    return [
        f"{name}: {stage} gives another output under the same fingerprint; raise the version in tasks/{stage}/stage.py"
        for name, stages in now.items()
        for stage, (fingerprint, digest) in stages.items()
        if (before := kept.get(name, {}).get(stage)) and before[0] == fingerprint and before[1] != digest
    ]


def main() -> None:
    """Write the file anew."""
    now = outputs_of_samples()
    if changed := changed_without_a_version(kept_outputs(), now):
        sys.exit("\n".join(changed))
    GOLDEN.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

"""How a stage's documents and outcomes travel to and from the processes that compute it: a line of JSON, then bytes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blocks.isolation import wire
from blocks.records import Document, Failure, Outcome, Stage

CARRIED = ("document_id", "uri", "media_type", "size_bytes", "given_type", "is_type_decided", "document_type")
"""The fields of a document that stages read beside its inputs and the failures of provisional ones."""


def pack_documents(documents: Sequence[Document]) -> bytes:
    """The documents with their inputs, and with what was recalled for them."""
    header = [
        {name: getattr(document, name) for name in CARRIED}
        | {
            "provisional": dict(document.provisional),
            "inputs": {stage: len(payload) for stage, payload in document.inputs.items()},
            "remembered": len(document.remembered),
        }
        for document in documents
    ]
    parts = (part for document in documents for part in (*document.inputs.values(), document.remembered))
    return _packed(header, parts)


def unpack_documents(content: bytes) -> list[Document]:
    """The documents that `pack_documents` packed, in their order."""
    header, at = _header(content)
    documents = []
    for entry in header:
        inputs = {}
        for stage, size in entry.pop("inputs").items():
            inputs[Stage(stage)] = content[at : at + size]
            at += size
        entry |= {"provisional": _by_stage(entry["provisional"]), "inputs": inputs}
        entry["remembered"] = content[at : at + entry["remembered"]]
        at += len(entry["remembered"])
        documents.append(Document(**entry))
    return documents


def pack_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """The outcomes; of a defect its message and its stack."""
    header = [
        {
            "document_id": outcome.document_id,
            "size": None if outcome.payload is None else len(outcome.payload),
            "failure": None if outcome.failure is None else outcome.failure.model_dump(mode="json"),
            "duration_ms": outcome.duration_ms,
            "engine": outcome.engine,
            "defect": None if outcome.defect is None else wire.pack_defect(outcome.defect).decode(),
        }
        for outcome in outcomes
    ]
    return _packed(header, (outcome.payload or b"" for outcome in outcomes))


def unpack_outcomes(content: bytes) -> list[Outcome]:
    """The outcomes that `pack_outcomes` packed. A defect is a `StageCrashed`."""
    header, at = _header(content)
    outcomes = []
    for entry in header:
        size = entry["size"]
        payload = None if size is None else content[at : at + size]
        at += size or 0
        outcomes.append(
            Outcome(
                entry["document_id"],
                payload,
                None if entry["failure"] is None else Failure.model_validate(entry["failure"]),
                entry["duration_ms"],
                None if entry["defect"] is None else wire.unpack_defect(entry["defect"].encode()),
                entry["engine"],
            )
        )
    return outcomes


def _packed(header: object, payloads: Iterable[bytes]) -> bytes:
    return b"".join((json.dumps(header).encode(), b"\n", *payloads))


def _header(content: bytes) -> tuple[list[dict[str, Any]], int]:
    end = content.index(b"\n")
    return json.loads(content[:end]), end + 1


def _by_stage(names: Mapping[str, str]) -> dict[Stage, str]:
    return {Stage(name): kind for name, kind in names.items()}

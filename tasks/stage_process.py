"""What stage processes run: document types and fields, computed by the stages themselves.

A fork server imports this module, and everything that the stages load lazily is loaded before the first fork: it is
then in memory once for all processes. No model is asked here, and no database is read.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from blocks.document_types.loader import load_document_types
from blocks.errors import ProcessUnavailable
from blocks.files import media_types
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.calls import AnsweringGateway
from blocks.records import Document, Extraction, Page, Stage
from blocks.text_classifier import kept
from tasks.classify.judge import ordinary_texts
from tasks.classify.stage import ClassifyStage
from tasks.runs.chunk import StageWork
from tasks.runs.stage_wire import pack_outcomes, unpack_documents
from tasks.score.stage import ScoreStage

_works: dict[Stage, StageWork] = {}


class _BuiltInReaderAlone:
    """The models of a process that asks none."""

    def registry(self) -> RegistryState:
        """No model."""
        return RegistryState()

    def gateway(self) -> AnsweringGateway:
        """Nothing may be asked."""
        raise RuntimeError("a stage process asks no model")


def warm_up(types_folder: str, versions: Mapping[str, str], classifiers_folder: str) -> None:
    """Open the stages, and load or train their classifiers. Raises `ProcessUnavailable` if the types have changed."""
    kept.use_folder(Path(classifiers_folder))
    types = load_document_types(Path(types_folder))
    if {name: known.version for name, known in types.items()} != versions:
        raise ProcessUnavailable("the document types have changed since the run began")
    _works.update({Stage.CLASSIFY: ClassifyStage(types), Stage.SCORE: ScoreStage(types, _BuiltInReaderAlone(), "")})
    list(_works[Stage.CLASSIFY].work([_typical(None)]))
    for name in types:
        list(_works[Stage.SCORE].work([_typical(name)]))


def _typical(document_type: str | None) -> Document:
    """A document whose text neither a signal nor a printed value decides, so that every classifier is asked."""
    page = Page(number=1, method="parsed", text=ordinary_texts()[0])
    extraction = Extraction(media_type=media_types.TEXT, pages=(page,), engine="", language="")
    inputs = {Stage.EXTRACT: extraction.model_dump_json().encode()}
    return Document("", "", media_types.TEXT, 0, document_type=document_type, inputs=inputs)


def classify(content: bytes, _arguments: dict[str, JsonValue]) -> bytes:
    """The outcomes of packed documents at classify, packed."""
    return _worked(Stage.CLASSIFY, content)


def score(content: bytes, _arguments: dict[str, JsonValue]) -> bytes:
    """The outcomes of packed documents at score, packed: those of the built-in reader."""
    return _worked(Stage.SCORE, content)


def _worked(stage: Stage, content: bytes) -> bytes:
    return pack_outcomes(list(_works[stage].work(unpack_documents(content))))

"""A type with slips, and runs over them by a pipeline without Prefect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.payloads import unpack
from blocks.database.tables import results, sources, stage_outputs
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.gateway.registry.registry import RegistryState
from blocks.records import Batch, Stage, Validation
from blocks.settings import Settings
from tasks.backfill.plain import without_prefect
from tasks.discover.batch import record_sources
from tasks.runs.chunk import RunContext
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import open_run
from tasks.stages import PIPELINE
from tests.label_rows import add_label

TYPE = """title: Slip
description: What the kiosk hands out.
fields:
  sum:
    type: money
    required: true
    aliases: [total]
"""
SLIP = """Kiosk Anna Berg
Tel. 030 555 0199
VAT DE811907980
Slip {number}
Coffee 3.20
Cake 4.10
{label} {amount}
Paid in notes 50.00
"""


@dataclass
class Desk:
    """A database, a type with slips, and runs over them."""

    database: Database
    folder: Path
    types_folder: Path
    runs: int = 0

    @property
    def types(self) -> Mapping[str, DocumentType]:
        return load_document_types(self.types_folder)

    def write_type(self, more: str = "memory: {refresh: new}\n") -> None:
        (self.types_folder / "slip").mkdir(parents=True, exist_ok=True)
        (self.types_folder / "slip" / "type.yaml").write_text(TYPE + more)

    def hand_out(self, number: int, amount: str, label: str = "Obolus") -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{number}.txt").write_text(SLIP.format(number=number, label=label, amount=amount))

    def run(self, given: str | None = "slip", **asked: Any) -> str:
        self.runs += 1
        settings = Settings(document_types_dir=self.types_folder, ocr_languages=())
        prepared = PreparedRun(settings, self.types, self.database, RegistryState(), ())
        batch = Batch(sources=(str(self.folder),), document_type=given)
        context = RunContext(run_id=f"run-{self.runs}", **asked)
        with handed_over(prepared), open_run(context, batch, without_prefect(PIPELINE)) as run:
            record_sources(run, batch)
            process_chunks(run)
        return context.run_id

    def id_of(self, number: int) -> str:
        query = select(sources.c.document_id).where(sources.c.uri.like(f"%/{number}.txt"))
        with self.database.read() as connection:
            return str(connection.execute(query).scalar_one())

    def sum_of(self, number: int) -> Any:
        return self.row_of(number)["fields"]["sum"]

    def row_of(self, number: int) -> Mapping[str, Any]:
        """The document's current result."""
        query = select(results).where(results.c.document_id == self.id_of(number), results.c.is_current)
        with self.database.read() as connection:
            return dict(connection.execute(query).mappings().one())

    def validation_of(self, number: int) -> Validation:
        """What validate says of the document."""
        return Validation.model_validate_json(self.payload_of(number))

    def payload_of(self, number: int) -> bytes:
        """The same as the database has it, unpacked."""
        return unpack(self._validated(number)["payload"])

    def validated_under(self, number: int) -> str:
        """The fingerprint of what validate says of the document."""
        return str(self._validated(number)["fingerprint"])

    def _validated(self, number: int) -> Mapping[str, Any]:
        own = stage_outputs.c
        query = select(stage_outputs).where(
            own.document_id == self.id_of(number), own.stage == Stage.VALIDATE, own.is_current
        )
        with self.database.read() as connection:
            return dict(connection.execute(query).mappings().one())

    def scored_in(self, number: int) -> list[str]:
        """The runs that scored the document."""
        of_score = (stage_outputs.c.document_id == self.id_of(number), stage_outputs.c.stage == Stage.SCORE)
        with self.database.read() as connection:
            return sorted(connection.execute(select(stage_outputs.c.run_id).where(*of_score)).scalars())

    def label(self, number: int, amount: str, drawn_with: float | None = None) -> None:
        add_label(self.database, self.id_of(number), self.types["slip"], "sum", amount, drawn_with)

"""A document's last scoring by a language model. It is used while no model answers."""

import json
from collections.abc import Sequence

from sqlalchemy import bindparam, exists, or_, select

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.payloads import unpack
from blocks.database.pipeline.chunk_state import DONE
from blocks.database.tables import stage_outputs
from blocks.records import LOCAL, NO_MODEL, Stage


class DatabaseLastScorings:
    """Searches the score stage's outputs under all fingerprints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, document_ids: Sequence[str]) -> dict[str, bytes]:
        """By document the newest scoring, as JSON, that is not provisional, was validated, and names a language
        model."""
        return _load(self._database, document_ids)


@survives_outages
def _load(database: Database, document_ids: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with database.read() as connection:
        for document_id, packed in connection.execute(_NEWEST_FIRST, {"ids": list(document_ids)}):
            if document_id not in found and _is_of_models(payload := unpack(packed)):
                found[document_id] = payload
    return found


def _is_of_models(payload: bytes) -> bool:
    models = str(json.loads(payload).get("model", ""))
    return any(model.partition("@")[0] not in (LOCAL, NO_MODEL) for model in models.split(" + ") if model)


_row = stage_outputs.c
_verdicts = stage_outputs.alias()
_was_validated = exists().where(
    _verdicts.c.document_id == _row.document_id,
    _verdicts.c.stage == bindparam("later", Stage.VALIDATE.value),
    _verdicts.c.state == DONE,
    or_(_verdicts.c.run_id == _row.run_id, _verdicts.c.updated_at > _row.updated_at),
)
_NEWEST_FIRST = (
    select(_row.document_id, _row.payload)
    .where(
        in_list(_row.document_id, "ids"),
        _row.stage == bindparam("stage", Stage.SCORE.value),
        _row.state == DONE,
        _row.payload.is_not(None),
        _was_validated,
    )
    .order_by(_row.document_id, _row.updated_at.desc(), _row.is_current.desc())
)

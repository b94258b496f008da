"""The ledger of model calls: one row per attempt at a model, written in groups."""

from collections.abc import Sequence

from pydantic import BaseModel
from sqlalchemy import insert

from blocks.database.engine import Database, now
from blocks.database.tables import model_calls, models


class DatabaseLedger:
    """Keeps model calls. A call is any record with the fields of the columns of `model_calls`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, run_id: str, calls: Sequence[BaseModel]) -> None:
        """Append the calls, and note each model version that is new."""
        if not calls:
            return
        called_at = now()
        rows = [call.model_dump() | {"run_id": run_id, "called_at": called_at} for call in calls]
        used = sorted({(row["model"], row["model_version"]) for row in rows})
        new_models = [{"model": model, "model_version": version, "first_used_at": called_at} for model, version in used]
        with self._database.write() as connection:
            connection.execute(self._database.insert(models).on_conflict_do_nothing(), new_models)
            connection.execute(insert(model_calls), rows)

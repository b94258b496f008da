"""The model registry's rows, the switch that pauses all spending, and their changes.

The gateway's records are not imported here: the caller passes a function that makes them from rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import delete, func, literal, select, update

from blocks.database.engine import Database, now
from blocks.database.tables import gateway_switches, models

PAUSE = "pause"

State = TypeVar("State")


class DatabaseRegistry(Generic[State]):
    """Keeps the registry. A model is any record with the fields of the columns of `models`, but for `updated_at`.

    `make_state` takes the rows in the order of position and name, and whether all spending is paused.
    """

    def __init__(self, database: Database, make_state: Callable[[Sequence[Mapping[str, Any]], bool], State]) -> None:
        self._database = database
        self._make_state = make_state

    def load(self) -> State:
        """The registry as it is now, by a single query."""
        with self._database.read() as connection:
            rows = connection.execute(_LOAD).mappings().all()
        is_paused = bool(rows[0]["is_paused"])
        return self._make_state(
            [{name: row[name] for name in _MODEL_COLUMNS} for row in rows if row["name"] is not None], is_paused
        )

    def put(self, model: BaseModel) -> None:
        """Add a model, or replace the one of its name. A new model comes last among those of its position."""
        upsert = self._database.insert(models)
        anew = {column: upsert.excluded[column] for column in (*_MODEL_COLUMNS, "updated_at") if column != "name"}
        with self._database.write() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=[models.c.name], set_=anew), [_row(model)])

    def seed(self, seeded: Iterable[BaseModel]) -> int:
        """Add the models whose names are missing; existing ones stay as they are. Returns how many are new."""
        rows = [_row(model) for model in seeded]
        if not rows:
            return 0
        with self._database.write() as connection:
            known = set(connection.execute(select(models.c.name)).scalars())
            if new := [row for row in rows if row["name"] not in known]:
                connection.execute(self._database.insert(models).on_conflict_do_nothing(), new)
        return len(new)

    def set_values(self, name: str, values: Mapping[str, Any]) -> bool:
        """Change single columns of a model; False where there is no such model."""
        changed = update(models).where(models.c.name == name).values(**values, updated_at=now())
        with self._database.write() as connection:
            return connection.execute(changed).rowcount > 0

    def enable(self, name: str) -> bool:
        """Let a model be asked; False where there is no such model."""
        return self.set_values(name, {"is_enabled": True, "was_enabled": True})

    def disable(self, name: str) -> bool:
        """Let a model not be asked; False where there is no such model."""
        return self.set_values(name, {"is_enabled": False})

    def remove(self, name: str) -> None:
        """Take a model out of the registry. Its calls and replies keep its name."""
        with self._database.write() as connection:
            connection.execute(delete(models).where(models.c.name == name))

    def pause(self, by: str | None = None) -> None:
        """Stop all spending."""
        self._switch(is_on=True, by=by)

    def resume(self, by: str | None = None) -> None:
        """Allow spending again."""
        self._switch(is_on=False, by=by)

    def remember_json_mode(self, name: str, mode: str) -> None:
        """Keep the JSON mode that a model's server takes."""
        self.set_values(name, {"json_mode": str(mode)})

    def _switch(self, *, is_on: bool, by: str | None) -> None:
        row = {"switch": PAUSE, "is_on": is_on, "changed_by": by, "changed_at": now()}
        upsert = self._database.insert(gateway_switches)
        anew = {column: upsert.excluded[column] for column in ("is_on", "changed_by", "changed_at")}
        with self._database.write() as connection:
            connection.execute(
                upsert.on_conflict_do_update(index_elements=[gateway_switches.c.switch], set_=anew), [row]
            )


def _row(model: BaseModel) -> dict[str, Any]:
    values = model.model_dump()
    return {column: values[column] for column in _MODEL_COLUMNS} | {
        "json_mode": str(values["json_mode"]),
        "updated_at": now(),
    }


_MODEL_COLUMNS = tuple(column.name for column in models.columns if column.name != "updated_at")

_always = select(literal(1).label("always")).subquery()
_LOAD = (
    select(func.coalesce(gateway_switches.c.is_on, literal(False)).label("is_paused"), *models.columns)
    .select_from(
        _always.outerjoin(gateway_switches, gateway_switches.c.switch == PAUSE).outerjoin(
            models, literal(1) == _always.c.always
        )
    )
    .order_by(models.c.position, models.c.name)
)
"""At least a single row, even without models: it says whether spending is paused."""

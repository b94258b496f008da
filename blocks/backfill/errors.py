"""Why a backfill cannot begin or go on."""

from collections.abc import Sequence
from datetime import datetime

from blocks.errors import RunError, UsageError


class GroundMoved(RunError):
    """What a plan stands on is not as it was when the plan was made."""

    kind = "ground_moved"

    def __init__(self, moved: Sequence[str], planned_at: datetime) -> None:
        super().__init__(
            f"the ground has moved since the plan was made at {planned_at:%Y-%m-%d %H:%M} UTC: {', '.join(moved)}; "
            "make a new plan with winnow backfill plan"
        )


class WorkerDiffers(RunError):
    """A worker is to work a shard of a backfill whose outputs it would compute differently."""

    kind = "worker_differs"

    def __init__(self, host: str, backfill_id: str, differing: Sequence[str]) -> None:
        super().__init__(
            f"the worker on {host} would compute other outputs than backfill {backfill_id[:12]} does: on that worker, "
            f"not as planned: {', '.join(differing)}; bring its checkout, settings and models to those of the plan"
        )


class PlanInvalid(UsageError):
    """A file is no plan that this Winnow can run."""

    kind = "plan_invalid"

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file} is no plan: {why}; make one with winnow backfill plan --save FILE")


class BackfillUnknown(UsageError):
    """No backfill has such an id, or several have."""

    kind = "backfill_unknown"

    def __init__(self, letters: str, known: Sequence[str]) -> None:
        newest = ", ".join(id_[:12] for id_ in known)
        super().__init__(
            f"there is not exactly one backfill {letters!r}; the newest are {newest}"
            if known
            else "no backfill was run on this database; winnow backfill plan begins one"
        )


class WrongState(UsageError):
    """A backfill is in a state in which this cannot be done."""

    kind = "wrong_state"

    def __init__(self, backfill_id: str, state: str, remedy: str) -> None:
        super().__init__(f"backfill {backfill_id[:12]} is {state}; {remedy}")


class BackfillStopped(RunError):
    """Shards of a backfill have not ended well."""

    kind = "backfill_stopped"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; the same winnow backfill run goes on where it stopped")

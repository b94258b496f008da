"""Why a worker cannot join a run."""

from blocks.errors import RunError


class RunIsOver(RunError):
    """A run has ended before a worker could join it."""

    kind = "run_is_over"

    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(f"run {run_id} has ended as {state}: no chunk of it is left for this worker")


class RunNotFound(RunError):
    """A worker is to join a run that its database does not have."""

    kind = "run_not_found"

    def __init__(self, run_id: str, url: str) -> None:
        super().__init__(
            f"the database {url} has no run {run_id} that can be joined: give this worker the database of that run "
            "(WINNOW_DATABASE_URL, or the Prefect block winnow-database)"
        )


class OtherConfiguration(RunError):
    """A worker is to join a run whose outputs it would compute differently."""

    kind = "other_configuration"

    def __init__(self, run_id: str, differing: str) -> None:
        super().__init__(
            f"this worker would compute other outputs than run {run_id} does: {differing}; give it the same version of "
            "Winnow, the same document types and the same settings"
        )


class NotDeployed(RunError):
    """A run is to be shared, and Prefect has no deployment whose runs could join it."""

    kind = "not_deployed"

    def __init__(self, why: str) -> None:
        super().__init__(f"no further workers can join the run: {why}; deploy with prefect --no-prompt deploy --all")

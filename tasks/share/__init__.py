"""From a run to its further workers: runs of a deployment in Prefect, which join it."""

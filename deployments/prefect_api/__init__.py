"""Which Prefect API a run reports to, and the local server."""

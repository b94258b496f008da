"""Where documents arrive, as a block that people fill in the Prefect UI."""

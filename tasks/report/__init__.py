"""From the database's counts to the run's final state and its artifacts."""

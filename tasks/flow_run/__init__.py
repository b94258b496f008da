"""A flow run as Prefect shows it: its name, tags and database, its progress, its end in one line."""

"""From labels and what is in the database to how good readings are."""

"""What monitors watch, read from the database."""

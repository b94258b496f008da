"""What the database keeps, and for how long: search for a person, erasure, retention, sizes."""

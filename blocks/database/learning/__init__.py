"""The SQL of learning: labels, where they come from, and what was forgotten."""

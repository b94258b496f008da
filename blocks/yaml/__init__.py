"""YAML with line numbers, and messages about mistakes in it."""

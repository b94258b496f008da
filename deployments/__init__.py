"""The ways in: where, when and for whom flows run."""

"""A document's way along its type's route, and how each answer is judged on it."""

"""From pages and a type to fields with evidence and rubric scores, through the model gateway."""

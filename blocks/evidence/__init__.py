"""Where in a document a value stands, and how sure it is: quotes, grounding, confidence, findings."""

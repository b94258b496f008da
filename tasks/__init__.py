"""The stages, one folder each: task.py wraps plain modules that run without Prefect; chunk.py is what all share."""

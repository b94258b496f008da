"""The stages, one folder each: task.py wraps plain modules that run without Prefect. What all stages share stands in chunk.py."""

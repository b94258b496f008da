"""The stages, a folder each: task.py wraps plain modules that run without Prefect. runs/ has what all stages share."""

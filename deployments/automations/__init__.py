"""Prefect's automations as code: a YAML file each, applied by name."""

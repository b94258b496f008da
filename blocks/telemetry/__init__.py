"""What OpenTelemetry backends get: spans of runs, documents, stages and model calls, and metrics of model calls."""

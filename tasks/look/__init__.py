"""The Prefect task that looks at what labels prove of types that promise an error."""

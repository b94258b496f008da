"""Plain values of a YAML file as a check needs them; what is something else counts as empty, and is told elsewhere."""


def mapping(value: object) -> dict[str, object]:
    """A mapping."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    """A list."""
    return value if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """The texts of a list."""
    return [item for item in sequence(value) if isinstance(item, str)]


def number(value: object) -> float | None:
    """A number; None where it is none, or neither true nor false."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

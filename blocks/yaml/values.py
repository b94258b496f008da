"""Plain values of a YAML file, as checks need them. A value of another kind counts as empty: the schema reports it."""


def mapping(value: object) -> dict[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """The texts in a list."""
    return [item for item in sequence(value) if isinstance(item, str)]


def number(value: object) -> float | None:
    """The value if it is a number, else None; true and false are no numbers."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

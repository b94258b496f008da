"""Values of a provider's JSON by their type; a value of another type is treated as missing."""

from collections.abc import Mapping


def as_mapping(value: object) -> Mapping[str, object]:
    """`value` where it is a JSON object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """`value` where it is a JSON list, else an empty list."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """`value` where it is a string, else an empty string."""
    return value if isinstance(value, str) else ""

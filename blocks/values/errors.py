"""The error of a text that has no value of the wanted type."""


class InvalidValue(ValueError):
    """A text that is no value of the wanted type."""

    def __init__(self, raw: object, wanted: str) -> None:
        super().__init__(f"{str(raw)[:80]!r} is no {wanted}")

"""Why labels are refused. Every message says what to do next."""

from collections.abc import Sequence

from blocks.errors import UsageError


class LabelRefused(UsageError):
    """A row of a file is no label."""

    kind = "label_refused"


class LabelFileInvalid(UsageError):
    """A file of labels cannot be read."""

    kind = "label_file_invalid"

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file} is no file of labels: {why}")


class DrawInvalid(UsageError):
    """How the documents were picked cannot be understood."""

    kind = "draw_invalid"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} does not say how the documents were picked; write all, chosen, or random:P, where P is the "
            "probability with which each document was drawn, such as random:0.1 or random:10%"
        )


class LabelUnknown(UsageError):
    """There is no label of this id."""

    kind = "label_unknown"

    def __init__(self, label_id: str) -> None:
        super().__init__(f"there is no label {label_id}; winnow labels list shows the labels with their ids")


class ImportUnknown(UsageError):
    """No labels came with this import."""

    kind = "label_import_unknown"

    def __init__(self, import_id: int, known: Sequence[int]) -> None:
        there = f"those that have labels: {', '.join(map(str, known))}" if known else "no import has labels"
        super().__init__(f"no labels are of import {import_id}; {there}")

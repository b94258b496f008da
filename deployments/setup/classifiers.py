"""Trains the classifiers of the document types: ``python -m deployments.setup.classifiers``.

The first run then need not. They are kept in the user's cache folder. A run trains what it does not find there.
"""

import sys

from blocks.document_types.loader import load_document_types
from blocks.errors import WinnowError
from blocks.reader.enums import read_enum
from blocks.records import Page
from blocks.settings import load_settings
from tasks.classify.judge import TypeJudge, ordinary_texts


def main() -> None:
    """Train what is not kept yet. Document types with mistakes do not stop set-up: a run names them."""
    try:
        types = load_document_types(load_settings().document_types_dir)
    except WinnowError as error:
        print(f"classifiers are not trained: {error}", file=sys.stderr)
        return
    text = ordinary_texts()[0]  # no signal and no printed value decides it, so every classifier is asked
    TypeJudge(types).judge([text])
    for document_type in types.values():
        for name, field in document_type.fields.items():
            read_enum(name, field, document_type, (Page(number=1, method="parsed", text=text),))


if __name__ == "__main__":
    main()

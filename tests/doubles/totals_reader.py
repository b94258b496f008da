"""A reader to plug into the provider double: it knows totals, and leaves other documents to the double's script."""

import re

from tests.doubles.model_provider.wire import Asked


def read(asked: Asked) -> object:
    """The total that the document states, None without one."""
    found = re.search(r"Total due ([\d.,]+)", asked.document)
    return {"total": found.group(1)} if found else None

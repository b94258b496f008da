"""What a reading may use of documents that people have decided: plain records, without text of the documents.

A trace says where a field's right value stood in one decided document. Places are named by the words around them, and
only digests of those words are kept: two documents that print the same label have the same digest, and nobody reads the
label from it. `blocks/learning/traces.py` makes traces, `blocks/reader/remembered.py` reads by them.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from blocks.records import Record

Issuer = Literal["same", "other"]


class Trace(Record):
    """Where one field's right value stood.

    `right` and `wrong` count the signs of places (`blocks/reader/signs.py`): of those that held the value, and of those
    that held another value of its type. `value` is kept only where it is a constant that says something of the next
    document: the issuer's name as people write it, and the value of an enum field. `printed` is the name as the
    document prints it. `is_absent`: the document has no value for the field.
    """

    right: Mapping[str, int] = Field(default_factory=dict)
    wrong: Mapping[str, int] = Field(default_factory=dict)
    value: JsonValue = None
    printed: str = ""
    is_absent: bool = False


class Remembered(Record):
    """A decided document that is like the one being read, with the traces of its fields.

    `document_id` is empty where it is several documents. `likeness` is in [0, 1]. `is_same_issuer`: both documents come
    from the same business. `documents` is 1, or the number of decided documents whose traces were added up
    (`blocks/learning/traces.py`, `habits`).
    """

    document_id: str = ""
    likeness: float = Field(ge=0, le=1)
    is_same_issuer: bool = False
    documents: int = 1
    fields: Mapping[str, Trace] = Field(default_factory=dict)

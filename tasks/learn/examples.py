"""Which memory models are shown decided documents of. It is measured by no gate: each measurement would cost money."""

import hashlib
import json

from blocks.database.engine import Database
from blocks.database.learning import learned
from blocks.database.learning.learned import NewLearned, Part
from blocks.database.outages import survives_outages
from blocks.document_types.schema import DocumentType


@survives_outages
def learn_examples(database: Database, document_type: DocumentType) -> int | None:
    """Have later runs show models what is remembered now, whether or not the built-in reader may read by it.

    Returns the id; None where the type shows none, or as many of the same documents as the last time.
    """
    name = document_type.name
    if not document_type.examples_shown:
        return None
    with database.write() as connection:
        known = learned.remembered(connection, name)
        memory = learned.newest(connection, name, Part.MEMORY)
        before = learned.newest(connection, name, Part.EXAMPLES)
        digest = hashlib.sha256(
            "\n".join((str(document_type.examples_shown), *sorted(known.values()))).encode()
        ).hexdigest()
        if memory is None or not known or (before is not None and before.digest == digest):
            return None
        new = NewLearned(
            document_type=name,
            part=Part.EXAMPLES,
            content=json.dumps({"memory": memory.learned_id}).encode(),
            digest=digest,
            labels=memory.labels,
            gate={"documents": 0, "fields": {}},
            is_used=True,
        )
        return learned.add(connection, new)

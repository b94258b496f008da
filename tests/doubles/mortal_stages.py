"""What a stage process runs in tests: documents whose URI says how their process ends, or how long they take.

``kill``: the process is killed. ``wait PATH``: it takes until PATH exists.
"""

import os
import signal
import time
from pathlib import Path

from pydantic import JsonValue

from blocks.records import Outcome, Stage
from tasks.runs.stage_wire import pack_outcomes, unpack_documents
from tests.doubles.scripted_stages import USUAL


def warm_up(types_folder: str, versions: dict[str, str], classifiers_folder: str) -> None:
    """Nothing has to be loaded."""


def score(content: bytes, _arguments: dict[str, JsonValue]) -> bytes:
    outcomes = []
    for document in unpack_documents(content):
        what, _, path = document.uri.partition(" ")
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while what == "wait" and not Path(path).exists():
            time.sleep(0.01)
        payload = USUAL[Stage.SCORE].model_dump_json().encode()
        outcomes.append(Outcome(document.document_id, payload))
    return pack_outcomes(outcomes)

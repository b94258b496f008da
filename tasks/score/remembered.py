"""Decided documents as a document carries them to a process that computes its fields."""

import json
from collections.abc import Sequence

from blocks.evidence.traces import Remembered


def pack_remembered(remembered: Sequence[Remembered]) -> bytes:
    """As JSON."""
    return json.dumps([each.model_dump(mode="json", exclude_defaults=True) for each in remembered]).encode()


def unpack_remembered(content: bytes) -> tuple[Remembered, ...]:
    """What `pack_remembered` packed; nothing of nothing."""
    return tuple(Remembered.model_validate(each) for each in json.loads(content)) if content else ()

"""Payloads as they are kept: JSON, compressed where that saves anything."""

import zlib

_WORTHWHILE_BYTES = 512
"""Compressing less than this takes longer (10 µs) than writing it."""


def pack(payload: bytes) -> bytes:
    """The bytes to keep. A JSON object begins with a brace, and no zlib stream does."""
    return zlib.compress(payload, 1) if len(payload) > _WORTHWHILE_BYTES or not payload.startswith(b"{") else payload


def unpack(kept: bytes) -> bytes:
    """The payload that `pack` was given."""
    return kept if kept.startswith(b"{") else zlib.decompress(kept)

"""What passes between the pool and an OCR process, on one socket."""

import socket
import struct

REQUEST = struct.Struct("!III")
"""Width, height and dpi of a gray bitmap; its pixels follow."""


def receive(channel: socket.socket, size: int) -> bytes | None:
    """Exactly `size` bytes, or None where the other end is gone. Raises TimeoutError by the socket's own timeout."""
    buffer = bytearray(size)
    view, received = memoryview(buffer), 0
    while received < size:
        try:
            count = channel.recv_into(view[received:])
        except ConnectionError:
            return None
        if count == 0:
            return None
        received += count
    return bytes(buffer)

"""Functions that run in a parser process and do what a hostile document makes a parser do."""

import contextlib
import errno
import os
import resource
import signal
import socket
import time
from pathlib import Path

from blocks.errors import Encrypted


def warm_up(*, refuse: bool = False) -> None:
    "".encode("idna")  # addresses need this codec, and an unprivileged user may not be able to read it
    if refuse:
        raise Encrypted(tried=2)


def echo(content: bytes, arguments: dict[str, object]) -> bytes:
    return content + str(arguments["suffix"]).encode()


def process_id(content: bytes, arguments: dict[str, object]) -> bytes:
    return str(os.getpid()).encode()


def parent_id(content: bytes, arguments: dict[str, object]) -> bytes:
    return str(os.getppid()).encode()


def sleep(content: bytes, arguments: dict[str, object]) -> bytes:
    time.sleep(float(str(arguments["seconds"])))
    return b"slept"


def spin(content: bytes, arguments: dict[str, object]) -> bytes:
    while True:
        pass


def ignore_every_signal(content: bytes, arguments: dict[str, object]) -> bytes:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    return spin(content, arguments)


def hoard(content: bytes, arguments: dict[str, object]) -> bytes:
    kept = []
    while True:
        kept.append(bytearray(16 * 1024 * 1024))


def starve_as_c_code_does(content: bytes, arguments: dict[str, object]) -> bytes:
    kept = []
    try:
        while True:
            kept.append(bytearray(b"x") * (4 * 1024 * 1024))
    except MemoryError:
        os.abort()


def abort(content: bytes, arguments: dict[str, object]) -> bytes:
    os.abort()


def abort_with(content: bytes, arguments: dict[str, object]) -> bytes:
    with contextlib.suppress(BlockingIOError):
        os.write(2, str(arguments["words"]).encode())
    os.abort()


def leave(content: bytes, arguments: dict[str, object]) -> bytes:
    os._exit(3)


def exit_as_a_library_does(content: bytes, arguments: dict[str, object]) -> bytes:
    """End with a word about the document on stderr."""
    os.write(2, content)
    os._exit(1)


def end_the_interpreter(content: bytes, arguments: dict[str, object]) -> bytes:
    raise SystemExit("a library gave up")


def flood(content: bytes, arguments: dict[str, object]) -> bytes:
    return b"x" * int(str(arguments["size"]))


def refuse(content: bytes, arguments: dict[str, object]) -> bytes:
    raise Encrypted(tried=2)


def stumble(content: bytes, arguments: dict[str, object]) -> bytes:
    raise ZeroDivisionError("by zero")


def surroundings(content: bytes, arguments: dict[str, object]) -> bytes:
    """What a process can reach: user, environment, whether it can write, connect, fork or dump core."""
    found = {
        "uid": os.getuid(),
        "environment": sorted(os.environ),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    }
    try:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        found["fork"] = True
    except OSError:
        found["fork"] = False
    try:
        Path(str(arguments["folder"]), "written").write_text("x" * 10)
        found["write"] = "done"
    except OSError as error:
        found["write"] = errno.errorcode[error.errno or 0]
    try:
        socket.create_connection(("127.0.0.1", int(str(arguments["port"]))), timeout=5).close()
        found["connect"] = "done"
    except OSError as error:
        found["connect"] = errno.errorcode[error.errno or 0]
    return repr(found).encode()


def talk_to_neighbours(content: bytes, arguments: dict[str, object]) -> bytes:
    """Try to write to every descriptor that was inherited beyond the process's own channel."""
    reached = []
    for descriptor in range(4, 64):
        try:
            socket.socket(fileno=os.dup(descriptor)).send(b"x")
            reached.append(descriptor)
        except OSError:
            continue
    return repr(reached).encode()

"""Messages between a worker and its isolated processes: whole or not at all, and errors of the same class."""

import json
import socket
import time

import pytest

from blocks.errors import Crashed, Encrypted, StageCrashed
from blocks.isolation import wire


def test_exactly_so_many_bytes_are_received_however_they_come() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"abc")
        theirs.sendall(b"defgh")
        deadline = time.monotonic() + 5
        assert wire.receive(ours, 5, deadline) == b"abcde"
        assert wire.receive(ours, 3, deadline) == b"fgh"
        theirs.close()
        with pytest.raises(EOFError):
            wire.receive(ours, 1, deadline)


def test_a_deadline_that_has_passed_ends_a_receive_and_a_send() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(TimeoutError):
            wire.receive(ours, 1, time.monotonic() + 0.05)
        for passed in (time.monotonic(), time.monotonic() - 1):
            with pytest.raises(TimeoutError):
                wire.send(ours, b"x", passed)


def test_a_request_is_a_line_and_says_whether_content_follows() -> None:
    for size in (None, 0, 7):
        line = wire.pack_request("read", {"a": "b\n"}, 2.5, size)
        assert line.count(b"\n") == 1
        assert json.loads(line) == {"function": "read", "arguments": {"a": "b\n"}, "timeout_s": 2.5, "size": size}


def test_an_error_keeps_its_class_and_message() -> None:
    error = wire.unpack_error(wire.pack_error(Encrypted(2)))
    assert type(error) is Encrypted
    assert str(error) == str(Encrypted(2))


def test_an_error_of_an_unknown_kind_is_a_crash() -> None:
    error = wire.unpack_error(json.dumps({"kind": "new", "message": "what is new"}).encode())
    assert type(error) is Crashed
    assert "new: what is new" in str(error)


def test_a_defect_keeps_its_text_and_its_stack() -> None:
    try:
        raise ZeroDivisionError("by \ud800 zero")
    except ZeroDivisionError as error:
        packed = wire.pack_defect(error)
    defect = wire.unpack_defect(packed)
    assert type(defect) is StageCrashed
    assert "ZeroDivisionError: by \ud800 zero" in str(defect)
    (note,) = defect.__notes__
    assert "test_a_defect_keeps_its_text_and_its_stack" in note


def test_a_long_defect_is_cut() -> None:
    defect = wire.unpack_defect(wire.pack_defect(ValueError("x" * 100_000)))
    assert len(str(defect)) < wire.MAX_DEFECT_CHARACTERS + 200

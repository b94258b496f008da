"""Tests reach loopback only."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError

DOCUMENTATION_ADDRESS = "192.0.2.1"  # TEST-NET-1 of RFC 5737, which no host has


def test_another_host_is_refused() -> None:
    with socket.socket() as connection, pytest.raises(SocketConnectBlockedError):
        connection.connect((DOCUMENTATION_ADDRESS, 80))


def test_loopback_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as connection:
        connection.connect(server.getsockname())

"""A Hypothesis profile with the same examples every time and no wall clock, and a listener to connect to."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("c2lib", deadline=None, derandomize=True, database=None)
settings.load_profile("c2lib")


@pytest.fixture
def listener() -> Iterator[tuple[str, int]]:
    """Give the address of a loopback listener."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()

"""The environment of a transport: which addresses are of this machine."""

from __future__ import annotations

import pytest

from iterable_destination.io.environment import is_loopback


@pytest.mark.parametrize(
    ("url", "is_of_it"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8080/path", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://user@localhost.", True),
        ("https://iterable.localhost", True),
        ("http://128.0.0.1", False),
        ("http://[::2]", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("https://api.iterable.com", False),
    ],
)
def test_the_addresses_of_this_machine_are_known(url: str, *, is_of_it: bool) -> None:
    assert is_loopback(url) is is_of_it

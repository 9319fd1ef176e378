"""The environment of a transport: proxies, and which addresses are of this machine."""

from __future__ import annotations

import pytest

from iterable_destination.errors import WrongAddress
from iterable_destination.io.environment import find_proxy, hide_userinfo, is_loopback


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


@pytest.mark.parametrize(
    ("variable", "proxy"),
    [
        ("", None),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://proxy/", "http://proxy/"),
        ("HTTPS://ada:love%23lace@proxy", "https://ada:love%23lace@proxy"),
        ("http://ada:love@lace@proxy", "http://ada:love%40lace@proxy"),
        ("http://ada:lovelace@[::1]:80", "http://ada:lovelace@[::1]:80"),
        ("socks5h://ada@proxy:1080", "socks5h://ada@proxy:1080"),
        ("socks5://ada:%E2%82%AC@proxy", "socks5://ada:%E2%82%AC@proxy"),
    ],
)
def test_the_address_of_a_proxy_has_a_scheme(variable: str, proxy: str | None) -> None:
    assert find_proxy("https://api.iterable.com", {"proxies": {"https": variable}}) == proxy


@pytest.mark.parametrize(
    "variable",
    [
        "http://",
        "http://ada:lovelace@",
        "http://ada:12/34@proxy",
        "http://ada:12?34@proxy",
        "http://ada:12#34@proxy",
        "http://ada:12\\34@proxy",
        "http://ada:%E2%82%AC@proxy",
        "http://proxy:99999",
        "socks9://proxy",
    ],
)
def test_what_is_no_address_of_a_proxy_is_not_repeated(variable: str) -> None:
    with pytest.raises(WrongAddress) as caught:
        find_proxy("https://api.iterable.com", {"proxies": {"https": variable}})
    assert str(caught.value) == "the proxy of the environment is not a valid address"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        (None, "at http://ada:lovelace@proxy"),
        ("http://a@proxy", "at http://ada:lovelace@proxy"),
        ("http://proxy", "at http://ada:lovelace@proxy"),
        ("http://ada:lovelace@proxy", "at http://[proxy user]@proxy"),
    ],
)
def test_the_user_and_the_password_of_a_proxy_are_hidden(proxy: str | None, shown: str) -> None:
    assert hide_userinfo("at http://ada:lovelace@proxy", proxy) == shown

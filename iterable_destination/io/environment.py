"""The environment of a transport: proxies, and the certificates by which servers are recognised.

Both transports ask it as `requests` does, so that a setting of the system holds for each.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from iterable_destination.errors import WrongAddress

#: What `requests` can use; the second with an extra of its own.
_PROXY_SCHEMES: Final = {"http", "https"} | {"socks4", "socks4a", "socks5", "socks5h"}


def read_send_options(url: str) -> dict[str, Any]:
    """Return the options of the environment for requests to an address, as `requests` takes them.

    No proxy is asked for an address of this machine.
    """
    environment = requests.Session().merge_environment_settings(url, {}, None, None, None)
    options = {key: value for key, value in environment.items() if key != "stream"}
    if is_loopback(url):
        options["proxies"] = {}
    return options


def find_proxy(url: str, options: dict[str, Any]) -> str | None:
    """Return the address of the proxy for an address by these options; None for none.

    Raises :exc:`~errors.WrongAddress`, which repeats nothing of it, unless it is one of a proxy.
    """
    found = requests.utils.select_proxy(url, options["proxies"])
    if not found:
        return None
    # Whatever is raised may have the password.
    with suppress(Exception):
        proxy = str(requests.utils.prepend_scheme_if_needed(found, "http"))  # type: ignore[no-untyped-call]
        if _is_of_proxy(proxy):
            return proxy
    raise WrongAddress("the proxy of the environment is not a valid address")


def _is_of_proxy(url: str) -> bool:
    """Whether an address is one of a proxy; raises what it may for some that are not."""
    parts = urlsplit(url)
    # A password with a / ? or # ends the host too early.
    is_whole = "@" not in parts.path + parts.query + parts.fragment
    if parts.scheme in {"http", "https"}:
        "".join(requests.utils.get_auth_from_url(url)).encode("latin-1")  # as it is sent
    return is_whole and bool(parts.hostname) and parts.scheme in _PROXY_SCHEMES


def hide_userinfo(text: str, proxy: str | None) -> str:
    """Return a text in which an address of a proxy has no user and no password; None for none."""
    userinfo, at, _ = urlsplit(proxy or "").netloc.rpartition("@")
    return text.replace(userinfo + at, "[proxy user]@") if userinfo else text


def find_certificates(options: dict[str, Any]) -> str:
    """Return the file, or the folder, of certificates by these options."""
    verify = options["verify"]
    return verify if isinstance(verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH


def locate(certificates: str) -> dict[str, Any]:
    """Return where a file, or a folder, of certificates is, as arguments of ``ssl``."""
    return {"capath" if Path(certificates).is_dir() else "cafile": certificates}


def is_readable(certificates: str) -> bool:
    """Whether a file, or a folder, of certificates can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(**locate(certificates))
    except OSError:
        return False
    return True


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine, which no proxy can reach."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback

"""Signatures and secrets, compared in constant time.

It also knows which part of a body a signature covers.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import Final

#: JSON's white space.
_SPACE: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder()
#: Bytes within which the first element must end. An event of Segment's has 32,000.
_MAX_ELEMENT: Final = 250_000


def is_signed(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether ``signature`` is the ``X-Signature`` of a body under one of the secrets.

    It is the HMAC-SHA1, in lower-case hex, of the body's bytes. Of an array Segment signs the first
    element only, as it stands in the body. Every secret is compared, whichever matches.
    """
    received = signature.encode(errors="replace")
    signed = [body]
    first = find_first_element(body)
    if first is not None:
        signed.append(first)
    matches = False
    for secret in secrets:
        for text in signed:
            expected = hmac.new(secret.encode(), text, "sha1").hexdigest()
            matches |= hmac.compare_digest(expected.encode(), received)
    return matches


def find_first_element(body: bytes) -> bytes | None:
    """Return the bytes of the first element of a JSON array; None for any other body.

    None also if the element is larger than any event, which bounds the work for a sender who is
    not authenticated yet.
    """
    try:
        text = getincrementaldecoder("utf-8")().decode(body[:_MAX_ELEMENT])
        start = _skip_space(text, 0)
        if text[start : start + 1] != "[":
            return None
        start = _skip_space(text, start + 1)
        end = _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None
    return text[start:end].encode()


def _skip_space(text: str, index: int) -> int:
    return len(text) - len(text[index:].lstrip(_SPACE))


def is_one_of(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text is one of the secrets. Every secret is compared, whichever matches."""
    matches = False
    for secret in secrets:
        matches |= hmac.compare_digest(text.encode(errors="replace"), secret.encode())
    return matches


def parse_user_name(authorization: str) -> str | None:
    """Return the user name in an ``Authorization: Basic …`` header; None for any other header."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        return None

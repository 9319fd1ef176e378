"""Signatures: whether a request comes from who says so.

What may live here: comparing secrets, and what of a body a signature covers. Every comparison takes
the same time whatever differs.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import Final

#: White space as JSON has it.
_SPACE: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder()
#: Bytes in which the first element must end. An event of Segment's has 32,000.
_LARGEST_ELEMENT: Final = 250_000


def is_signed(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether a body has this ``X-Signature`` under one of the secrets.

    It is the HMAC-SHA1 in lower-case hex of the bytes as they came; of an array Segment signs the
    first element only, as it stands in the body.
    """
    given = signature.encode(errors="replace")
    signed = [body]
    first = first_element(body)
    if first is not None:
        signed.append(first)
    fits = False
    for secret in secrets:
        for text in signed:
            expected = hmac.new(secret.encode(), text, "sha1").hexdigest()
            fits |= hmac.compare_digest(expected.encode(), given)
    return fits


def first_element(body: bytes) -> bytes | None:
    """Return the bytes of the first element of a JSON array; None if that is not what it is.

    Nor if the element is larger than any event: who sends it is not known yet.
    """
    try:
        text = getincrementaldecoder("utf-8")().decode(body[:_LARGEST_ELEMENT])
        start = _after_space(text, 0)
        if text[start : start + 1] != "[":
            return None
        start = _after_space(text, start + 1)
        end = _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None
    return text[start:end].encode()


def _after_space(text: str, index: int) -> int:
    return len(text) - len(text[index:].lstrip(_SPACE))


def is_one_of(given: str, secrets: Iterable[str]) -> bool:
    """Whether a text is one of the secrets."""
    fits = False
    for secret in secrets:
        fits |= hmac.compare_digest(given.encode(errors="replace"), secret.encode())
    return fits


def user_name(authorization: str) -> str | None:
    """Return the user name of an ``Authorization: Basic …`` header; None if it is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        return None
